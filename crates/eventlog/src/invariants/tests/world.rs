//! A right log with something of everything in it, and the tables that are derived from it; and
//! faults that are planted into both.

use medusa_events::{AttemptShare, EndState, Envelope, FORMAT, Fact};
use medusa_ledger::{Account, AccountState, Amount, Bucket, Change, Move, Posting, flows};
use medusa_platform::Clock;
use medusa_testkit::TestDb;
use medusa_tlog::leaf_hash;
use medusa_types::{
    AdjustmentId, AgentId, CampaignId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Outcome,
    PendingId, Sha256Hash, Timestamp, UserId, Uuid, WatchId,
};
use sqlx::PgConnection;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Append, EventLog, LogConfig, NewEvent, Operation};

pub(super) const OWNER: UserId = UserId(Uuid::from_u128(10));
pub(super) const LENDERS: [UserId; 2] = [UserId(Uuid::from_u128(20)), UserId(Uuid::from_u128(21))];
pub(super) const ADMINS: [UserId; 2] = [UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2))];
pub(super) const CAMPAIGN: CampaignId = CampaignId(Uuid::from_u128(5));
/// A job that has ended, one that runs, and one that a lender pays out of earnings.
pub(super) const ENDED: JobId = JobId(Uuid::from_u128(100));
pub(super) const RUNNING: JobId = JobId(Uuid::from_u128(101));
pub(super) const EARNED: JobId = JobId(Uuid::from_u128(102));

pub(super) struct World {
    pub(super) db: TestDb,
    pub(super) log: EventLog,
    _stop: DropGuard,
}

pub(super) fn micros(n: i64) -> Credits {
    Credits::from_micros(n)
}

pub(super) fn promo(user: UserId) -> Account {
    Account::wallet(Bucket::Promo, user)
}

pub(super) fn earned(user: UserId) -> Account {
    Account::wallet(Bucket::Earned, user)
}

pub(super) fn lease(n: u128) -> LeaseId {
    LeaseId(Uuid::from_u128(n))
}

pub(super) fn pending(n: u128) -> PendingId {
    PendingId(Uuid::from_u128(n))
}

pub(super) fn granted(user: UserId, amount: i64) -> Fact {
    Fact::CreditsGranted { user, amount: micros(amount), why: "welcome".into() }
}

/// The payment of a chunk of the job that has ended to the holders of two leases.
pub(super) fn settled(job: JobId, chunk: u32, shares: &[(u128, i64)], fee: i64) -> Fact {
    let share = |(n, amount): &(u128, i64)| AttemptShare {
        lease: lease(*n),
        agent: AgentId(Uuid::from_u128(*n)),
        lender: LENDERS[usize::try_from(n % 2).unwrap()],
        amount: micros(*amount),
    };
    let price = micros(shares.iter().map(|(_, n)| n).sum::<i64>() + fee);
    let shares = shares.iter().map(share).collect();
    let (chunk, fuel) = (ChunkIndex(chunk), Fuel(1_000));
    Fact::ChunkSettled { job, chunk, fuel, price, fee: micros(fee), shares }
}

pub(super) fn adjusted(account: Account, amount: i64, by: [UserId; 2]) -> Fact {
    Fact::BooksAdjusted {
        adjustment: AdjustmentId(Uuid::from_u128(7)),
        account,
        amount: Amount::new(amount),
        reason: "goodwill".into(),
        proposed_by: by[0],
        approved_by: by[1],
    }
}

fn submitted(job: JobId, owner: UserId, hold: i64) -> Fact {
    let nothing = Sha256Hash([0; 32]);
    Fact::JobSubmitted {
        job,
        owner,
        program: nothing,
        input: None,
        spec: nothing,
        plan: nothing,
        chunks: 2,
        copies: 2,
        fuel_limit: Fuel(5_000),
        hold: micros(hold),
        per_gfuel: micros(1),
        per_start: micros(1),
        fee_permille: 150,
        meter: "wt48-1".into(),
    }
}

fn leased(job: JobId, chunk: u32, n: u128, epoch: u64) -> Fact {
    Fact::ChunkLeased {
        job,
        chunk: ChunkIndex(chunk),
        lease: lease(n),
        agent: AgentId(Uuid::from_u128(n)),
        lender: LENDERS[usize::try_from(n % 2).unwrap()],
        epoch,
        fuel_limit: Fuel(5_000),
        expires_at: Timestamp::from_micros(9_000_000_000_000_000),
    }
}

fn reported(job: JobId, chunk: u32, n: u128) -> Fact {
    let (outcome, output) = (Outcome::Done, Sha256Hash([1; 32]));
    let (chunk, lease, fuel) = (ChunkIndex(chunk), lease(n), Fuel(1_000));
    Fact::AttemptReported { job, chunk, lease, outcome, output, output_bytes: 3, fuel }
}

