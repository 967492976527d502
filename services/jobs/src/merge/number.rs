//! Decimal numbers, exactly: what result files are sorted and summed by. No floats, so sums do not
//! depend on the order.

use std::cmp::Ordering;
use std::fmt;

/// The most digits after the point. Any fraction at this scale fits in 128 bits.
const SCALE_MAX: u32 = 37;
/// The largest exponent that is read.
const EXPONENT_MAX: i32 = 99;

/// Places that a mean may have beyond those of its sum.
const MEAN_PLACES: u32 = 12;

/// `digits` divided by ten to the power of `scale`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    digits: i128,
    scale: u32,
}

impl Number {
    /// Reads `-12`, `3.50`, `+.5` or `1e-3`; nothing else, and nothing of more than 38 digits.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim_ascii();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first()? {
            b'-' => (true, mantissa.get(1..)?),
            b'+' => (false, mantissa.get(1..)?),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if (whole.is_empty() && fraction.is_empty()) || exponent.abs() > EXPONENT_MAX {
            return None;
        }
        let mut digits = 0_i128;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = char::from(byte).to_digit(10)?;
            digits = digits.checked_mul(10)?.checked_add(digit.into())?;
        }
        let digits = if negative { digits.checked_neg()? } else { digits };
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        match u32::try_from(scale) {
            Ok(scale) if scale <= SCALE_MAX => Some(Self { digits, scale }),
            Ok(_) => None,
            Err(_) => {
                let digits = digits.checked_mul(power_of_ten(scale.unsigned_abs())?)?;
                Some(Self { digits, scale: 0 })
            }
        }
    }

    /// The sum, with as many digits after the point as the longer one has; nothing when it is too
    /// large.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let digits = self.at(scale)?.checked_add(other.at(scale)?)?;
        Some(Self { digits, scale })
    }

    /// The number divided by a count, with as many places after the point as it needs and at most
    /// [`MEAN_PLACES`] more than it has; what is beyond is rounded half to even.
    pub(super) fn over(self, count: u64) -> Option<Self> {
        let count = i128::from(count);
        let finest = self.scale.saturating_add(MEAN_PLACES).min(SCALE_MAX);
        // Numbers of very many digits have room for fewer places.
        let mut scales = (self.scale..=finest).rev();
        let (scale, digits) = scales.find_map(|scale| Some((scale, self.at(scale)?)))?;
        let whole = digits.checked_div_euclid(count)?;
        let rest = digits.checked_rem_euclid(count)?.checked_mul(2)?;
        let up = rest > count || (rest == count && whole.rem_euclid(2) == 1);
        let digits = whole.checked_add(i128::from(up))?;
        Some(Self { digits, scale }.shortest())
    }

    /// Without zeros at its end after the point.
    fn shortest(mut self) -> Self {
        while self.scale > 0 && self.digits.rem_euclid(10) == 0 {
            self.digits = self.digits.div_euclid(10);
            self.scale = self.scale.saturating_sub(1);
        }
        self
    }

    /// The digits at a larger scale.
    fn at(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(power_of_ten(scale.checked_sub(self.scale)?)?)
    }

    /// The whole part rounded down, and the fraction at the largest scale.
    fn parts(self) -> (i128, i128) {
        let unit = power_of_ten(self.scale).unwrap_or(1);
        let finer = power_of_ten(SCALE_MAX.saturating_sub(self.scale)).unwrap_or(1);
        (self.digits.div_euclid(unit), self.digits.rem_euclid(unit).saturating_mul(finer))
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::try_from(self.scale).unwrap_or(0);
        if places == 0 {
            return fmt::Display::fmt(&self.digits, f);
        }
        let width = places.saturating_add(1);
        let digits = format!("{:0width$}", self.digits.unsigned_abs());
        let (whole, fraction) =
            digits.split_at_checked(digits.len().saturating_sub(places)).unwrap_or(("0", &digits));
        let sign = if self.digits < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn what_is_read_is_written() {
        for (text, expected) in [
            ("0", "0"),
            ("-12", "-12"),
            (" 7 ", "7"),
            ("3.50", "3.50"),
            ("+.5", "0.5"),
            ("-0.05", "-0.05"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.25e1", "12.5"),
            ("1E-3", "0.001"),
            ("170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ] {
            assert_eq!(number(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in [
            "", " ", ".", "-", "x", "1 2", "1,5", "NaN", "inf", "0x10", "--1", "1e", "e5", "1e400",
            "1e-400", "1.2.3", "\u{661}",
        ] {
            assert!(Number::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(Number::parse("9".repeat(40).as_bytes()).is_none());
        assert!(Number::parse(b"\xff").is_none());
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let sorted =
            ["-1e37", "-1.5", "-1.25", "-1", "-0.5", "0", "0.05", "0.5", "9", "10", "1e37"];
        for pair in sorted.windows(2) {
            assert!(number(pair[0]) < number(pair[1]), "{pair:?}");
        }
        assert_eq!(number("1.50"), number("1.5"));
        assert_eq!(number("-0"), number("0"));
    }

    #[test]
    fn means_are_exact_or_rounded_half_to_even() {
        let over = |text, count| number(text).over(count).map(|mean| mean.to_string());
        for (sum, count, mean) in [
            ("7", 1, "7"),
            ("7.50", 3, "2.5"),
            ("1", 4, "0.25"),
            ("-1", 4, "-0.25"),
            ("1", 3, "0.333333333333"),
            ("-2", 3, "-0.666666666667"),
            ("2", 3, "0.666666666667"),
            ("0.0", 9, "0"),
            ("1", 8_192_000_000_000, "0"),
            (
                "170141183460469231731687303715884105727",
                2,
                "85070591730234615865843651857942052864",
            ),
        ] {
            assert_eq!(over(sum, count).as_deref(), Some(mean), "{sum} / {count}");
        }
        // 0.0000000000005 and 0.0000000000015 lie between two numbers of twelve places.
        assert_eq!(over("1", 2_000_000_000_000).as_deref(), Some("0"));
        assert_eq!(over("3", 2_000_000_000_000).as_deref(), Some("0.000000000002"));
        assert_eq!(over("1", 0), None);
    }

    #[test]
    fn sums_are_exact_or_none() {
        let sum = |a, b| number(a).plus(number(b)).map(|sum| sum.to_string());
        assert_eq!(sum("0.1", "0.2").as_deref(), Some("0.3"));
        assert_eq!(sum("1.50", "-1.5").as_deref(), Some("0.00"));
        assert_eq!(sum("1e37", "9e37").as_deref(), Some(format!("1{}", "0".repeat(38)).as_str()));
        assert_eq!(sum("1e38", "1e38"), None);
    }
}
