//! A month of earnings as the path of a small picture, drawn as the website draws balances: a step
//! for each day. Whole numbers only.

use medusa_api::EarningsDay;

/// The picture is so wide and high; both are stretched to the page.
const WIDTH: i128 = 6_000;
const HEIGHT: i128 = 1_200;
/// Kept free above and below the steps.
const MARGIN: i128 = 60;

/// Earnings of some days.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plot {
    /// The steps.
    pub(crate) line: String,
    /// The steps and what is under them.
    pub(crate) area: String,
    /// The height at which nothing was earned.
    pub(crate) zero: i128,
    /// The most of one day, as decimal text.
    pub(crate) most: String,
}

/// The plot of these days; none where there is nothing to see.
pub(crate) fn plot(days: &[EarningsDay]) -> Option<Plot> {
    let earned = |day: &EarningsDay| i128::from(day.earned.micros().max(0));
    let most = days.iter().max_by_key(|day| day.earned)?.earned;
    let top = i128::from(most.micros());
    if top <= 0 {
        return None;
    }
    let count = i128::try_from(days.len()).ok()?;
    let inner = HEIGHT.saturating_sub(MARGIN.saturating_mul(2));
    let zero = HEIGHT.saturating_sub(MARGIN);
    let mut line = String::new();
    for (number, day) in (1_i128..).zip(days) {
        let y = zero.saturating_sub(scale(earned(day), top, inner));
        let step = if line.is_empty() { format!("M0 {y}") } else { format!("V{y}") };
        line.push_str(&step);
        line.push_str(&format!("H{}", scale(number, count, WIDTH)));
    }
    let area = format!("{line}V{zero}H0Z");
    Some(Plot { line, area, zero, most: most.to_string() })
}

fn scale(part: i128, whole: i128, to: i128) -> i128 {
    part.saturating_mul(to).checked_div(whole).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use medusa_types::Credits;

    use super::*;

    fn days(micros: &[i64]) -> Vec<EarningsDay> {
        let day = |micros: &i64| EarningsDay {
            earned: Credits::from_micros(*micros),
            ..EarningsDay::default()
        };
        micros.iter().map(day).collect()
    }

    #[test]
    fn each_day_is_a_step() {
        let found = plot(&days(&[0, 1_000_000, 500_000])).unwrap();
        assert_eq!(found.line, "M0 1140H2000V60H4000V600H6000");
        assert_eq!(found.area, "M0 1140H2000V60H4000V600H6000V1140H0Z");
        assert_eq!((found.zero, &*found.most), (1140, "1.00"));
    }

    #[test]
    fn nothing_earned_is_not_drawn() {
        assert_eq!(plot(&[]), None);
        assert_eq!(plot(&days(&[0, 0])), None);
        assert!(plot(&days(&[i64::MAX, i64::MAX])).is_some());
    }
}
