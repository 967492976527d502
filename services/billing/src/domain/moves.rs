//! Which credits a fact moves: the flows of the ledger, as this service's facts ask for them.

use medusa_events::Fact;
use medusa_ledger::flows::Clawback;
use medusa_ledger::{Account, Move, flows};
use medusa_types::{Credits, JobId};

/// The moves that belong to a fact; none for facts that move nothing.
#[must_use]
pub fn moves(fact: &Fact) -> Vec<Move> {
    match fact {
        Fact::CreditsGranted { user, amount, .. } => flows::grant(*user, *amount),
        Fact::EscrowHeld { job, owner, amount } => flows::hold(*owner, *job, *amount),
        Fact::EscrowRaised { job, owner, amount } => flows::top_up(*owner, *job, *amount),
        Fact::ChunkSettled { job, fee, shares, .. } => {
            flows::settle(*job, shares.iter().map(|share| (share.lender, share.amount)), *fee)
        }
        Fact::RoundsSettled { session, fee, shares, .. } => {
            let shares = shares.iter().map(|share| (share.lender, share.amount));
            flows::settle_window(JobId(session.0), shares, *fee)
        }
        Fact::EarningsForfeited { lender, amount, .. } => flows::claw_back(&Clawback {
            lender: *lender,
            amount: *amount,
            fee: Credits::ZERO,
            back_to: Account::fraud_loss(),
        }),
        Fact::EscrowReleased { job, owner } => flows::release(*job, *owner),
        Fact::BooksAdjusted { account, amount, .. } => flows::adjust(*account, *amount),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use medusa_events::AttemptShare;
    use medusa_ledger::{
        Account, AccountState, Amount, Book, Bucket, Currency, Posting, Refusal, Standing,
    };
    use medusa_types::{
        AdjustmentId, AgentId, ChunkIndex, Credits, Fuel, JobId, LeaseId, Timestamp, UserId, Uuid,
    };

    use super::*;

    const JOB: JobId = JobId(Uuid::from_u128(9));

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn micros(n: i64) -> Credits {
        Credits::from_micros(n)
    }

    fn grant(amount: i64) -> Fact {
        Fact::CreditsGranted { user: user(1), amount: micros(amount), why: "welcome".into() }
    }

    fn hold(amount: i64) -> Fact {
        Fact::EscrowHeld { job: JOB, owner: user(1), amount: micros(amount) }
    }

    /// Pays lenders 2, 3, … these shares, and the fee.
    fn settle(shares: &[i64], fee: i64) -> Fact {
        let share = |(n, amount): (u128, &i64)| AttemptShare {
            lease: LeaseId(Uuid::from_u128(n)),
            agent: AgentId(Uuid::from_u128(n)),
            lender: user(n),
            amount: micros(*amount),
        };
        let price = micros(shares.iter().sum::<i64>() + fee);
        let shares = (2..).zip(shares).map(share).collect();
        let (chunk, fuel) = (ChunkIndex(0), Fuel(1));
        Fact::ChunkSettled { job: JOB, chunk, fuel, price, fee: micros(fee), shares }
    }

    fn release() -> Fact {
        Fact::EscrowReleased { job: JOB, owner: user(1) }
    }

    /// A person with something in every bucket.
    fn full_book() -> Book {
        let amounts = [(Bucket::Promo, 10), (Bucket::Ad, 20), (Bucket::Paid, 30)];
        let all = amounts.into_iter().chain([(Bucket::Earned, 40)]);
        let standing = |n| Standing { posted: Amount::new(n), ..Standing::default() };
        Book::load(all.map(|(b, n)| (Account::wallet(b, user(1)), standing(n))), [])
    }

    fn post(book: &mut Book, fact: &Fact) -> Result<Vec<Posting>, Refusal> {
        let mut draft = book.draft();
        let postings = draft.post(&moves(fact), Timestamp::default())?.postings;
        let changed = draft.into_changed();
        book.keep(changed);
        let sum: i64 = postings.iter().map(|Posting(_, amount)| amount.units()).sum();
        assert_eq!(sum, 0, "{fact:?}");
        Ok(postings)
    }

    /// Balances that are not nothing, by account without its owner.
    fn balances(book: &Book) -> BTreeMap<String, i64> {
        book.accounts()
            .into_iter()
            .filter(|(_, standing)| standing.posted != Amount::ZERO)
            .map(|(account, standing)| {
                let text = account.to_string();
                let owner = text.chars().last().filter(|_| text.contains(':'));
                let name = format!("{}{}", account.class().name(), owner.unwrap_or(' '));
                (name, standing.posted.units())
            })
            .collect()
    }

    fn check(steps: &[Fact], expected: &[(&str, i64)]) {
        let mut book = full_book();
        for fact in steps {
            post(&mut book, fact).unwrap();
        }
        let expected = expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        assert_eq!(balances(&book), expected, "{steps:?}");
    }

    #[test]
    fn credits_go_where_the_flows_say() {
        let rest = [("consumer.ad1", 20), ("consumer.paid1", 30), ("lender.available1", 40)];
        check(
            &[grant(5)],
            &[&rest[..], &[("consumer.promo1", 15), ("expense.promo_grant ", -5)]].concat(),
        );
        check(
            &[hold(35)],
            &[
                ("escrow.promo9", 10),
                ("escrow.ad9", 20),
                ("escrow.paid9", 5),
                ("consumer.paid1", 25),
                ("lender.available1", 40),
            ],
        );
        check(
            &[hold(100), settle(&[12, 11], 3)],
            &[
                ("escrow.ad9", 4),
                ("escrow.paid9", 30),
                ("escrow.earned9", 40),
                ("lender.pending2", 12),
                ("lender.pending3", 11),
                ("income.compute_fee ", 3),
            ],
        );
        check(
            &[hold(100), settle(&[12, 11], 3), release()],
            &[
                ("consumer.ad1", 4),
                ("consumer.paid1", 30),
                ("lender.available1", 40),
                ("lender.pending2", 12),
                ("lender.pending3", 11),
                ("income.compute_fee ", 3),
            ],
        );
    }

    #[test]
    fn a_release_without_a_spent_credit_restores_every_bucket() {
        for amount in [0, 1, 10, 11, 59, 60, 99, 100] {
            let mut book = full_book();
            let before = balances(&book);
            post(&mut book, &hold(amount)).unwrap();
            post(&mut book, &release()).unwrap();
            assert_eq!(balances(&book), before, "{amount}");
        }
    }

    #[test]
    fn nobody_holds_more_than_there_is_and_no_job_spends_more_than_it_holds() {
        let mut book = full_book();
        let short = |has, due| {
            let (has, due) = (Amount::new(has), Amount::new(due));
            Err(Refusal::Short { currency: Currency::Crd, has, due })
        };
        assert_eq!(post(&mut book, &hold(101)), short(100, 101));
        post(&mut book, &hold(50)).unwrap();
        assert_eq!(post(&mut book, &settle(&[51], 0)), short(50, 51));
        post(&mut book, &settle(&[40], 10)).unwrap();
        assert_eq!(post(&mut book, &release()), Ok(Vec::new()));
    }

    #[test]
    fn an_adjustment_moves_between_an_account_and_suspense_also_when_it_is_frozen() {
        let account = Account::wallet(Bucket::Paid, user(1));
        let adjusted = |amount| Fact::BooksAdjusted {
            adjustment: AdjustmentId(Uuid::from_u128(1)),
            account,
            amount: Amount::new(amount),
            reason: "test".into(),
            proposed_by: user(2),
            approved_by: user(3),
        };
        let frozen = Standing {
            posted: Amount::new(30),
            state: AccountState::Frozen,
            ..Standing::default()
        };
        let suspense = Account::house(medusa_ledger::Class::SuspenseAdjustment).unwrap();
        for (amount, left) in [(12, 42), (-12, 18), (-30, 0)] {
            let mut book = Book::load([(account, frozen)], []);
            post(&mut book, &adjusted(amount)).unwrap();
            assert_eq!(book.balance(&account), Amount::new(left), "{amount}");
            assert_eq!(book.balance(&suspense), Amount::new(-amount), "{amount}");
        }
        let mut book = Book::load([(account, frozen)], []);
        assert!(matches!(post(&mut book, &adjusted(-31)), Err(Refusal::Short { .. })));
    }

    #[test]
    fn other_facts_move_nothing() {
        assert_eq!(moves(&Fact::MergeStarted { job: JOB }), Vec::new());
    }
}
