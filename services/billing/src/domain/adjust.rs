//! What may be proposed as an adjustment, and who may decide on one.

use std::str::FromStr as _;

use medusa_api::{AdjustmentReason, AdjustmentState, NewAdjustment};
use medusa_ledger::{Account, Amount, Class, Currency};
use medusa_types::{AmountError, Credits, Sha256Hash, UserId};

use crate::error::BillingError;

/// Characters of the explanation.
const EXPLANATION: std::ops::RangeInclusive<usize> = 10..=1_000;
/// Characters of the ticket.
const TICKET: std::ops::RangeInclusive<usize> = 1..=100;

/// A field that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRefusal {
    /// Its stable code.
    pub code: &'static str,
    /// Where the field is in the body, as a JSON pointer.
    pub pointer: &'static str,
    /// What it should be.
    pub words: String,
}

/// A proposal whose fields are sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) account: Account,
    pub(crate) amount: Amount,
    pub(crate) reason: AdjustmentReason,
    pub(crate) explanation: String,
    pub(crate) ticket: String,
}

/// What becomes of an adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A second admin agrees: it is made.
    Approve,
    /// A second admin refuses.
    Reject,
    /// Its proposer takes it back.
    Withdraw,
}

/// The other side of every adjustment.
pub(crate) const COUNTER: Class = Class::SuspenseAdjustment;

/// Reads a proposal; names every field that is refused.
pub(crate) fn check(new: &NewAdjustment) -> Result<Proposal, Vec<FieldRefusal>> {
    let (account, amount) = (check_account(&new.account), check_amount(&new.amount));
    let explanation = check_text("/explanation", &new.explanation, EXPLANATION);
    let ticket = check_text("/ticket", &new.ticket, TICKET);
    match (account, amount, explanation, ticket) {
        (Ok(account), Ok(amount), Ok(explanation), Ok(ticket)) => {
            Ok(Proposal { account, amount, reason: new.reason, explanation, ticket })
        }
        (account, amount, explanation, ticket) => {
            let all = [account.err(), amount.err(), explanation.err(), ticket.err()];
            Err(all.into_iter().flatten().collect())
        }
    }
}

/// The account is not one that was ever used, nor anything else of whom it belongs to.
pub(crate) fn unknown_account() -> FieldRefusal {
    FieldRefusal {
        code: "billing.account_unknown",
        pointer: "/account",
        words: "there is no such account; give its text as the list of accounts has it".into(),
    }
}

fn check_account(text: &str) -> Result<Account, FieldRefusal> {
    let pointer = "/account";
    let account = Account::from_str(text).map_err(|_| unknown_account())?;
    if account.class() == COUNTER {
        let words = format!("{account} is the other side of every adjustment; choose another");
        return Err(FieldRefusal { code: "billing.same_account", pointer, words });
    }
    if account.currency() != Currency::Crd {
        let words = format!("{account} is not in credits, and only credits are adjusted");
        return Err(FieldRefusal { code: "billing.currency_mismatch", pointer, words });
    }
    Ok(account)
}

fn check_amount(text: &str) -> Result<Amount, FieldRefusal> {
    let refused =
        |code, words: &str| FieldRefusal { code, pointer: "/amount", words: words.into() };
    let amount = Credits::from_str(text).map_err(|error| match error {
        AmountError::Syntax => refused(
            "billing.amount_malformed",
            "give a decimal number with at most six places, like 12.5 or -0.000001",
        ),
        AmountError::Range => {
            refused("billing.amount_out_of_range", "no account can have so much; give less")
        }
    })?;
    if amount == Credits::ZERO {
        return Err(refused("billing.amount_zero", "an adjustment of nothing is none"));
    }
    Ok(amount.into())
}

