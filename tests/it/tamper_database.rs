//! Whoever changes the database is found out by the server's own audit, which names the first bad
//! event.

use medusa_api::VerifyReport;
use medusa_tlog::Frontier;

use crate::harness::House;

/// What `medusa-server verify` says of the database.
fn verify(house: &House) -> (Option<i32>, VerifyReport) {
    let output = house.command().arg("verify").output().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), report)
}

/// The database of a house, in the hands of somebody whom no trigger and no right stops.
struct Owned<'a> {
    house: &'a House,
    events: i64,
}

/// The tables that are put back after each attack.
const KEPT: &[(&str, &str)] = &[
    ("create table kept_event as table event", "insert into event table kept_event"),
    ("create table kept_head as table log_head", "insert into log_head table kept_head"),
    (
        "create table kept_account as table ledger_account",
        "insert into ledger_account table kept_account",
    ),
    (
        "create table kept_page as table statement_page",
        "insert into statement_page table kept_page",
    ),
];

impl<'a> Owned<'a> {
    async fn new(house: &'a House, events: i64) -> Self {
        for (keep, _) in KEPT {
            sqlx::query(*keep).execute(&house.db.pool).await.unwrap();
        }
        Self { house, events }
    }

    /// Runs a change; `$1` is the number of events.
    async fn change(&self, sql: &'static str) {
        let mut db = self.house.db.pool.begin().await.unwrap();
        let order = "alter table event disable trigger user";
        sqlx::query(order).execute(&mut *db).await.unwrap();
        let query =
            if sql.contains("$1") { sqlx::query(sql).bind(self.events) } else { sqlx::query(sql) };
        let done = query.execute(&mut *db).await.unwrap();
        assert!(done.rows_affected() > 0, "nothing was changed: {sql}");
        db.commit().await.unwrap();
    }

    /// Makes the head fit the events that are there.
    async fn mend_head(&self) {
        let leaves: Vec<Vec<u8>> = sqlx::query_scalar("select leaf from event order by position")
            .fetch_all(&self.house.db.pool)
            .await
            .unwrap();
        let mut frontier = Frontier::default();
        leaves.iter().for_each(|leaf| frontier.push(leaf.as_slice().try_into().unwrap()));
        let peaks: Vec<Vec<u8>> = frontier.peaks().iter().map(|peak| peak.to_vec()).collect();
        sqlx::query("update log_head set position = $1, root = $2, frontier = $3")
            .bind(i64::try_from(frontier.size()).unwrap())
            .bind(frontier.root().as_slice())
            .bind(peaks)
            .execute(&self.house.db.pool)
            .await
            .unwrap();
    }

    async fn put_back(&self) {
        let mut db = self.house.db.pool.begin().await.unwrap();
        sqlx::query("alter table event disable trigger user").execute(&mut *db).await.unwrap();
        sqlx::query("truncate event, log_head, ledger_account, statement_page")
            .execute(&mut *db)
            .await
            .unwrap();
        for (_, restore) in KEPT {
            sqlx::query(*restore).execute(&mut *db).await.unwrap();
        }
        for guard in ["event_append_only", "event_no_truncate"] {
            let order = format!("alter table event enable always trigger {guard}");
            sqlx::query(sqlx::AssertSqlSafe(order)).execute(&mut *db).await.unwrap();
        }
        db.commit().await.unwrap();
    }

    /// That the server's own audit names this position first, in these words.
    fn is_found(&self, what: &str, position: i64, words: &str) {
        let (code, report) = verify(self.house);
        let first = report.problems.first().map(String::as_str).unwrap_or_default();
        assert_eq!((code, report.ok), (Some(10), false), "{what}: {report:?}");
        assert!(first.starts_with(&format!("event {position}: ")), "{what}: {report:?}");
        assert!(first.contains(words), "{what}: {report:?}");
    }
}

/// Where an attack must be found.
enum Place {
    At(i64),
    FromEnd(i64),
    /// The last event that touched the account.
    Account,
}
use Place::{Account, At, FromEnd};

const LEAF: &str = "its bytes do not have the stored leaf hash";
const COLUMNS: &str = "its bytes and its columns disagree";

