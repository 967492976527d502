//! The verifier in Python knows which accounts are kept in dollars; the chart must say the same.

use medusa_ledger::{Class, Currency};

const PYTHON: &str = include_str!("../../../../clients/python/medusa_verify.py");

#[test]
fn the_verifier_in_python_knows_the_currency_of_every_class() {
    for (name, currency) in [("DOLLARS", Currency::Usd), ("CREDITS", Currency::Crd)] {
        let set = PYTHON.split(&format!("{name} = {{")).nth(1).unwrap().split('}').next().unwrap();
        let mut named: Vec<&str> = set.split('"').skip(1).step_by(2).collect();
        let classes = Class::ALL.iter().filter(|class| class.currency() == currency);
        let mut classes: Vec<&str> = classes.map(|class| class.name()).collect();
        named.sort_unstable();
        classes.sort_unstable();
        assert_eq!(named, classes, "{name}");
    }
    assert_eq!(Currency::ALL.len(), 2, "it sums credits and dollars apart, and nothing else");
}
