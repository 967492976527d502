//! One fault after the other, each planted into a right log and taken back again: the rule that it
//! breaks tells.

use medusa_events::Fact;
use medusa_ledger::{Account, Amount, Bucket, Change, Class, Resolution};
use medusa_types::{UserId, Uuid, WatchId};
use sqlx::{Acquire as _, PgConnection};

use super::super::list::{ALL, How};
use super::super::run::{Findings, now, run};
use super::world::{
    ADMINS, CAMPAIGN, ENDED, LENDERS, OWNER, Planted, RUNNING, World, adjusted, earned, granted,
    micros, pending, promo, settled,
};

/// A step of a fault.
enum Step {
    /// A change of what is stored.
    Sql(&'static str),
    /// Another event.
    Event(Box<Planted>),
}

use Step::{Event, Sql};

/// Makes an account that nothing has touched.
macro_rules! account {
    ($name:literal, $code:literal, $currency:literal, $balance:literal) => {
        concat!(
            "insert into ledger_account values (99, '",
            $name,
            "', ",
            $code,
            ", '",
            $currency,
            "', ",
            $balance,
            ", 0, 0, 'open', 0, 1)"
        )
    };
}

/// A fault, the rules that tell of it, and those that tell by looking at what is new only.
struct Fault {
    rules: &'static [&'static str],
    tail: &'static [&'static str],
    steps: Vec<Step>,
}

fn happens(event: Planted) -> Step {
    Event(Box::new(event))
}

fn stored(rules: &'static [&'static str], statement: &'static str) -> Fault {
    Fault { rules, tail: &[], steps: vec![Sql(statement)] }
}

fn written(rules: &'static [&'static str], event: Planted) -> Fault {
    Fault { rules, tail: rules, steps: vec![happens(event)] }
}

fn gift(postings: &[(Account, i64)]) -> Planted {
    Planted::new(granted(OWNER, 1), postings)
}

fn house(class: Class) -> Account {
    Account::house(class).unwrap()
}

fn with(changes: Vec<Change>) -> Planted {
    Planted { changes, ..gift(&[]) }
}

fn reserved(n: u128, amount: i64) -> Change {
    Change::Reserved {
        pending: pending(n),
        from: promo(OWNER),
        to: promo(LENDERS[0]),
        amount: Amount::new(amount),
        expires_at: None,
    }
}

fn resolved(n: u128) -> Change {
    Change::Resolved { pending: pending(n), how: Resolution::Voided, amount: Amount::ZERO }
}

/// Events that the books should have refused.
fn of_the_books() -> Vec<Fault> {
    let (grant, mine) = (Account::promo_grant(), promo(OWNER));
    let debt: Account = format!("receivable.consumer:{OWNER}").parse().unwrap();
    let stranger = UserId(Uuid::from_u128(77));
    let closed = Account::escrow(Bucket::Promo, ENDED);
    let far = i64::MAX;
    vec![
        written(&["I03", "I04", "L20"], gift(&[(grant, -5), (mine, 6)])),
        written(&["I06", "L03"], gift(&[(promo(stranger), -5), (mine, 5)])),
        written(&["L03"], gift(&[(grant, -5), (debt, 5)])),
        written(&["I18", "L05"], Planted { later_s: -1, ..gift(&[]) }),
        written(&["L01"], gift(&[(grant, 0), (mine, 0)])),
        written(&["L01"], with(vec![reserved(9, -1)])),
        written(&["L06"], with(vec![reserved(9, 1)])),
        written(&["L06"], with(vec![resolved(1)])),
        written(&["L06"], with(vec![resolved(2), resolved(2)])),
        written(&["L15", "I06"], gift(&[(earned(stranger), -5), (grant, 5)])),
        written(&["L16"], gift(&[(earned(LENDERS[1]), -5), (grant, 5)])),
        written(&["L19"], gift(&[(grant, -5), (closed, 5)])),
        written(&["L24"], gift(&[(grant, -far), (mine, far), (grant, -far), (mine, far)])),
        Fault {
            rules: &["L03"],
            tail: &["L03"],
            steps: vec![
                Sql("insert into reservation values ('00000000-0000-0000-0000-000000000009',
                         'consumer.promo:usr_0000000000000000000000000000000a',
                         'consumer.promo:usr_00000000000000000000000000000014', 10000000, null,
                         'open', 0, (select position + 1 from log_head), null)"),
                happens(with(vec![reserved(9, 10_000_000)])),
            ],
        },
    ]
}