/// What is done, where it is found, in which words, and how it is done.
const ATTACKS: &[(&str, Place, &str, &str)] = &[
    (
        "a byte of an event",
        At(3),
        LEAF,
        "update event set body = set_byte(body, 40, get_byte(body, 40) # 1) where position = 3",
    ),
    (
        "a leaf hash",
        At(3),
        LEAF,
        "update event set leaf = set_byte(leaf, 0, get_byte(leaf, 0) # 1) where position = 3",
    ),
    (
        "a column beside the bytes",
        At(3),
        COLUMNS,
        "update event set stream = stream || 'x' where position = 3",
    ),
    (
        "an event is deleted",
        At(4),
        "is missing; the next one is 5",
        "delete from event where position = 4",
    ),
    (
        "two bodies are exchanged",
        At(3),
        LEAF,
        "update event e set body = o.body from event o
         where (e.position, o.position) in ((3, 5), (5, 3))",
    ),
    (
        "two bodies and their hashes are exchanged",
        At(3),
        COLUMNS,
        "update event e set body = o.body, leaf = o.leaf from event o
         where (e.position, o.position) in ((3, 5), (5, 3))",
    ),
    (
        "two rows are exchanged",
        At(3),
        COLUMNS,
        "update event e set (batch, stream, version, type, at, body, leaf) =
             (o.batch, o.stream, o.version, o.type, o.at, o.body, o.leaf)
         from event o where (e.position, o.position) in ((3, 5), (5, 3))",
    ),
    (
        "the last event is deleted",
        FromEnd(-1),
        "is the last one, but the head says",
        "delete from event where position = $1",
    ),
    (
        "an event is put in behind the end",
        FromEnd(1),
        "is the last one, but the head says",
        r#"with made as (
             select convert_to(replace(replace(convert_from(body, 'UTF8'),
                        '"position":' || position, '"position":' || position + 1),
                        '"version":' || version, '"version":' || version + 1), 'UTF8') as bytes,
                    e.* from event e where position = $1)
           insert into event (position, batch, stream, version, type, at, body, leaf)
           select position + 1, batch, stream, version + 1, type, at, bytes,
                  sha256('\x00'::bytea || bytes) from made"#,
    ),
    (
        "a balance",
        Account,
        "the balance of consumer.promo:",
        "update ledger_account set balance = balance + 1 where account = (
             select account from ledger_account where account like 'consumer.promo:%'
             order by position limit 1)",
    ),
];

#[tokio::test]
async fn whoever_changes_the_database_is_found_out_by_the_server() {
    let house = House::open().await;
    let admin = house.admin().await;
    for name in ["carla", "lena", "luis"] {
        house.person(name).await;
    }
    let size = admin.client.audit_head().await.unwrap().size;
    assert!(size > 6);
    // The books follow the log; who asks for them waits for them.
    assert_eq!(admin.client.trial_balance().await.unwrap().position, size);
    let last: i64 = sqlx::query_scalar(
        "select position from ledger_account where account like 'consumer.promo:%'
         order by position limit 1",
    )
    .fetch_one(&house.db.pool)
    .await
    .unwrap();
    let owned = Owned::new(&house, size).await;
    assert_eq!(verify(&house).0, Some(0), "before anything is changed");
    for (what, place, words, sql) in ATTACKS {
        owned.change(sql).await;
        let position = match place {
            At(position) => *position,
            FromEnd(steps) => size + steps,
            Account => last,
        };
        owned.is_found(what, position, words);
        owned.put_back().await;
        assert_eq!(verify(&house).0, Some(0), "{what} was put back");
    }

    // With the head made to fit: what was signed before tells.
    const SIGNED: &str = "the signed checkpoint of this size has another root";
    owned.change("delete from event where position = $1").await;
    owned.mend_head().await;
    owned.is_found("the end and the head are cut", size, SIGNED);
    owned.put_back().await;
    owned
        .change(
            r#"with made as (
                 select position, convert_to(replace(convert_from(body, 'UTF8'), '"welcome"',
                     '"because"'), 'UTF8') as bytes
                 from event where type = 'billing.credits_granted' order by position limit 1)
               update event e set body = bytes, leaf = sha256('\x00'::bytea || bytes)
               from made where made.position = e.position"#,
        )
        .await;
    owned.mend_head().await;
    owned.is_found("history and the head are rewritten", size, SIGNED);
    owned.put_back().await;

    // A line of a statement: the rules that are checked all the time name it.
    owned
        .change(
            "update statement_page set amounts[1] = amounts[1] + 1
             where account_id = (select id from ledger_account
                 where account like 'consumer.promo:%' order by position limit 1)",
        )
        .await;
    let rules = admin.client.check_invariants(medusa_client::operation_id()).await.unwrap();
    let statements = rules.items.iter().find(|rule| rule.id == "L04").unwrap();
    assert_eq!((statements.bad > 0, statements.first_bad), (true, Some(last)), "{statements:?}");
    owned.put_back().await;
    let rules = admin.client.check_invariants(medusa_client::operation_id()).await.unwrap();
    let broken: Vec<_> = rules.items.iter().filter(|rule| rule.bad > 0).collect();
    assert!(broken.is_empty(), "{broken:?}");
}