fn verified(job: JobId, chunk: u32, right: &[u128]) -> Fact {
    let right = right.iter().map(|n| lease(*n)).collect();
    Fact::ChunkVerified {
        job,
        chunk: ChunkIndex(chunk),
        verdict: "agreed".into(),
        outcome: Outcome::Done,
        output: Sha256Hash([1; 32]),
        fuel: Fuel(1_000),
        right,
        wrong: Vec::new(),
    }
}

/// What a fact moves.
fn moves(fact: &Fact) -> Vec<Move> {
    match fact {
        Fact::CreditsGranted { user, amount, .. } => flows::grant(*user, *amount),
        Fact::EscrowHeld { job, owner, amount } => flows::hold(*owner, *job, *amount),
        Fact::ChunkSettled { job, fee, shares, .. } => {
            flows::settle(*job, shares.iter().map(|s| (s.lender, s.amount)), *fee)
        }
        Fact::EscrowReleased { job, owner } => flows::release(*job, *owner),
        Fact::BooksAdjusted { account, amount, .. } => flows::adjust(*account, *amount),
        Fact::CampaignFunded { campaign, budget } => flows::fund_house_campaign(*campaign, *budget),
        Fact::WatchRewarded { user, campaign, price, reward, .. } => {
            let (user, campaign, price, reward) = (*user, *campaign, *price, *reward);
            flows::reward_view(&flows::View { user, campaign, price, reward })
        }
        _ => Vec::new(),
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let db = TestDb::new().await.unwrap();
        let stop = CancellationToken::new();
        let config = LogConfig { pool: db.pool.clone(), clock: Clock::system() };
        let log = crate::start(config, stop.clone()).await.unwrap();
        let world = Self { db, log, _stop: stop.drop_guard() };
        world.credits().await;
        world.jobs().await;
        world.reservations().await;
        world.derive().await;
        world
    }

    async fn chain(&self, stream: &str, key: Option<&str>, facts: Vec<Fact>) {
        let event =
            |fact: Fact| NewEvent::new(stream.to_owned(), fact.clone()).moving(moves(&fact));
        let operation = key.map(|key| Operation::house(key.into(), Sha256Hash([0; 32])));
        let events = facts.into_iter().map(event).collect();
        self.log.append(Append { operation, events }).await.unwrap();
    }

    async fn moving(&self, moves: Vec<Move>) {
        let event = NewEvent::new("account-x".into(), granted(OWNER, 1)).moving(moves);
        self.log.append_one(None, event).await.unwrap();
    }

    /// Writes so many events more, and lets the read models follow.
    pub(super) async fn grow(&self, events: u32) {
        let event = |_| NewEvent::new("account-o".into(), granted(OWNER, 1));
        let events = (0..events).map(event).collect();
        self.log.append(Append { operation: None, events }).await.unwrap();
        assert!(self.log.books_current().await);
    }

    async fn credits(&self) {
        self.chain("account-o", Some("welcome:o"), vec![granted(OWNER, 100_000)]).await;
        self.chain("account-l", Some("welcome:l"), vec![granted(LENDERS[0], 100)]).await;
        let budget = micros(50_000);
        let funded = Fact::CampaignFunded { campaign: CAMPAIGN, budget };
        self.chain("campaign-c", Some("fund:c"), vec![funded]).await;
        let (price, reward) = (micros(1_000), micros(700));
        let watch = WatchId(Uuid::from_u128(1));
        let watched = Fact::WatchRewarded { watch, user: OWNER, campaign: CAMPAIGN, price, reward };
        self.chain("watch-w", Some("watch:w"), vec![watched]).await;
        let adjust = adjusted(promo(OWNER), 500, ADMINS);
        let row = "insert into adjustment values ('00000000-0000-0000-0000-000000000007', $1, 500,
            'goodwill', 'it was slow', 'T-1', 'approved', gen_random_uuid(), now(),
            gen_random_uuid(), now(), null)";
        let insert = sqlx::query(row).bind(promo(OWNER).to_string());
        insert.execute(&self.db.pool).await.unwrap();
        self.chain("adjustment-a", Some("adjust:a"), vec![adjust]).await;
        self.moving(vec![Move::pay(Account::promo_grant(), earned(LENDERS[1]), micros(900))]).await;
        let state = |state| vec![Move::SetState { account: promo(LENDERS[0]), state }];
        self.moving(state(AccountState::Closed)).await;
        self.moving(state(AccountState::Open)).await;
        self.moving(vec![Move::pay(promo(LENDERS[0]), promo(OWNER), micros(10))]).await;
    }

    async fn jobs(&self) {
        let hold = |job, owner, amount| Fact::EscrowHeld { job, owner, amount: micros(amount) };
        let begin =
            |job, owner, amount| vec![submitted(job, owner, amount), hold(job, owner, amount)];
        self.chain("job-1", Some("submit:1"), begin(ENDED, OWNER, 10_000)).await;
        self.chain("job-2", Some("submit:2"), begin(RUNNING, OWNER, 4_000)).await;
        self.chain("job-3", Some("submit:3"), begin(EARNED, LENDERS[1], 300)).await;
        self.chain("job-1", None, vec![leased(ENDED, 0, 1_000, 1)]).await;
        self.chain("job-1", None, vec![leased(ENDED, 0, 1_001, 2)]).await;
        self.chain("job-2", None, vec![leased(RUNNING, 0, 1_004, 1)]).await;
        self.chain("job-1", None, vec![reported(ENDED, 0, 1_000)]).await;
        let settle = settled(ENDED, 0, &[(1_000, 400), (1_001, 399)], 120);
        let last = vec![reported(ENDED, 0, 1_001), verified(ENDED, 0, &[1_000, 1_001]), settle];
        self.chain("job-1", Some("settle:1:0"), last).await;
        self.chain("job-1", None, vec![leased(ENDED, 1, 1_002, 1)]).await;
        let lost = Fact::LeaseEnded {
            job: ENDED,
            chunk: ChunkIndex(1),
            lease: lease(1_002),
            why: "lost".into(),
        };
        self.chain("job-1", None, vec![lost, leased(ENDED, 1, 1_003, 2)]).await;
        let settle = settled(ENDED, 1, &[(1_003, 250)], 40);
        let last = vec![reported(ENDED, 1, 1_003), verified(ENDED, 1, &[1_003]), settle];
        self.chain("job-1", Some("settle:1:1"), last).await;
        let (state, code, results) = (EndState::Done, None, Vec::new());
        let ended = Fact::JobEnded { job: ENDED, owner: OWNER, state, code, results };
        let released = Fact::EscrowReleased { job: ENDED, owner: OWNER };
        self.chain("job-1", Some("end:1"), vec![ended, released]).await;
    }

    async fn reservations(&self) {
        let reserve = |n, amount| Move::Reserve {
            pending: pending(n),
            from: promo(OWNER),
            to: promo(LENDERS[0]),
            amount: Amount::new(amount),
            expires_at: None,
        };
        self.moving(vec![reserve(1, 50), reserve(2, 60)]).await;
        self.moving(vec![reserve(3, 70), reserve(4, 80)]).await;
        self.moving(vec![Move::Post { pending: pending(1), amount: Some(Amount::new(45)) }]).await;
        self.moving(vec![Move::Void { pending: pending(3) }]).await;
        self.moving(vec![Move::Post { pending: pending(4), amount: None }]).await;
        assert!(self.log.books_current().await);
    }

    /// The read model of jobs, as its projection makes it.
    async fn derive(&self) {
        sqlx::raw_sql(include_str!("derive.sql")).execute(&self.db.pool).await.unwrap();
    }
}