/// Commands that were carried out twice, or without anybody having asked.
fn of_commands() -> Vec<Fault> {
    let suspense = house(Class::SuspenseAdjustment);
    let adjust = |by, units: i64| {
        let postings = [(suspense, -units), (promo(OWNER), units)];
        Planted::new(adjusted(promo(OWNER), 500, by), &postings)
    };
    vec![
        Fault {
            rules: &["I15", "L07"],
            tail: &["I15"],
            steps: vec![happens(Planted { operation: Some("settle:1:0"), ..gift(&[]) })],
        },
        written(&["L08"], Planted { operation: Some("never:asked"), ..gift(&[]) }),
        written(&["L18"], adjust([ADMINS[0]; 2], 500)),
        written(&["L18"], adjust([OWNER, ADMINS[0]], 500)),
        written(&["L18"], adjust(ADMINS, 400)),
    ]
}

/// Payments for chunks that nobody should have got.
fn of_jobs() -> Vec<Fault> {
    let escrow = |job| Account::escrow(Bucket::Promo, job);
    let [one, other] = LENDERS.map(Account::lender_pending);
    let fee = house(Class::IncomeComputeFee);
    let twice = || {
        let postings = [(escrow(ENDED), -919), (one, 400), (other, 399), (fee, 120)];
        Planted::new(settled(ENDED, 0, &[(1_000, 400), (1_001, 399)], 120), &postings)
    };
    let paid = |postings: &[_]| Planted::new(settled(RUNNING, 0, &[(1_004, 5)], 0), postings);
    let uneven = [(escrow(RUNNING), -7), (one, 6), (fee, 1)];
    vec![
        written(&["I09", "L10"], paid(&[(escrow(RUNNING), -5), (one, 5)])),
        written(&["I10"], paid(&[])),
        written(&["L11"], Planted::new(settled(RUNNING, 1, &[(1_006, 5)], 1), &uneven)),
        Fault { rules: &["I07", "I08", "L10"], tail: &[], steps: vec![happens(twice())] },
        Fault {
            rules: &["L10"],
            tail: &["L10"],
            steps: vec![
                happens(twice()),
                Sql("update chunk set price = price * 2
                     where job_id::text like '%64' and index = 0"),
            ],
        },
    ]
}

/// Credits that nobody has paid for, and money for credits that are none.
fn of_ads_and_payouts() -> Vec<Fault> {
    let grant = Account::promo_grant();
    let (campaign, margin) = (Account::campaign_reserve(CAMPAIGN), house(Class::IncomeAdMargin));
    let ad = Account::wallet(Bucket::Ad, OWNER);
    let watched = Fact::WatchRewarded {
        watch: WatchId(Uuid::from_u128(9)),
        user: OWNER,
        campaign: CAMPAIGN,
        price: micros(1_000),
        reward: micros(700),
    };
    vec![
        written(&["I19"], gift(&[(promo(OWNER), -5), (house(Class::PayoutPending), 5)])),
        written(&["I20", "I06"], gift(&[(campaign, -500_000), (margin, 500_000)])),
        written(&["L11"], Planted::new(watched, &[(campaign, -1_001), (ad, 701), (margin, 300)])),
        written(&["L12"], gift(&[(grant, -5), (ad, 5)])),
    ]
}

/// Faults of the stored log.
fn of_the_log() -> Vec<Fault> {
    vec![
        stored(&["I01", "L05"], "delete from event where position = 5"),
        stored(
            &["I01", "L21"],
            "delete from event where position = (select position from log_head)",
        ),
        stored(
            &["I02", "L21"],
            "update event
             set body = replace(convert_from(body, 'UTF8'), 'welcome', 'welcomf')::bytea
             where position = 2",
        ),
        stored(&["I02", "L21"], "update event set body = substr(body, 2) where position = 4"),
        stored(&["I02"], "update event set stream = 'other' where position = 3"),
        stored(&["I02"], "update event set type = 'other' where position = 3"),
        stored(&["I02"], "update event set at = at + interval '1 us' where position = 3"),
        stored(&["I02"], "update event set leaf = sha256(leaf) where position = 3"),
        stored(
            &["I15"],
            "update operation set position = 1
             where position = (select max(position) from operation)",
        ),
        stored(&["I23"], "grant update on event to medusa_app"),
        stored(&["I23"], "grant delete on event_p0 to medusa_app"),
        stored(&["I23"], "grant truncate on operation to medusa_app"),
        stored(&["I23"], "alter table event disable trigger event_append_only"),
        stored(&["I23"], "alter table event_p0 disable trigger event_append_only"),
        // A trigger that is merely on is silent for a session that replicates.
        stored(&["I23"], "alter table event enable trigger event_append_only"),
        stored(&["I23"], "drop trigger event_no_truncate on event"),
        stored(
            &["L07"],
            "update event set batch = batch + 1 where type = 'billing.escrow_released'",
        ),
        stored(&["L08"], "delete from operation"),
        stored(&["L08"], "update operation set position = null, refusal = 'billing.credits_short'"),
        stored(&["L18"], "delete from adjustment"),
        stored(&["L18"], "update adjustment set ticket = ''"),
        stored(&["L18"], "update adjustment set amount = 501"),
        stored(&["L21"], "update log_head set root = sha256(root)"),
        stored(&["L21"], "insert into checkpoint values (3, '\\x00', '', now())"),
        stored(
            &["L21"],
            "insert into checkpoint select position, sha256(root), '', now() from log_head",
        ),
    ]
}

/// Faults of the books that are derived from it.
fn of_stored_books() -> Vec<Fault> {
    vec![
        stored(
            &["I05", "L02"],
            "update ledger_account set balance = balance + 1 where account like 'consumer.promo%'",
        ),
        stored(&["I05", "L04"], "delete from ledger_account where account = 'expense.promo_grant'"),
        stored(
            &["L04"],
            "update ledger_account set position = position - 1
             where account = 'income.compute_fee'",
        ),
        stored(
            &["L04"],
            "update statement_page set amounts[1] = amounts[1] + 1
             where account_id = 2",
        ),
        stored(&["L04"], "update statement_page set opening = opening + 1 where opening > 0"),
        stored(&["L04"], "delete from statement_page where account_id = 2"),
        stored(
            &["L02", "L06"],
            "update ledger_account set debits_pending = debits_pending + 1
             where debits_pending > 0",
        ),
        stored(
            &["L06"],
            "update reservation set state = 'open', resolved_position = null
             where state = 'posted'",
        ),
        stored(&["L06"], "update reservation set posted = posted + 1 where state = 'posted'"),
        stored(&["L09"], "update ledger_account set state = 'open' where account like 'escrow%'"),
        stored(&["L13"], account!("exchange.USD", 9100, "USD", 0)),
        stored(&["L14", "L23"], account!("bank", 1000, "USD", 0)),
        stored(&["L14", "L23"], account!("psp_clearing:stripe", 1100, "USD", 0)),
        stored(&["L17"], account!("rounding", 5070, "CRD", 2_000_000)),
        stored(
            &["L19"],
            "update ledger_account set state = 'closed' where account = 'income.compute_fee'",
        ),
    ]
}

/// Faults of the read model of jobs.
fn of_stored_jobs() -> Vec<Fault> {
    vec![
        stored(
            &["I08"],
            "update chunk set attempts = 1 where job_id::text like '%64' and index = 0",
        ),
        stored(&["I09", "L10"], "update lease set verified_position = null where paid is not null"),
        stored(
            &["I09"],
            "update lease set verified_position = verified_position + 1 where paid is not null",
        ),
        stored(&["I11", "I12", "L09"], "update job set state = 'failed' where state = 'running'"),
        stored(
            &["I13"],
            "insert into lease
             select gen_random_uuid(), job_id, chunk, agent_id, lender_id, epoch + 1, fuel_limit,
                 granted_position, expires_at, ended_position
             from lease where outcome is not null limit 1;
             update chunk set attempts = 1",
        ),
        stored(&["I13"], "update lease set ended_position = 1 where outcome is not null"),
        stored(&["I14"], "update lease set fuel = fuel_limit + 1 where outcome is not null"),
        stored(&["I14"], "update lease set fuel = -1 where outcome is not null"),
        stored(&["I21"], "update job set owner_id = '00000000-0000-0000-0000-000000000014'"),
        stored(&["I26"], "update job set held = held + 1"),
        stored(&["I26", "L09"], "update job set spent = spent + 1 where state = 'done'"),
        stored(&["I27"], "update chunk set live = live + 1"),
        stored(&["I27"], "update chunk set state = 'leased' where state = 'verified'"),
        stored(&["I27"], "update chunk set state = 'waiting' where state = 'leased'"),
        stored(&["L10"], "update chunk set price = price + 1 where price > 0"),
    ]
}

fn all_faults() -> impl Iterator<Item = Fault> {
    [
        of_the_log(),
        of_stored_books(),
        of_stored_jobs(),
        of_the_books(),
        of_commands(),
        of_jobs(),
        of_ads_and_payouts(),
    ]
    .into_iter()
    .flatten()
}

async fn head(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select position from log_head").fetch_one(db).await.unwrap()
}

async fn found(db: &mut PgConnection, low: i64) -> Findings {
    let high = head(db).await;
    let mut inner = db.begin().await.unwrap();
    let mut found = run(&mut inner, low, high).await.unwrap();
    for (id, finding) in now(&mut inner).await.unwrap() {
        found.entry(id).or_default().merge(finding);
    }
    inner.rollback().await.unwrap();
    found
}

fn broken(found: &Findings) -> Vec<&'static str> {
    found.iter().filter(|(_, finding)| finding.bad > 0).map(|(id, _)| *id).collect()
}

