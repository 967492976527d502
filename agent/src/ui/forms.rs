//! The limits as forms: how they are shown, and what comes back. A number out of its range is
//! refused here in words; a file that was edited is brought into the ranges where it is read.

use serde::Deserialize;

use crate::rules::clock::{DAYS, bits};
use crate::settings::{HOURS, Settings};

/// All limits but the hours of the week. A rule that is off keeps a number to begin with; a box
/// that is not ticked does not come at all.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct LimitsForm {
    pub(crate) cores_in_use_pct: u32,
    pub(crate) cores_idle_pct: u32,
    pub(crate) memory_in_use_pct: u32,
    pub(crate) memory_idle_pct: u32,
    pub(crate) idle_min: u32,
    #[serde(default, deserialize_with = "ticked")]
    pub(crate) load: bool,
    pub(crate) load_pct: u32,
    pub(crate) quiet_min: u32,
    #[serde(default, deserialize_with = "ticked")]
    pub(crate) battery: bool,
    #[serde(default, deserialize_with = "ticked")]
    pub(crate) heat: bool,
    pub(crate) heat_c: u32,
    #[serde(default, deserialize_with = "ticked")]
    pub(crate) metered: bool,
    pub(crate) disk_gb: u32,
    pub(crate) disk_free_gb: u32,
    #[serde(default, deserialize_with = "ticked")]
    pub(crate) dear: bool,
    pub(crate) dear_from: u32,
    pub(crate) dear_to: u32,
    /// One name a line.
    pub(crate) programs: String,
    pub(crate) kwh_cents: u32,
    pub(crate) watts: u32,
    pub(crate) credit_cents: u32,
    pub(crate) down_mb_s: u32,
    pub(crate) up_mb_s: u32,
}

impl LimitsForm {
    /// The form with these limits in it.
    pub(crate) fn of(settings: &Settings) -> Self {
        let usual = |kept: Option<u32>, usual: Option<u32>| kept.or(usual).unwrap_or_default();
        let defaults = Settings::default();
        let (dear_from, dear_to) = settings.dear.unwrap_or((17, 21));
        Self {
            cores_in_use_pct: settings.cores_in_use_pct,
            cores_idle_pct: settings.cores_idle_pct,
            memory_in_use_pct: settings.memory_in_use_pct,
            memory_idle_pct: settings.memory_idle_pct,
            idle_min: settings.idle_min,
            load: settings.load_pct.is_some(),
            load_pct: usual(settings.load_pct, defaults.load_pct),
            quiet_min: settings.quiet_min,
            battery: !settings.on_battery,
            heat: settings.heat_c.is_some(),
            heat_c: usual(settings.heat_c, defaults.heat_c),
            metered: !settings.on_metered,
            disk_gb: settings.disk_gb,
            disk_free_gb: settings.disk_free_gb,
            dear: settings.dear.is_some(),
            dear_from,
            dear_to,
            programs: settings.programs.join("\n"),
            kwh_cents: settings.kwh_cents,
            watts: settings.watts,
            credit_cents: settings.credit_cents,
            down_mb_s: settings.down_mb_s,
            up_mb_s: settings.up_mb_s,
        }
    }

    /// Why this is not kept, in words: the first number that is out of its range.
    pub(crate) fn refusal(&self) -> Option<String> {
        let ranges = [
            ("cores while somebody uses the machine", self.cores_in_use_pct, 0, 100),
            ("cores while nobody uses it", self.cores_idle_pct, 0, 100),
            ("memory while somebody uses the machine", self.memory_in_use_pct, 5, 100),
            ("memory while nobody uses it", self.memory_idle_pct, 5, 100),
            ("minutes until nobody uses it", self.idle_min, 1, 240),
            ("what other programs may take", self.load_pct, 5, 100),
            ("minutes of quiet", self.quiet_min, 1, 240),
            ("degrees", self.heat_c, 40, 110),
            ("disk in GB", self.disk_gb, 1, 10_000),
            ("free disk in GB", self.disk_free_gb, 0, 10_000),
            ("the first hour of dear electricity", self.dear_from, 0, HOURS - 1),
            ("the hour after dear electricity", self.dear_to, 0, HOURS),
            ("cents of a kilowatt hour", self.kwh_cents, 0, 100_000),
            ("watts", self.watts, 0, 10_000),
            ("cents of a credit", self.credit_cents, 0, 100_000),
            ("MB a second of downloads", self.down_mb_s, 0, 10_000),
            ("MB a second of uploads", self.up_mb_s, 0, 10_000),
        ];
        let out = ranges.into_iter().find(|(_, value, least, most)| value < least || value > most);
        out.map(|(what, value, least, most)| {
            format!("{what}: {value} is not from {least} to {most}; nothing was changed")
        })
    }

    /// Puts what came back into the limits.
    pub(crate) fn apply(self, settings: &mut Settings) {
        *settings = Settings {
            cores_in_use_pct: self.cores_in_use_pct,
            cores_idle_pct: self.cores_idle_pct,
            memory_in_use_pct: self.memory_in_use_pct,
            memory_idle_pct: self.memory_idle_pct,
            idle_min: self.idle_min,
            load_pct: self.load.then_some(self.load_pct),
            quiet_min: self.quiet_min,
            on_battery: !self.battery,
            heat_c: self.heat.then_some(self.heat_c),
            on_metered: !self.metered,
            disk_gb: self.disk_gb,
            disk_free_gb: self.disk_free_gb,
            hours: settings.hours,
            dear: self.dear.then_some((self.dear_from, self.dear_to)),
            programs: self.programs.lines().map(str::to_owned).collect(),
            snooze_until: settings.snooze_until,
            kwh_cents: self.kwh_cents,
            watts: self.watts,
            credit_cents: self.credit_cents,
            down_mb_s: self.down_mb_s,
            up_mb_s: self.up_mb_s,
        };
    }
}

