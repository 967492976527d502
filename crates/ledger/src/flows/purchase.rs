//! Dollars come in, and go back the same way: purchases, refunds, chargebacks and the debts that
//! these leave (flows 1, 1b, 2, 11 and 16 to 18).

use medusa_types::{Credits, JobId, UserId};

use crate::{Account, Bucket, Cents, Class, Move, Provider};

const fn exchange_usd() -> Account {
    Account::global(Class::ExchangeUsd)
}

const fn exchange_crd() -> Account {
    Account::global(Class::ExchangeCrd)
}

/// Credits that are sold, or taken back, for dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Who takes the money for us.
    pub provider: Provider,
    /// Who pays it.
    pub user: UserId,
    /// The price.
    pub cents: Cents,
    /// What it buys.
    pub credits: Credits,
}

impl Purchase {
    fn credited(self, account: Account) -> Vec<Move> {
        vec![
            Move::pay(Account::psp_clearing(self.provider), exchange_usd(), self.cents),
            Move::pay(exchange_crd(), account, self.credits),
        ]
    }
}

/// Flow 1. The provider has taken the money, and the person has the credits.
#[must_use]
pub fn purchase(bought: &Purchase) -> Vec<Move> {
    bought.credited(Account::wallet(Bucket::Paid, bought.user))
}

/// Flow 1b. The provider sends us `cents`, and has kept `fee` cents for itself.
#[must_use]
pub fn receive_settlement(provider: Provider, cents: Cents, fee: Cents) -> Vec<Move> {
    let clearing = Account::psp_clearing(provider);
    vec![
        Move::pay(Account::global(Class::Bank), clearing, cents),
        Move::pay(Account::global(Class::ExpensePspFee), clearing, fee),
    ]
}

/// Flow 2. An advertiser has paid in.
#[must_use]
pub fn fund_advertiser(bought: &Purchase) -> Vec<Move> {
    bought.credited(Account::advertiser(bought.user))
}

/// Flow 11. Bought credits that were not spent go back for dollars, at the price of the purchase.
#[must_use]
pub fn refund(bought: &Purchase) -> Vec<Move> {
    let paid = Account::wallet(Bucket::Paid, bought.user);
    vec![
        Move::pay(paid, exchange_crd(), bought.credits),
        Move::pay(exchange_usd(), Account::psp_clearing(bought.provider), bought.cents),
    ]
}

/// A payment that the payer's bank takes back, or has taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chargeback {
    /// The disputed purchase, or the disputed part of it.
    pub bought: Purchase,
    /// What the provider charges for it; when it is won, what it gives back of that.
    pub fee: Cents,
}

/// Flow 16. The money is gone, and with it the bought credits, as far as they are there: first out
/// of the wallet, then out of what `jobs` of this person hold of them; the rest becomes a debt. The
/// person's accounts are frozen. Jobs that can be cancelled are cancelled and released before.
#[must_use]
pub fn charge_back(back: &Chargeback, jobs: &[JobId]) -> Vec<Move> {
    let Purchase { provider, user, cents, credits } = back.bought;
    let clearing = Account::psp_clearing(provider);
    let wallet = [Account::wallet(Bucket::Paid, user)];
    let escrows = jobs.iter().map(|job| Account::escrow(Bucket::Paid, *job));
    let debt = [Debtor::Consumer(user).receivable()];
    let sources = wallet.into_iter().chain(escrows).chain(debt);
    let pairs = sources.map(|from| (from, exchange_crd())).collect();
    let mut moves = vec![
        Move::pay(exchange_usd(), clearing, cents),
        Move::pay(Account::global(Class::ExpenseChargebackFee), clearing, back.fee),
        Move::Forced(vec![Move::Waterfall { pairs, amount: credits.into() }]),
    ];
    moves.extend(super::freeze(user));
    moves
}

/// Flow 17. The dispute was won: dollars and credits come back, and pay the person's debt first, as
/// far as it goes. The accounts stay frozen until [`super::unfreeze`]: something else may stand
/// against the person.
#[must_use]
pub fn win_chargeback(back: &Chargeback) -> Vec<Move> {
    let clearing = Account::psp_clearing(back.bought.provider);
    let mut moves = purchase(&back.bought);
    moves.push(Move::pay(clearing, Account::global(Class::ExpenseChargebackFee), back.fee));
    moves.extend(repay_debt(Debtor::Consumer(back.bought.user), back.bought.credits));
    moves
}

/// Who owes us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debtor {
    /// A consumer, after a chargeback.
    Consumer(UserId),
    /// A lender, after a clawback.
    Lender(UserId),
}

impl Debtor {
    const fn receivable(self) -> Account {
        match self {
            Self::Consumer(user) => Account::of_user(Class::ReceivableConsumer, user),
            Self::Lender(user) => Account::of_user(Class::ReceivableLender, user),
        }
    }

    const fn wallet(self) -> Account {
        match self {
            Self::Consumer(user) => Account::wallet(Bucket::Paid, user),
            Self::Lender(user) => Account::wallet(Bucket::Earned, user),
        }
    }
}

/// Flow 18. Pays a debt, at most `amount` of it, out of a consumer's bought credits or a lender's
/// available earnings: as far as these go, and no more than is owed. Frozen accounts pay too.
#[must_use]
pub fn repay_debt(debtor: Debtor, amount: Credits) -> Vec<Move> {
    let (from, to, amount) = (debtor.wallet(), debtor.receivable(), amount.into());
    vec![Move::Forced(vec![Move::UpTo { from, to, amount }])]
}

/// Flow 18. Gives up `amount` of a debt; more than is owed is refused.
#[must_use]
pub fn write_off_debt(debtor: Debtor, amount: Credits) -> Vec<Move> {
    vec![Move::pay(Account::global(Class::ExpenseBadDebt), debtor.receivable(), amount)]
}
