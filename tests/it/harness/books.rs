//! What must be so of the money after everything, told by the public audit views and by wallets.

use medusa_types::{Credits, JobId};

use super::house::House;
use super::people::Person;
use super::until;

/// Everybody begins with so much.
pub(super) const WELCOME: Credits = Credits::from_micros(100_000_000);

/// Rules about the log and the ledger, each as a query over the audit views that gives what breaks
/// it. The numbers are those of the auditors' list.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "I01 positions have no gaps",
        "select count(*) from (select pos - row_number() over (order by pos) as gap
             from audit.events) s where gap <> 0",
    ),
    (
        "I03 each event balances",
        "select count(*) from (select 1 from audit.entries group by event_pos, currency
             having sum(amount) <> 0) s",
    ),
    (
        "I04 the ledger sums to zero",
        "select count(*) from (select 1 from audit.entries group by currency
             having sum(amount) <> 0) s",
    ),
    (
        "I05 a balance is the sum of its entries",
        "select count(*) from audit.balances b full join
             (select account_id, sum(amount) as s from audit.entries group by 1) e
             on e.account_id = b.account_id where coalesce(b.balance, 0) <> coalesce(e.s, 0)",
    ),
    (
        "I06 nobody was ever overdrawn",
        "select count(*) from (select account_id, sum(amount) over (partition by account_id
                 order by event_pos, entry_no rows unbounded preceding) as run
             from audit.entries) r
         join audit.accounts a on a.id = r.account_id where not a.may_go_negative and run < 0",
    ),
    (
        "I07 an attempt is paid at most once",
        "select count(*) from (select 1 from audit.payments group by attempt_id
             having count(*) > 1) s",
    ),
    (
        "I08 no chunk is paid more often than it was run",
        "select count(*) from (select 1 from audit.chunks c
             join audit.payments p on p.chunk_id = c.id
             group by c.id, c.replicas having count(*) > c.replicas) s",
    ),
    (
        "I09 nothing is paid before it is verified",
        "select count(*) from audit.payments p left join audit.attempts t on t.id = p.attempt_id
         where t.id is null or t.verified_pos is null or t.verified_pos >= p.event_pos",
    ),
    (
        "I10 each payment has its entry",
        "select count(*) from audit.payments p where not exists (select 1 from audit.entries e
             where e.event_pos = p.event_pos and e.account_id = p.lender_account
                 and e.amount = p.amount)",
    ),
    (
        "I11 a job that has ended holds nothing",
        "select count(*) from audit.jobs j
         join audit.accounts a on a.owner = split_part(j.escrow_account, ':', 2)
         join audit.balances b on b.account_id = a.id
         where j.state in ('done', 'failed', 'cancelled') and b.balance <> 0",
    ),
    (
        "I12 a job that has ended has no live lease",
        "select count(*) from audit.jobs j join audit.chunks c on c.job_id = j.id
         join audit.leases l on l.chunk_id = c.id
         where j.state in ('done', 'failed', 'cancelled') and l.ended_pos is null",
    ),
    (
        "I14 no fuel beyond the lease",
        "select count(*) from audit.attempts
         where accepted_pos is not null and (fuel < 0 or fuel > fuel_cap)",
    ),
    (
        "I18 time never runs backwards",
        "select count(*) from (select at < lag(at) over (order by pos) as back
             from audit.events) s where back",
    ),
    (
        "I21 nobody is paid for his own job",
        "select count(*) from audit.payments p join audit.attempts t on t.id = p.attempt_id
         join audit.chunks c on c.id = t.chunk_id join audit.jobs j on j.id = c.job_id
         where t.lender = j.owner",
    ),
    (
        "I26 what was held is paid, given back or still held",
        "select count(*) from (select split_part(e.account_id, ':', 2) as job, sum(e.amount) as s
             from audit.entries e where e.account_id like 'escrow.%' group by 1) held
         join audit.jobs j on split_part(j.escrow_account, ':', 2) = held.job
         where j.state in ('done', 'failed', 'cancelled') and held.s <> 0",
    ),
];

/// The names of the rules that are broken now.
pub(crate) async fn broken_invariants(house: &House) -> Vec<&'static str> {
    projected(house).await;
    let mut broken = Vec::new();
    for (name, query) in INVARIANTS {
        let bad: i64 = sqlx::query_scalar(*query).fetch_one(&house.db.pool).await.unwrap();
        if bad != 0 {
            broken.push(*name);
        }
    }
    broken
}

/// Waits until every projection shows everything that was written before.
pub(crate) async fn projected(house: &House) {
    let behind = "select count(*) from projection
                  where position < (select position from log_head)";
    for _ in 0..200 {
        let count: i64 = sqlx::query_scalar(behind).fetch_one(&house.db.pool).await.unwrap();
        if count == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("a projection does not follow the log");
}

/// How often each chunk of a job was settled, by chunk.
pub(crate) async fn settlements(house: &House, job: JobId) -> Vec<i64> {
    sqlx::query_scalar(
        "select count(*) from audit.events
         where kind = 'billing.chunk_settled' and body -> 'data' ->> 'job' = $1
         group by (body -> 'data' ->> 'chunk')::int order by (body -> 'data' ->> 'chunk')::int",
    )
    .bind(job.to_string())
    .fetch_all(&house.db.pool)
    .await
    .unwrap()
}

/// Checks that a consumer who came with the welcome credits lost exactly what these ended jobs
/// cost,
/// that lenders and the fee got exactly that, and that every rule of the ledger holds.
pub(crate) async fn add_up(house: &House, consumer: &Person, lenders: &[&Person], jobs: &[JobId]) {
    let sum = |amounts: &[Credits]| -> i64 { amounts.iter().map(|c| c.micros()).sum() };
    let (mut spent, mut fee) = (Vec::new(), Vec::new());
    for job in jobs {
        let cost = until("the release of the rest", async || {
            let job = consumer.client.job(*job).await.unwrap();
            let even = sum(&[job.cost.spent, job.cost.released]) == job.cost.held.micros();
            (job.state.is_final() && even).then_some(job.cost)
        })
        .await;
        assert!(cost.spent <= cost.held);
        spent.push(cost.spent);
        fee.push(cost.fee);
    }
    let wallet = consumer.client.wallet().await.unwrap();
    assert_eq!(wallet.held, Credits::ZERO);
    assert_eq!(wallet.available.micros(), WELCOME.micros() - sum(&spent), "the consumer's rest");
    let mut earned = Vec::new();
    for lender in lenders {
        let wallet = lender.client.wallet().await.unwrap();
        assert_eq!(wallet.available, WELCOME, "what is earned is pending first");
        earned.push(wallet.earned_pending);
    }
    assert_eq!(sum(&earned) + sum(&fee), sum(&spent), "earned and fee are what was spent");
    assert_eq!(broken_invariants(house).await, [""; 0]);
}