/// A row of the week's grid.
pub(crate) struct Day {
    pub(crate) name: &'static str,
    /// From Monday, 0.
    pub(crate) number: usize,
    /// Whether each hour is lent.
    pub(crate) hours: Vec<bool>,
}

/// The grid.
pub(crate) fn week(hours: &[u32; 7]) -> Vec<Day> {
    let days = DAYS.iter().zip(hours).enumerate();
    days.map(|(number, (name, hours))| Day { name, number, hours: bits(*hours).collect() })
        .collect()
}

/// The hours that came back: a field `h0` to `h6` for each that is ticked.
pub(crate) fn hours(fields: &[(String, String)]) -> [u32; 7] {
    let mut week = [0; 7];
    for (name, value) in fields {
        let day = name.strip_prefix('h').and_then(|day| day.parse::<usize>().ok());
        let hour = value.parse::<u32>().ok().filter(|hour| *hour < HOURS);
        if let Some((bits, hour)) = day.and_then(|day| week.get_mut(day)).zip(hour) {
            *bits |= 1 << hour;
        }
    }
    week
}

/// A box says `on` when it is ticked.
fn ticked<'de, D: serde::Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(field)? == "on")
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;

    use super::*;
    use crate::settings::ALL_HOURS;

    #[test]
    fn what_is_shown_comes_back_the_same() {
        let mut other = Settings {
            cores_in_use_pct: 0,
            load_pct: None,
            on_battery: true,
            heat_c: None,
            on_metered: true,
            dear: Some((22, 6)),
            programs: vec!["doom".into(), "quake".into()],
            snooze_until: 5,
            kwh_cents: 31,
            credit_cents: 2,
            down_mb_s: 3,
            up_mb_s: 4,
            ..Settings::default()
        };
        other.hours[3] = 7;
        for kept in [Settings::default(), other] {
            let mut settings = Settings {
                hours: kept.hours,
                snooze_until: kept.snooze_until,
                ..Settings::default()
            };
            LimitsForm::of(&kept).apply(&mut settings);
            assert_eq!(settings, kept);
        }
    }

    #[test]
    fn a_box_that_is_not_ticked_does_not_come() {
        let numbers = "cores_in_use_pct=1&cores_idle_pct=2&memory_in_use_pct=3&memory_idle_pct=4\
            &idle_min=5&load_pct=6&quiet_min=7&heat_c=8&disk_gb=9&disk_free_gb=10&dear_from=11\
            &dear_to=12&kwh_cents=13&watts=14&credit_cents=15&down_mb_s=16\
            &up_mb_s=17&programs=a%0D%0Ab&token=x";
        let form = Query::<LimitsForm>::from_query(numbers).unwrap().into_inner();
        assert!(!form.load && !form.battery && !form.heat && !form.metered && !form.dear);
        assert_eq!(form.programs.lines().collect::<Vec<_>>(), ["a", "b"]);
        let ticked = format!("{numbers}&load=on&dear=on");
        let form = Query::<LimitsForm>::from_query(&ticked).unwrap().into_inner();
        assert!(form.load && form.dear && !form.heat);
        assert!(Query::<LimitsForm>::from_query("idle_min=5").is_err(), "half a form");
        assert!(Query::<LimitsForm>::from_query(&numbers.replace("=14", "=-14")).is_err());
    }

    #[test]
    fn a_number_out_of_its_range_is_refused_and_named() {
        let usual = || LimitsForm::of(&Settings::default());
        assert_eq!(usual().refusal(), None);
        let words = LimitsForm { idle_min: 0, ..usual() }.refusal().unwrap();
        assert_eq!(
            words,
            "minutes until nobody uses it: 0 is not from 1 to 240; nothing was changed"
        );
        for form in [
            LimitsForm { cores_idle_pct: 101, ..usual() },
            LimitsForm { dear_from: 24, ..usual() },
            LimitsForm { up_mb_s: 10_001, ..usual() },
        ] {
            assert!(form.refusal().is_some());
        }
        // What is kept is never out of the ranges that are asked for.
        let wild = Settings { idle_min: 0, disk_gb: 0, watts: u32::MAX, ..Settings::default() };
        assert_eq!(LimitsForm::of(&wild.in_range()).refusal(), None);
    }

    #[test]
    fn the_grid_comes_back_as_it_was() {
        let kept = [ALL_HOURS, 0, 1, 1 << 23, 0b1010, 7, ALL_HOURS];
        let mut fields = vec![("token".to_owned(), "x".to_owned()), ("h7".into(), "1".into())];
        fields.push(("h1".into(), "24".into()));
        for day in week(&kept) {
            let ticked = day.hours.iter().enumerate().filter(|(_, is_lent)| **is_lent);
            fields.extend(ticked.map(|(hour, _)| (format!("h{}", day.number), hour.to_string())));
        }
        assert_eq!(hours(&fields), kept);
    }
}
