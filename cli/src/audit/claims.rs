//! What the server claims of its books, and whether the events give it at each position.

use std::collections::{BTreeSet, HashSet};
use std::iter::Peekable;
use std::vec::IntoIter;

use medusa_ledger::{Account, Amount, Book, Class, Standing};

use super::bad::Bad;
use super::folder::{AccountClaim, BALANCES, Balances};

/// Claims that are still to be compared, in the order of their positions.
pub(super) struct Claims {
    accounts: Peekable<IntoIter<(u64, Account, Standing)>>,
    /// All accounts that are claimed to be; complete as of this position.
    listed: BTreeSet<Account>,
    complete_at: u64,
    classes: Vec<(Class, Amount)>,
    position: u64,
}

impl Claims {
    /// Reads `balances.json` of a log of this size.
    pub(super) fn read(text: &str, size: u64) -> Result<Self, Bad> {
        let bad = |what: String| Bad::new(format!("{BALANCES}: {what}"));
        let all: Balances = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        if serde_json::to_string(&all).ok().as_deref() != Some(text) {
            return Err(bad("it is written in another way than `medusa audit export` does".into()));
        }
        if u64::try_from(all.position) != Ok(size) {
            let what = format!("it is of event {}, and the checkpoint of {size}", all.position);
            return Err(bad(what));
        }
        let mut accounts =
            all.accounts.iter().map(|claim| account(claim, size)).collect::<Result<Vec<_>, _>>();
        let accounts = accounts.as_mut().map_err(|what| bad(std::mem::take(what)))?;
        accounts.sort_by_key(|(as_of, ..)| *as_of);
        let mut listed = BTreeSet::new();
        if let Some((_, twice, _)) =
            accounts.iter().find(|(_, account, _)| !listed.insert(*account))
        {
            return Err(bad(format!("the account {twice} stands in it twice")));
        }
        let mut seen = HashSet::new();
        let mut class = |name: &str| {
            let class = Class::of_name(name);
            let class = class.ok_or_else(|| bad(format!("{name:?} is no class of accounts")))?;
            let first = seen.insert(class);
            first
                .then_some(class)
                .ok_or_else(|| bad(format!("the class {name} stands in it twice")))
        };
        let classes = all.classes.iter().map(|claim| Ok((class(&claim.class)?, claim.balance)));
        Ok(Self {
            listed,
            complete_at: accounts.first().map_or(size, |(as_of, ..)| *as_of),
            classes: classes.collect::<Result<_, Bad>>()?,
            accounts: std::mem::take(accounts).into_iter().peekable(),
            position: size,
        })
    }

    /// Compares what is claimed as of this position; `used` are the accounts that events touched.
    pub(super) fn compare(
        &mut self,
        position: u64,
        book: &Book,
        used: &HashSet<Account>,
    ) -> Result<(), Bad> {
        while let Some((_, account, claimed)) =
            self.accounts.next_if(|(as_of, ..)| *as_of == position)
        {
            let found = book.standing(&account);
            if found != claimed {
                return Err(Bad::at(position, differs(&account, &claimed, &found)));
            }
            if !used.contains(&account) {
                let what = format!("the server claims that there is {account}, no event does");
                return Err(Bad::at(position, what));
            }
        }
        let left_out = || used.iter().filter(|account| !self.listed.contains(account)).min();
        if position == self.complete_at
            && let Some(account) = left_out()
        {
            return Err(Bad::at(position, format!("the server leaves out the account {account}")));
        }
        if position == self.position { self.check_classes(position, book) } else { Ok(()) }
    }

    fn check_classes(&self, position: u64, book: &Book) -> Result<(), Bad> {
        for class in Class::ALL {
            let of_class = |(account, standing): &(Account, Standing)| {
                (account.class() == *class).then(|| i128::from(standing.posted.units()))
            };
            let found: i128 = book.accounts().iter().filter_map(of_class).sum();
            let claimed = self.classes.iter().filter(|(claimed, _)| claimed == class);
            let claimed: i128 = claimed.map(|(_, balance)| i128::from(balance.units())).sum();
            if found != claimed {
                let what = format!(
                    "the server's trial balance has {claimed} for {}, the events give {found}",
                    class.name()
                );
                return Err(Bad::at(position, what));
            }
        }
        Ok(())
    }
}

fn account(claim: &AccountClaim, size: u64) -> Result<(u64, Account, Standing), String> {
    let account: Account = claim.account.parse().map_err(|error| format!("{error}"))?;
    let as_of = u64::try_from(claim.as_of).ok().filter(|as_of| *as_of <= size);
    let as_of = as_of.ok_or_else(|| format!("{account} is of event {}", claim.as_of))?;
    let standing = Standing {
        posted: claim.balance,
        debits_pending: claim.debits_pending,
        credits_pending: claim.credits_pending,
        state: claim.state,
    };
    Ok((as_of, account, standing))
}

fn differs(account: &Account, claimed: &Standing, found: &Standing) -> String {
    let show = |standing: &Standing| {
        let show = |amount| account.currency().show(amount);
        let Standing { posted, debits_pending, credits_pending, state } = *standing;
        let mut text = show(posted);
        if (debits_pending, credits_pending) != (Amount::ZERO, Amount::ZERO) {
            text += &format!(" (reserved {}, {})", show(debits_pending), show(credits_pending));
        }
        text + " and is " + state.name()
    };
    format!(
        "the server claims that {account} has {}, the events give {}",
        show(claimed),
        show(found)
    )
}
