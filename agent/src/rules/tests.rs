//! Every rule as rows of a table, and what must hold for any settings and readings.

use proptest::prelude::*;

use super::*;
use crate::settings::ALL_HOURS;

const NOON: u64 = 1_000_000_000;

/// Noon and ten minutes on a Wednesday.
const NOW: Local = Local { unix: NOON, weekday: 2, hour: 12, second: 600 };
const LENT: Lent = Lent { slots: 8, memory_mib: 6_000 };

/// A quiet desktop that nobody uses.
fn quiet() -> Readings {
    Readings {
        idle_s: Some(600),
        load_pct: Some(3),
        own_pct: Some(0),
        on_battery: Some(false),
        heat_c: Some(50),
        metered: Some(false),
        disk_free_mb: Some(90_000),
        program: None,
        memory_mib: 10_000,
    }
}

fn judged(settings: &Settings, readings: &Readings) -> Verdict {
    decide(settings, readings, LENT, NOW, Memory::default()).0
}

#[test]
fn each_rule_says_how_much_and_why() {
    type Change = fn(&mut Settings, &mut Readings);
    let cases: [(&str, Change, Scope, u32, u64); 20] = [
        ("", |_, _| {}, Scope::Run, 8, 6_000),
        (
            "4 of 8 at a time, because somebody uses the machine",
            |_, r| r.idle_s = Some(179),
            Scope::Run,
            4,
            5_000,
        ),
        ("", |_, r| r.idle_s = Some(180), Scope::Run, 8, 6_000),
        ("6 of 8 at a time", |s, _| s.cores_idle_pct = 75, Scope::Run, 6, 6_000),
        ("1 of 8 at a time", |s, _| s.cores_idle_pct = 1, Scope::Run, 1, 6_000),
        ("", |s, _| s.memory_idle_pct = 20, Scope::Run, 8, 2_000),
        ("no core is lent", |s, _| s.cores_idle_pct = 0, Scope::Freeze, 0, 6_000),
        (
            "somebody uses the machine",
            |s, r| (s.cores_in_use_pct, r.idle_s) = (0, Some(0)),
            Scope::Freeze,
            0,
            5_000,
        ),
        ("on battery", |_, r| r.on_battery = Some(true), Scope::Freeze, 0, 6_000),
        ("", |s, r| (s.on_battery, r.on_battery) = (true, Some(true)), Scope::Run, 8, 6_000),
        ("too hot, 85 °C", |_, r| r.heat_c = Some(85), Scope::Freeze, 0, 6_000),
        ("", |_, r| r.heat_c = Some(84), Scope::Run, 8, 6_000),
        (
            "other programs need the processor, 26 % now",
            |_, r| r.load_pct = Some(26),
            Scope::Freeze,
            0,
            6_000,
        ),
        ("", |_, r| r.load_pct = Some(25), Scope::Run, 8, 6_000),
        ("snoozed", |s, _| s.snooze_until = NOON + 1, Scope::Freeze, 0, 6_000),
        ("", |s, _| s.snooze_until = NOON, Scope::Run, 8, 6_000),
        ("this hour is not lent", |s, _| s.hours[2] = !(1 << 12), Scope::Freeze, 0, 6_000),
        ("the connection is paid by volume", |_, r| r.metered = Some(true), Scope::Hold, 8, 6_000),
        ("only 999 MB of disk are free", |_, r| r.disk_free_mb = Some(999), Scope::Hold, 8, 6_000),
        ("doom is running", |_, r| r.program = Some("doom".into()), Scope::Freeze, 0, 6_000),
    ];
    for (words, change, scope, slots, memory_mib) in cases {
        let (mut settings, mut readings) = (Settings::default(), quiet());
        change(&mut settings, &mut readings);
        let verdict = judged(&settings, &readings);
        let why: Vec<_> = verdict.why.iter().map(ToString::to_string).collect();
        assert_eq!(why.join("; "), words);
        assert_eq!((verdict.scope, verdict.slots), (scope, slots), "{words}");
        assert_eq!(verdict.memory_mib, memory_mib, "{words}");
        assert_eq!(verdict.unknown, [], "{words}");
    }
}

#[test]
fn dear_hours_may_go_over_midnight() {
    for (dear, hours) in [((17, 21), vec![17, 18, 19, 20]), ((22, 2), vec![0, 1, 22, 23])] {
        let is_dear = |hour: &u32| clock::is_dear(Some(dear), *hour);
        assert_eq!((0..24).filter(is_dear).collect::<Vec<_>>(), hours);
    }
    assert!(!clock::is_dear(None, 5));
}

