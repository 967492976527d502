//! Transfers between 10,000 accounts: each moves a little from one to another under an id of its
//! own, in the stream of a job; a hundred make a job.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use medusa_eventlog::{Append, NewEvent, Operation};
use medusa_events::Fact;
use medusa_ledger::{Account, Amount, Bucket, Move};
use medusa_platform::Random;
use medusa_types::{JobId, Sha256Hash, UserId, Uuid};

use super::ground::Ledger;
use crate::figure::{per_second_of, say};

/// Accounts that take part.
const ACCOUNTS: u64 = 10_000;
/// What each begins with, in micro-credits: nobody runs out.
const FUNDS: i64 = 1_000_000_000_000;
/// Transfers of one job.
const JOB: u32 = 100;
/// Batches that wait or are written at a time.
const DEPTH: usize = 3;

/// Makes transfers.
pub(super) struct Load {
    random: Random,
    state: u64,
    job: JobId,
    made: u32,
}

impl Load {
    pub(super) fn new() -> Self {
        let random = Random::system();
        let job = JobId(random.id());
        Self { random, state: 0x9e37_79b9_7f4a_7c15, job, made: 0 }
    }

    /// Splitmix64: the same accounts in every run.
    pub(super) fn next(&mut self, below: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).checked_rem(below).unwrap_or_default()
    }

    fn user(n: u64) -> UserId {
        // A user's id begins with the time of its making, like real ones.
        UserId(Uuid::from_u128((0x0190_163d_8694_7000_u128 << 64) | u128::from(n)))
    }

    /// One transfer; a hot one is to the one account that all others pay.
    pub(super) fn transfer(&mut self, hot: bool) -> Append {
        if self.made.is_multiple_of(JOB) {
            self.job = JobId(self.random.id());
        }
        self.made = self.made.wrapping_add(1);
        let from = self.next(ACCOUNTS);
        let step = self.next(ACCOUNTS - 1);
        let to = (from + 1 + step).checked_rem(ACCOUNTS).unwrap_or_default();
        let (payer, payee) = (Self::user(from), Self::user(to));
        let amount = Amount::new(1 + i64::try_from(self.next(100)).unwrap_or_default());
        let to = if hot { Account::compute_fee() } else { Account::wallet(Bucket::Paid, payee) };
        let wish = Move::Split {
            from: vec![Account::wallet(Bucket::Paid, payer)],
            to: vec![(to, amount)],
        };
        let key = self.random.id();
        let request = Sha256Hash::of(key.as_bytes());
        let fact =
            Fact::CreditsGranted { user: payee, amount: amount.credits(), why: "transfer".into() };
        let event = NewEvent::new(format!("job-{}", self.job), fact).by(payer).moving(vec![wish]);
        let operation = Operation::client(payer, &key.to_string(), request);
        Append { operation: Some(operation), events: vec![event] }
    }

    /// Gives every account its funds.
    pub(super) async fn fund(&mut self, ledger: &Ledger) -> Result<()> {
        let appends = (0..ACCOUNTS)
            .map(|n| {
                let user = Self::user(n);
                let amount = Amount::new(FUNDS);
                let wish = Move::Split {
                    from: vec![Account::promo_grant()],
                    to: vec![(Account::wallet(Bucket::Paid, user), amount)],
                };
                let fact =
                    Fact::CreditsGranted { user, amount: amount.credits(), why: "funds".into() };
                let event = NewEvent::new(format!("account-{user}"), fact).moving(vec![wish]);
                Append { operation: None, events: vec![event] }
            })
            .collect();
        for answer in ledger.log.append_all(appends).await? {
            answer?;
        }
        ledger.settled().await;
        Ok(())
    }

    /// Transfers in batches of this size, until all are durable and their statements are written;
    /// answers how many a second. Making them is not counted.
    pub(super) async fn window(
        &mut self,
        ledger: &Ledger,
        count: usize,
        batch: usize,
        hot: bool,
    ) -> Result<f64> {
        let appends: Vec<Append> = (0..count).map(|_| self.transfer(hot)).collect();
        let mut batches = Vec::new();
        let mut rest = appends.into_iter().peekable();
        while rest.peek().is_some() {
            batches.push(rest.by_ref().take(batch).collect::<Vec<_>>());
        }
        let began = Instant::now();
        let mut waiting = FuturesUnordered::new();
        for batch in batches {
            if waiting.len() >= DEPTH
                && let Some(answers) = waiting.next().await
            {
                check(answers)?;
            }
            waiting.push(ledger.log.append_all(batch));
            // The queue gets it at the first look at the answer.
            if let Some(Some(answers)) = futures_util::FutureExt::now_or_never(waiting.next()) {
                check(answers)?;
            }
        }
        while let Some(answers) = waiting.next().await {
            check(answers)?;
        }
        ledger.settled().await;
        Ok(per_second_of(count, began.elapsed()))
    }

    /// So many callers, each with one transfer at a time; answers how many a second.
    pub(super) async fn callers(
        &mut self,
        ledger: &Ledger,
        callers: usize,
        time: Duration,
    ) -> Result<f64> {
        let began = Instant::now();
        let tasks = (0..callers).map(|n| {
            let log = ledger.log.clone();
            let mut load = Self::new();
            load.state = self.next(u64::MAX).wrapping_add(u64::try_from(n).unwrap_or_default());
            #[expect(clippy::disallowed_methods, reason = "callers of a load, which end with it")]
            tokio::spawn(async move {
                let mut done = 0_usize;
                while began.elapsed() < time {
                    log.append(load.transfer(false)).await?;
                    done += 1;
                }
                Ok::<usize, anyhow::Error>(done)
            })
        });
        let mut done = 0;
        for task in join_all(tasks.collect::<Vec<_>>()).await {
            done += task??;
        }
        ledger.settled().await;
        Ok(per_second_of(done, began.elapsed()))
    }

    /// Makes a log of this length.
    pub(super) async fn fill(&mut self, ledger: &Ledger, events: i64) -> Result<()> {
        let mut told = 0;
        while ledger.log.head() < events {
            let left = events.saturating_sub(ledger.log.head());
            let count = usize::try_from(left.clamp(8_000, 400_000))?;
            self.window(ledger, count, 8_000, false).await?;
            if ledger.log.head() - told >= 1_000_000 {
                told = ledger.log.head();
                say(&format!("ledger: {told} of {events} events"));
            }
        }
        Ok(())
    }
}

type Answers = Result<
    Vec<Result<medusa_eventlog::Appended, medusa_eventlog::AppendError>>,
    medusa_eventlog::AppendError,
>;

fn check(answers: Answers) -> Result<()> {
    for answer in answers? {
        ensure!(!answer?.replayed, "a transfer was taken for a repetition");
    }
    Ok(())
}