fn check_text(
    pointer: &'static str,
    text: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<String, FieldRefusal> {
    let text = text.trim();
    let visible = text.chars().filter(|c| !is_blank(*c)).count();
    if range.contains(&text.chars().count()) && visible > 0 && !text.chars().any(is_hidden) {
        return Ok(text.to_owned());
    }
    let words =
        format!("give {} to {} characters, all of them visible", range.start(), range.end());
    Err(FieldRefusal { code: "billing.text_length", pointer, words })
}

/// Control characters other than the end of a line, and marks that turn the direction of the text
/// around them: a reader would see something else than what was written.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What takes no ink.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

/// The digest that the log keeps of what was read before an adjustment was approved.
pub(crate) fn text_digest(explanation: &str, ticket: &str) -> Sha256Hash {
    // Two texts in an array: it cannot fail.
    let text = serde_json::to_vec(&(explanation, ticket)).unwrap_or_default();
    Sha256Hash::of(&text)
}

/// All accounts of whom or what an account belongs to: one of them was used when it is known.
pub(crate) fn accounts_beside(account: &Account) -> Vec<Account> {
    let text = account.to_string();
    let Some((_, owner)) = text.split_once(':') else { return vec![*account] };
    let same_owner = Class::ALL.iter().filter(|class| class.owner() == account.class().owner());
    same_owner.filter_map(|class| format!("{}:{owner}", class.name()).parse().ok()).collect()
}

/// Whether this person may decide so on an adjustment in this state.
pub(crate) fn check_decision(
    decision: Decision,
    who: UserId,
    proposed_by: UserId,
    state: AdjustmentState,
) -> Result<(), BillingError> {
    match (state, decision) {
        (AdjustmentState::Proposed, Decision::Approve | Decision::Reject) if who == proposed_by => {
            Err(BillingError::SecondPerson)
        }
        (AdjustmentState::Proposed, Decision::Withdraw) if who != proposed_by => {
            Err(BillingError::OtherProposer)
        }
        (AdjustmentState::Proposed, _) => Ok(()),
        (state, _) => Err(BillingError::AdjustmentDecided(state)),
    }
}

#[cfg(test)]
mod tests {
    use medusa_types::Uuid;

    use super::*;

    const ANN: UserId = UserId(Uuid::from_u128(1));
    const BOB: UserId = UserId(Uuid::from_u128(2));

    fn new() -> NewAdjustment {
        NewAdjustment {
            account: format!("consumer.paid:{ANN}"),
            amount: "-1.5".into(),
            reason: AdjustmentReason::Test,
            explanation: "  a trial of the procedure ".into(),
            ticket: "T-1".into(),
        }
    }

    /// Codes and pointers of what is refused.
    fn refused(change: impl Fn(&mut NewAdjustment)) -> Vec<(&'static str, &'static str)> {
        let mut new = new();
        change(&mut new);
        let refused = check(&new).err().unwrap_or_default();
        refused.into_iter().map(|field| (field.code, field.pointer)).collect()
    }

    #[test]
    fn a_sound_proposal_is_read() {
        let read = check(&new()).unwrap();
        assert_eq!(
            (read.amount, read.explanation.as_str()),
            (Amount::new(-1_500_000), "a trial of the procedure")
        );
    }

    #[test]
    fn the_digest_is_that_of_the_text_that_is_documented() {
        let text = "[\"two\\nlines, \\\"quoted\\\"\",\"T-1 \u{e4}\"]";
        let found = text_digest("two\nlines, \"quoted\"", "T-1 \u{e4}");
        assert_eq!(found, Sha256Hash::of(text.as_bytes()));
        assert_ne!(text_digest("a b", "c"), text_digest("a", "b c"));
    }

    #[test]
    fn every_bad_field_has_its_code_and_its_pointer() {
        for (account, code) in [
            ("", "billing.account_unknown"),
            ("gold", "billing.account_unknown"),
            ("consumer.paid", "billing.account_unknown"),
            ("consumer.paid:usr_1", "billing.account_unknown"),
            ("suspense.adjustment", "billing.same_account"),
            ("bank", "billing.currency_mismatch"),
            ("exchange.USD", "billing.currency_mismatch"),
        ] {
            assert_eq!(
                refused(|new| new.account = account.into()),
                [(code, "/account")],
                "{account}"
            );
        }
        for (amount, code) in [
            ("", "billing.amount_malformed"),
            ("one", "billing.amount_malformed"),
            ("1e3", "billing.amount_malformed"),
            ("+1", "billing.amount_malformed"),
            ("0.0000001", "billing.amount_malformed"),
            ("-0.0000000", "billing.amount_malformed"),
            ("0", "billing.amount_zero"),
            ("-0", "billing.amount_zero"),
            ("-0.000000", "billing.amount_zero"),
            ("9223372036854.775808", "billing.amount_out_of_range"),
            ("99999999999999999999", "billing.amount_out_of_range"),
        ] {
            assert_eq!(refused(|new| new.amount = amount.into()), [(code, "/amount")], "{amount}");
        }
        let text = |n| "ä".repeat(n);
        for n in [0, 9, 1_001] {
            let found = refused(|new| new.explanation = text(n));
            assert_eq!(found, [("billing.text_length", "/explanation")], "{n}");
        }
        for n in [0, 101] {
            let found = refused(|new| new.ticket = text(n));
            assert_eq!(found, [("billing.text_length", "/ticket")], "{n}");
        }
        assert_eq!(refused(|new| new.explanation = " ".repeat(20)).len(), 1, "spaces say nothing");
        for hidden in ["a\0", "a\u{1b}[31m", "a\u{202e}b", "\u{200b}"] {
            let text = hidden.repeat(10);
            let found = refused(|new| new.explanation.clone_from(&text));
            assert_eq!(found, [("billing.text_length", "/explanation")], "{hidden:?}");
        }
        assert!(refused(|new| new.explanation = "two lines\nof words".into()).is_empty());
        let all = refused(|new| {
            (new.account, new.amount) = ("x".into(), "x".into());
            (new.explanation, new.ticket) = ("x".into(), String::new());
        });
        assert_eq!(all.len(), 4, "{all:?}");
    }

    #[test]
    fn a_second_person_decides_and_only_the_proposer_withdraws() {
        use AdjustmentState::{Approved, Proposed, Rejected, Withdrawn};
        let code = |decision, who, state| match check_decision(decision, who, ANN, state) {
            Ok(()) => "ok",
            Err(BillingError::SecondPerson) => "second person",
            Err(BillingError::OtherProposer) => "other proposer",
            Err(BillingError::AdjustmentDecided(_)) => "decided",
            Err(other) => panic!("{other}"),
        };
        for (decision, by_proposer, by_other) in [
            (Decision::Approve, "second person", "ok"),
            (Decision::Reject, "second person", "ok"),
            (Decision::Withdraw, "ok", "other proposer"),
        ] {
            assert_eq!(code(decision, ANN, Proposed), by_proposer, "{decision:?}");
            assert_eq!(code(decision, BOB, Proposed), by_other, "{decision:?}");
            for state in [Approved, Rejected, Withdrawn] {
                for who in [ANN, BOB] {
                    assert_eq!(code(decision, who, state), "decided", "{decision:?} {state:?}");
                }
            }
        }
    }

    #[test]
    fn beside_an_account_stand_those_of_the_same_owner() {
        let own: Account = format!("consumer.paid:{ANN}").parse().unwrap();
        let beside = accounts_beside(&own);
        assert!(beside.iter().all(|account| account.user() == Some(ANN)));
        assert!(beside.contains(&own) && beside.contains(&Account::lender_pending(ANN)));
        let fee = Account::compute_fee();
        assert_eq!(accounts_beside(&fee), [fee]);
    }
}