#[test]
fn what_is_not_known_is_said_and_counts_as_in_use() {
    let readings = Readings { memory_mib: 10_000, ..Readings::default() };
    let verdict = judged(&Settings::default(), &readings);
    assert_eq!((verdict.scope, verdict.slots), (Scope::Run, 4));
    use Unknown::{Battery, Disk, Heat, Idle, Load, Metered};
    assert_eq!(verdict.unknown, [Idle, Load, Battery, Heat, Metered, Disk]);
    let always = judged(&Settings::default().always(), &readings);
    assert_eq!((always.scope, always.slots, always.unknown), (Scope::Run, 8, vec![]));
}

#[test]
fn a_load_has_to_be_over_for_a_while() {
    let settings = Settings::default();
    let at = |seconds: u64, load: u32, memory: Memory| {
        let readings = Readings { load_pct: Some(load), ..quiet() };
        decide(&settings, &readings, LENT, NOW.later(seconds), memory)
    };
    let (verdict, memory) = at(0, 80, Memory::default());
    assert_eq!((verdict.scope, verdict.next), (Scope::Freeze, Some(NOON + 300)));
    let (verdict, memory) = at(100, 2, memory);
    assert_eq!((verdict.scope, verdict.next), (Scope::Freeze, Some(NOON + 300)));
    let (verdict, memory) = at(200, 60, memory);
    assert_eq!((verdict.scope, verdict.next), (Scope::Freeze, Some(NOON + 500)));
    assert_eq!(at(499, 2, memory).0.scope, Scope::Freeze);
    assert_eq!(at(500, 2, memory).0.scope, Scope::Run);
    // The clock is set back by an hour: the pause is not longer than a new one.
    let early = Local { unix: NOON - 3_600, ..NOW };
    let (verdict, _) = decide(&settings, &quiet(), LENT, early, memory);
    assert_eq!(verdict.next, Some(NOON - 3_600 + 300));
}

#[test]
fn a_hot_machine_goes_on_when_it_is_cooler() {
    let mut memory = Memory::default();
    let mut scopes = Vec::new();
    for heat in [84, 85, 84, 80, 79, 84, 85] {
        let readings = Readings { heat_c: Some(heat), ..quiet() };
        let (verdict, kept) = decide(&Settings::default(), &readings, LENT, NOW, memory);
        memory = kept;
        scopes.push(verdict.scope == Scope::Freeze);
    }
    assert_eq!(scopes, [false, true, true, true, false, false, true]);
}

#[test]
fn the_end_of_a_pause_is_told_when_only_time_can_end_it() {
    let mut settings = Settings { snooze_until: NOON + 900, ..Settings::default() };
    assert_eq!(judged(&settings, &quiet()).next, Some(NOON + 900));
    // Wednesday is not lent from noon on, and Thursday begins with four dear hours.
    settings.hours[2] = (1 << 12) - 1;
    settings.dear = Some((0, 4));
    let next = judged(&settings, &quiet()).next.unwrap();
    let then = NOW.later(next - NOON);
    assert_eq!((then.weekday, then.hour, then.second), (3, 4, 0));
    assert_eq!(then.in_words(NOW), "Thu 04:00");
    assert_eq!(NOW.later(900).in_words(NOW), "12:25");
    let plugged_out = Readings { on_battery: Some(true), ..quiet() };
    assert_eq!(judged(&settings, &plugged_out).next, None, "nobody knows when it is plugged in");
    settings.hours = [0; 7];
    assert_eq!(judged(&settings, &quiet()).next, None, "never");
}

#[test]
fn the_week_begins_again() {
    let sunday = Local { unix: 5, weekday: 6, hour: 23, second: 3_599 };
    assert_eq!(sunday.later(1), Local { unix: 6, weekday: 0, hour: 0, second: 0 });
    assert_eq!(clock::bits(0b101).filter(|lent| *lent).count(), 2);
    assert_eq!(clock::bits(ALL_HOURS).count(), 24);
}