/// Switches the triggers of the log off, and on again as they must be.
const UNGUARDED: &str = "alter table event disable trigger user";
const GUARDED: &str = "alter table event enable always trigger event_append_only;
    alter table event enable always trigger event_no_truncate";

#[tokio::test]
async fn every_fault_is_told_by_its_rule() {
    let w = World::new().await;
    let mut db = w.db.pool.acquire().await.unwrap();
    let (mut told, mut failures) = (Vec::new(), Vec::new());
    for fault in all_faults() {
        let mut tx = db.begin().await.unwrap();
        let before = head(&mut tx).await;
        // Whoever may do this has switched the triggers off.
        let guarded = fault.rules.contains(&"I23");
        if !guarded {
            sqlx::raw_sql(UNGUARDED).execute(&mut *tx).await.unwrap();
        }
        let mut words = String::new();
        for step in &fault.steps {
            match step {
                Sql(statement) => {
                    sqlx::raw_sql(*statement).execute(&mut *tx).await.unwrap();
                    words = (*statement).to_owned();
                }
                Event(event) => {
                    event.write(&mut tx).await;
                    words = format!("{:?} {:?} {:?}", event.fact, event.postings, event.changes);
                }
            }
        }
        if !guarded {
            sqlx::raw_sql(GUARDED).execute(&mut *tx).await.unwrap();
        }
        let all = found(&mut tx, 0).await;
        for id in fault.rules.iter().filter(|id| all[*id].bad == 0 || all[*id].detail.is_empty()) {
            failures.push(format!("{id} says nothing of {words}, but {:?} do", broken(&all)));
        }
        if !fault.tail.is_empty() {
            let tail = found(&mut tx, before).await;
            for id in fault.tail.iter().filter(|id| tail[*id].bad == 0) {
                failures.push(format!("{id} does not see the new {words}: {:?}", broken(&tail)));
            }
        }
        tx.rollback().await.unwrap();
        told.extend(fault.rules);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // The one over the books built anew has its own test.
    let untold = ALL.iter().filter(|rule| !matches!(rule.how, How::Replay));
    let untold: Vec<_> = untold.map(|rule| rule.id).filter(|id| !told.contains(id)).collect();
    assert!(untold.is_empty(), "no fault is planted for {untold:?}");
    assert_eq!(broken(&found(&mut db, 0).await), [""; 0], "everything was taken back");
}

#[tokio::test]
async fn every_span_of_a_right_log_keeps_every_rule() {
    let w = World::new().await;
    let mut db = w.db.pool.acquire().await.unwrap();
    let ends: Vec<i64> =
        sqlx::query_scalar("select max(position) from event group by batch order by 1")
            .fetch_all(&mut *db)
            .await
            .unwrap();
    let last = ends.last().copied().unwrap();
    for (low, next) in [0].into_iter().chain(ends.clone()).zip(ends.clone()) {
        for high in [next, last] {
            let mut tx = db.begin().await.unwrap();
            let found = run(&mut tx, low, high).await.unwrap();
            let wrong: Vec<_> = found.iter().filter(|(_, finding)| finding.bad > 0).collect();
            assert!(wrong.is_empty(), "{low} to {high}: {wrong:?}");
            tx.rollback().await.unwrap();
        }
    }
}
