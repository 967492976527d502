//! The curve of a balance over time, as the path of a small picture. Whole numbers only.

use medusa_api::AccountStatement;
use medusa_types::Credits;

/// The picture is so wide and high; both are stretched to the page.
const WIDTH: i128 = 6_000;
const HEIGHT: i128 = 1_200;
/// Kept free above and below the curve.
const MARGIN: i128 = 60;

/// A balance between two times: a step at each line of the statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plot {
    /// The curve.
    pub(crate) line: String,
    /// The curve and what is under it, down to nothing.
    pub(crate) area: String,
    /// The height at which the balance is nothing.
    pub(crate) zero: i128,
    /// The lowest balance, as decimal text.
    pub(crate) low: String,
    /// The highest.
    pub(crate) high: String,
}

/// The curve of a statement; none where there is too little to see.
pub(crate) fn plot(statement: &AccountStatement) -> Option<Plot> {
    let micros = |text: &str| text.parse().map(Credits::micros).ok();
    let opening = micros(&statement.opening)?;
    let steps: Vec<(i128, i64)> = statement
        .lines
        .iter()
        .map(|line| Some((i128::from(line.at.micros()), micros(&line.balance)?)))
        .collect::<Option<_>>()?;
    let (first, last) = (steps.first()?.0, steps.last()?.0);
    let from = statement.since.map_or(first, |at| i128::from(at.micros())).min(first);
    let to = statement.until.map_or(last, |at| i128::from(at.micros())).max(last);
    let values = || steps.iter().map(|step| step.1).chain([opening]);
    let (low, high) = (values().min()?, values().max()?);
    // Nothing always stands in the picture, so that its heights can be compared.
    let (floor, top) = (i128::from(low.min(0)), i128::from(high.max(0)));
    if to <= from || top <= floor {
        return None;
    }
    let x = |at: i128| scale(at.saturating_sub(from), to.saturating_sub(from), WIDTH);
    let inner = HEIGHT.saturating_sub(MARGIN.saturating_mul(2));
    let y = |value: i64| {
        let above = i128::from(value).saturating_sub(floor);
        let up = scale(above, top.saturating_sub(floor), inner);
        HEIGHT.saturating_sub(MARGIN).saturating_sub(up)
    };
    let mut line = format!("M0 {}", y(opening));
    for (at, value) in &steps {
        line.push_str(&format!("H{}V{}", x(*at), y(*value)));
    }
    line.push_str(&format!("H{WIDTH}"));
    let zero = y(0);
    let area = format!("{line}V{zero}H0Z");
    let text = |value| Credits::from_micros(value).to_string();
    Some(Plot { line, area, zero, low: text(low), high: text(high) })
}

fn scale(part: i128, whole: i128, to: i128) -> i128 {
    part.saturating_mul(to).checked_div(whole).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use medusa_api::{AccountLine, Currency};
    use medusa_types::Timestamp;

    use super::*;

    fn statement(opening: &str, lines: &[(i64, &str)]) -> AccountStatement {
        let line = |(at, balance): &(i64, &str)| AccountLine {
            position: *at,
            entry: 0,
            at: Timestamp::from_micros(*at),
            event: "billing.credits_granted".into(),
            stream: "s".into(),
            amount: "0.00".into(),
            balance: (*balance).into(),
        };
        AccountStatement {
            account: "bank".into(),
            currency: Currency::Usd,
            from: 1,
            to: 9,
            since: Some(Timestamp::from_micros(0)),
            until: Some(Timestamp::from_micros(100)),
            opening: opening.into(),
            lines: lines.iter().map(line).collect(),
            closing: lines.last().map_or(opening, |l| l.1).into(),
            next: None,
            previous: None,
        }
    }

    #[test]
    fn a_balance_steps_where_it_was_moved() {
        let found = plot(&statement("0.00", &[(50, "10.00"), (75, "5.00")])).unwrap();
        assert_eq!(found.line, "M0 1140H3000V60H4500V600H6000");
        assert_eq!(found.area, "M0 1140H3000V60H4500V600H6000V1140H0Z");
        assert_eq!((found.zero, &*found.low, &*found.high), (1140, "0.00", "10.00"));
    }

    #[test]
    fn a_debt_hangs_under_nothing() {
        let found = plot(&statement("-10.00", &[(50, "-5.00")])).unwrap();
        assert_eq!((found.zero, &*found.line), (60, "M0 1140H3000V600H6000"));
    }

    #[test]
    fn nothing_to_see_is_not_drawn() {
        assert_eq!(plot(&statement("0.00", &[])), None);
        assert_eq!(plot(&statement("0.00", &[(50, "0.00")])), None);
        assert_eq!(plot(&statement("x", &[(50, "1.00")])), None);
        let end = i64::MAX;
        let large = format!("{}", Credits::from_micros(end));
        assert!(plot(&statement(&format!("-{large}"), &[(100, &large)])).is_some());
    }
}