prop_compose! {
    fn any_settings()(
        (cores, memory) in (any::<(u32, u32)>(), any::<(u32, u32)>()),
        (idle_min, load_pct, quiet_min, heat_c) in any::<(u32, Option<u32>, u32, Option<u32>)>(),
        (on_battery, on_metered, disk_free_gb) in any::<(bool, bool, u32)>(),
        hours in any::<[u32; 7]>(),
        dear in any::<Option<(u32, u32)>>(),
        snooze_until in prop_oneof![Just(0), Just(u64::MAX), NOON - 9..NOON + 9],
    ) -> Settings {
        Settings {
            cores_in_use_pct: cores.0 % 128,
            cores_idle_pct: cores.1 % 128,
            memory_in_use_pct: memory.0 % 128,
            memory_idle_pct: memory.1 % 128,
            idle_min, load_pct, quiet_min, on_battery, heat_c, on_metered, disk_free_gb, hours,
            dear: dear.map(|(from, to)| (from % 26, to % 26)),
            snooze_until,
            ..Settings::default()
        }
        .in_range()
    }
}

prop_compose! {
    fn any_readings()(
        idle_s in any::<Option<u64>>(),
        load_pct in proptest::option::of(0_u32..=100),
        heat_c in proptest::option::of(-20_i32..120),
        (on_battery, metered) in any::<(Option<bool>, Option<bool>)>(),
        disk_free_mb in any::<Option<u64>>(),
        program in proptest::option::of(Just("doom".to_owned())),
        memory_mib in any::<u64>(),
    ) -> Readings {
        Readings {
            idle_s, load_pct, own_pct: None, on_battery, heat_c, metered, disk_free_mb, program,
            memory_mib,
        }
    }
}

proptest! {
    #[test]
    fn nothing_computes_against_a_rule(
        settings in any_settings(),
        readings in any_readings(),
        slots in 1_u32..100,
        (weekday, hour, second) in (0_u32..7, 0_u32..24, 0_u32..3_600),
        (quiet_at, is_hot) in any::<(Option<u64>, bool)>(),
    ) {
        let now = Local { unix: NOON, weekday, hour, second };
        let lent = Lent { slots, memory_mib: 6_000 };
        let (verdict, memory) =
            decide(&settings, &readings, lent, now, Memory { quiet_at, is_hot });
        let is_pausing = readings.program.is_some()
            || !settings.on_battery && readings.on_battery == Some(true)
            || settings.load_pct.zip(readings.load_pct).is_some_and(|(most, load)| load > most)
            || settings.snooze_until > NOON
            || !clock::is_lent(&settings.hours, weekday, hour);
        prop_assert!(!is_pausing || verdict.scope == Scope::Freeze);
        prop_assert_eq!(verdict.scope == Scope::Freeze, verdict.slots == 0);
        prop_assert!(verdict.slots <= slots && verdict.memory_mib <= 6_000);
        prop_assert!(verdict.scope == Scope::Run || !verdict.why.is_empty());
        prop_assert!(verdict.slots == slots || !verdict.why.is_empty());
        prop_assert!(verdict.next.is_none_or(|at| at > NOON));
        // The same again decides the same: nothing flutters by itself.
        let (again, same) = decide(&settings, &readings, lent, now, memory);
        prop_assert_eq!((again, same), (verdict, memory));
    }
}

#[test]
fn the_website_can_only_lower() {
    let free = || Verdict {
        scope: Scope::Run,
        slots: 4,
        memory_mib: 1_000,
        why: Vec::new(),
        unknown: Vec::new(),
        next: None,
    };
    let more = Remote { paused: false, slots: Some(9), memory_mib: Some(2_000) };
    assert_eq!(free().within(&more), free());
    let less = Remote { paused: false, slots: Some(0), memory_mib: Some(500) };
    let lowered = free().within(&less);
    assert_eq!((lowered.scope, lowered.slots, lowered.memory_mib), (Scope::Run, 1, 500));
    let words: Vec<_> = lowered.why.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["the website allows 1 at a time and 500 MiB"]);
    let paused = free().within(&Remote { paused: true, ..Remote::default() });
    assert_eq!((paused.scope, paused.slots), (Scope::Freeze, 0));
    assert_eq!(paused.why, [Reason::Website]);
    let both = Remote { paused: true, ..less };
    assert_eq!(free().within(&both).why, [Reason::Website], "a limit is no cause of a pause");
    assert_eq!(Reason::Website.to_string(), "stopped from the website");
    let named = Reason::Program("secret game".into());
    assert!(!named.for_the_website().contains("secret"));
}
