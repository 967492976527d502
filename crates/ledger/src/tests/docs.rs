//! What `docs/ledger.md` says is so: its tables and the code agree.

use super::naive::ORDER;
use super::*;
use crate::Limit;

const PAGE: &str = include_str!("../../../../docs/ledger.md");

/// The rows of the table that begins with this heading, as cells.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(heading).unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_chart_is_the_one_of_the_page() {
    let rows = table("| code | account |");
    assert_eq!(rows.len(), Class::ALL.len());
    for (row, class) in rows.iter().zip(Class::ALL) {
        let owner = match class.owner() {
            Owner::House => "house",
            Owner::User => "person",
            Owner::Job => "job",
            Owner::Campaign => "campaign",
            Owner::Provider => "provider",
        };
        let limit = match class.limit() {
            Limit::Debits => "debits ≤ credits",
            Limit::Credits => "credits ≤ debits",
            Limit::Free => "none",
        };
        let code = class.code().to_string();
        let name = format!("`{}`", class.name());
        assert_eq!(row[..5], [&code, &name, owner, class.currency().code(), limit]);
    }
    let codes: Vec<u16> = Class::ALL.iter().map(|class| class.code()).collect();
    assert!(codes.is_sorted_by(|a, b| a < b));
}

/// One of each, in the order of precedence.
fn refusals() -> Vec<Refusal> {
    let (bank, id, none) = (account("bank"), pending(1), Amount::ZERO);
    let currency = Currency::Crd;
    vec![
        Refusal::Negative,
        Refusal::SameAccount(bank),
        Refusal::Currency(bank, bank),
        Refusal::PendingExists(id),
        Refusal::ExpiryPast(id),
        Refusal::PendingMissing(id),
        Refusal::PendingPosted(id),
        Refusal::PendingVoided(id),
        Refusal::PendingExpired(id),
        Refusal::PendingNotDue(id),
        Refusal::PendingExceeded { currency, reserved: none, wanted: none },
        Refusal::Closed(bank),
        Refusal::Frozen(bank),
        Refusal::Short { currency, has: none, due: none },
        Refusal::Over { account: bank, has: none, due: none },
        Refusal::Range(bank),
    ]
}

/// Its place among the above; a new refusal does not compile without one.
fn place(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::Negative => 0,
        Refusal::SameAccount(_) => 1,
        Refusal::Currency(..) => 2,
        Refusal::PendingExists(_) => 3,
        Refusal::ExpiryPast(_) => 4,
        Refusal::PendingMissing(_) => 5,
        Refusal::PendingPosted(_) => 6,
        Refusal::PendingVoided(_) => 7,
        Refusal::PendingExpired(_) => 8,
        Refusal::PendingNotDue(_) => 9,
        Refusal::PendingExceeded { .. } => 10,
        Refusal::Closed(_) => 11,
        Refusal::Frozen(_) => 12,
        Refusal::Short { .. } => 13,
        Refusal::Over { .. } => 14,
        Refusal::Range(_) => 15,
    }
}

#[test]
fn the_refusals_are_those_of_the_page_in_its_order() {
    let rows = table("| code | when | may pass |");
    let refusals = refusals();
    assert_eq!((rows.len(), ORDER.len()), (refusals.len(), refusals.len()));
    for (n, (row, refusal)) in rows.iter().zip(&refusals).enumerate() {
        let code = refusal.code();
        assert_eq!((place(refusal), ORDER[n]), (n, code));
        let may_pass = if refusal.is_transient() { "yes" } else { "no" };
        assert_eq!((row[0], row[2]), (&*format!("[`{code}`](errors/{code}.md)"), may_pass));
    }
}

#[test]
fn the_flows_are_those_of_the_page() {
    let named = |row: Vec<&'static str>| row[2].trim_matches('`').to_owned();
    let mut page: Vec<String> = table("| # | flow | function |").into_iter().map(named).collect();
    let exported = include_str!("../flows/mod.rs").split("pub use ").skip(1);
    let words = exported.flat_map(|list| list.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let modules = ["", "ads", "house", "job", "payout", "purchase"];
    let mut code: Vec<String> = words
        .filter(|word| word.chars().all(|c| c.is_lowercase() || c == '_'))
        .map(str::to_owned)
        .collect();
    // The module of this name has a function of this name.
    code.retain(|word| !modules.contains(&&**word));
    code.push("purchase".to_owned());
    page.sort_unstable();
    code.sort_unstable();
    assert_eq!(page, code);
}

#[test]
fn messages_name_what_stands_against_it() {
    let show = |refusal: Refusal| refusal.to_string();
    let (has, due) = (units(2_500_000), units(3_000_000));
    let bank = account("bank");
    for (refusal, text) in [
        (
            Refusal::Short { currency: Currency::Crd, has, due },
            "2.50 is there, but 3.00 is due".to_owned(),
        ),
        (
            Refusal::Over { account: bank, has: units(250), due: units(300) },
            "bank would be credited 3.00, and has 2.50 to be credited".to_owned(),
        ),
        (
            Refusal::PendingExceeded {
                currency: Currency::Usd,
                reserved: units(7),
                wanted: units(8),
            },
            "0.08 of the reservation were to be posted, and 0.07 were reserved".to_owned(),
        ),
        (
            Refusal::PendingNotDue(pending(1)),
            format!("the reservation {} has not expired", pending(1)),
        ),
    ] {
        assert_eq!(show(refusal), text);
    }
}