/// An event that a hand writes behind the last one.
pub(super) struct Planted {
    pub(super) fact: Fact,
    pub(super) postings: Vec<(Account, i64)>,
    pub(super) changes: Vec<Change>,
    pub(super) operation: Option<&'static str>,
    /// Seconds after the event before it.
    pub(super) later_s: i64,
}

impl Planted {
    pub(super) fn new(fact: Fact, postings: &[(Account, i64)]) -> Self {
        let (postings, changes, operation) = (postings.to_vec(), Vec::new(), None);
        Self { fact, postings, changes, operation, later_s: 0 }
    }

    pub(super) async fn write(&self, db: &mut PgConnection) {
        let (position, batch, at): (i64, i64, time::OffsetDateTime) =
            sqlx::query_as("select position, batch, at from log_head")
                .fetch_one(&mut *db)
                .await
                .unwrap();
        let at = at + time::Duration::seconds(self.later_s);
        let post = |(account, amount): &(Account, i64)| Posting(*account, Amount::new(*amount));
        let envelope = Envelope {
            format: FORMAT,
            position: position + 1,
            stream: format!("planted-{position}"),
            version: 1,
            at: Timestamp::from_utc(at),
            actor: None,
            operation: self.operation.map(str::to_owned),
            causation: None,
            postings: self.postings.iter().map(post).collect(),
            changes: self.changes.clone(),
            fact: self.fact.clone(),
        };
        let body = envelope.encode();
        sqlx::query("insert into event values ($1, $2, $3, 1, $4, $5, $6, $7)")
            .bind(position + 1)
            .bind(batch + 1)
            .bind(&envelope.stream)
            .bind(envelope.kind())
            .bind(at)
            .bind(&body)
            .bind(leaf_hash(&body).as_slice())
            .execute(&mut *db)
            .await
            .unwrap();
        sqlx::query("update log_head set position = $1, batch = $2, at = $3")
            .bind(position + 1)
            .bind(batch + 1)
            .bind(at)
            .execute(db)
            .await
            .unwrap();
    }
}
