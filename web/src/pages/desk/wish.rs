//! What visitors typed into the desk's forms: positions, times, texts. Times are UTC.

use medusa_platform::ApiError;
use medusa_types::Timestamp;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::ask::Refusal;
use crate::show;

/// As browsers write a local date and time; the seconds may be left out.
const MOMENT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute][optional [:[second]]]");
const MOMENT_SHOWN: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// Collects what is wrong with a form while its fields are read.
#[derive(Default)]
pub(super) struct Reader {
    wrong: Option<String>,
}

impl Reader {
    /// A text, if there is one.
    pub(super) fn text(&mut self, typed: &str) -> Option<String> {
        Some(typed.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A log position, if there is one.
    pub(super) fn position(&mut self, typed: &str) -> Option<i64> {
        let digits = typed.trim().trim_start_matches('#').replace(',', "");
        self.parsed(typed, digits.parse().ok().filter(|n| *n >= 0), "a position is a whole number")
    }

    /// A time, if there is one.
    pub(super) fn moment(&mut self, typed: &str) -> Option<Timestamp> {
        let at = PrimitiveDateTime::parse(typed.trim(), MOMENT).ok();
        let at = at.map(|at| Timestamp::from_utc(at.assume_utc()));
        self.parsed(typed, at, "a time reads like 2026-11-22T19:30, in UTC")
    }

    /// An id of some kind, if there is one.
    pub(super) fn id<T: std::str::FromStr<Err: ToString>>(&mut self, typed: &str) -> Option<T> {
        let parsed = typed.trim().parse::<T>();
        let what = parsed.as_ref().err().map(ToString::to_string).unwrap_or_default();
        self.parsed(typed, parsed.ok(), &what)
    }

    fn parsed<T>(&mut self, typed: &str, value: Option<T>, what: &str) -> Option<T> {
        if value.is_none() && !typed.trim().is_empty() {
            self.wrong = Some(show::sentence(what));
        }
        value
    }

    /// What is wrong, if anything.
    pub(super) fn wrong(self) -> Option<String> {
        self.wrong
    }
}

/// A refusal of what was typed, as words for the form; others leave as they are.
pub(super) fn in_form(error: ApiError) -> Result<String, Refusal> {
    match error.0.status {
        400 | 422 => Ok(show::sentence(&error.0.detail)),
        _ => Err(error.into()),
    }
}

/// A time as a form shows it.
pub(super) fn shown(at: Option<Timestamp>) -> String {
    at.and_then(|at| at.to_utc().format(MOMENT_SHOWN).ok()).unwrap_or_default()
}

/// A time as a query of the interface takes it.
pub(super) fn micros(at: Option<Timestamp>) -> String {
    at.map(|at| at.micros().to_string()).unwrap_or_default()
}

/// A number, or nothing.
pub(super) fn number(n: Option<impl ToString>) -> String {
    n.map(|n| n.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use medusa_types::UserId;

    use super::*;

    #[test]
    fn positions_and_times_are_read_as_people_write_them() {
        let mut form = Reader::default();
        assert_eq!(form.position(" #12,345 "), Some(12_345));
        assert_eq!((form.position(""), form.moment(" "), form.text(" ")), (None, None, None));
        let minute = form.moment("2026-11-22T19:30");
        assert_eq!(minute, form.moment("2026-11-22T19:30:00"));
        assert_eq!(shown(minute), "2026-11-22T19:30:00");
        assert_eq!(form.wrong(), None);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (position, moment, id) in [("-1", "", ""), ("", "yesterday", ""), ("", "", "job_7")] {
            let mut form = Reader::default();
            let read = (form.position(position), form.moment(moment), form.id::<UserId>(id));
            assert_eq!(read, (None, None, None));
            assert!(form.wrong().is_some_and(|text| text.ends_with('.')));
        }
    }
}
