//! An agent's record in steps, and what the rules make of it.

use super::*;

const NOON: Timestamp = Timestamp::from_micros(1_000_000_000_000);

fn rules() -> TrustRules {
    TrustRules::default()
}

fn credits(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

/// A record after these marks, all at once.
fn after(marks: &[(Mark, usize)]) -> Standing {
    let mut standing = Standing::default();
    for (mark, times) in marks {
        (0..*times).for_each(|_| standing.apply(*mark, NOON));
    }
    standing
}

#[test]
fn every_fault_ends_the_streak_and_costs_a_third_of_the_score() {
    assert_eq!(after(&[(Mark::Outdone, 3)]), Standing::default(), "there is nothing to take");
    for (mark, streak, score) in [
        (Mark::Right, 10, 10),
        (Mark::Trusted, 9, 9),
        (Mark::Wrong, 0, 6),
        (Mark::Outvoted, 0, 6),
        (Mark::Crashed, 0, 6),
        (Mark::Late, 0, 6),
        (Mark::Lost, 9, 9),
        (Mark::Outdone, 9, 8),
    ] {
        let standing = after(&[(Mark::Right, 9), (mark, 1)]);
        assert_eq!((standing.streak, standing.score), (streak, score), "{mark:?}");
    }
}

#[test]
fn the_chance_of_a_check_falls_with_the_streak_to_its_floor() {
    let ppm = |streak| Standing { streak, ..Standing::default() }.check_ppm(&rules());
    for (streak, expected) in
        [(0, 1_000_000), (9, 1_000_000), (10, 100_000), (25, 40_000), (50, 20_000), (5_000, 20_000)]
    {
        assert_eq!(ppm(streak), expected, "{streak}");
    }
}

#[test]
fn who_has_less_to_lose_is_checked_more_often() {
    let at = |streak, stake, exposed| {
        let standing = Standing { streak, stake: credits(stake), ..Standing::default() };
        draw(&standing, (credits(100), credits(exposed)), 999_999, &rules()).map(|d| d.check_ppm)
    };
    assert_eq!(at(9, 1_000_000, 0), None, "no streak");
    assert_eq!((at(50, 0, 0), at(50, 100, 0)), (None, None), "no chance is enough");
    assert_eq!(at(50, 101, 0), Some(990_100), "rounded against the agent");
    assert_eq!(at(50, 1_000, 0), Some(100_000));
    assert_eq!((at(50, 5_000, 0), at(50, 90_000, 0)), (Some(20_000), Some(20_000)), "the floor");
    assert_eq!(at(50, 5_000, 4_000), Some(100_000), "what it already holds counts");
    assert_eq!(at(10, 90_000, 0), Some(100_000), "a short streak counts too");
    assert_eq!(at(50, 100, 200), None);
}

#[test]
fn the_draw_divides_all_numbers_as_the_rules_say() {
    let standing = Standing { streak: 50, stake: credits(1_000_000), ..Standing::default() };
    let drawn = |n| draw(&standing, (credits(1), credits(0)), n, &rules()).unwrap().copies;
    for (from, to, copies) in [
        (0, 19_999, Copies::Double),
        (20_000, 29_999, Copies::Rerun),
        (30_000, 999_999, Copies::Single),
        (1_000_000, 1_019_999, Copies::Double),
    ] {
        assert_eq!((drawn(from), drawn(to)), (copies, copies), "{from}");
        assert_eq!(Copies::of_word(copies.word()), copies);
    }
    assert_eq!(Copies::of_word("something newer"), Copies::Double);
}

#[test]
fn two_proven_lies_quarantine_for_a_day_and_each_further_one_for_twice_as_long() {
    let day = 24 * 60 * 60 * 1000;
    let until = |marks: &[(Mark, usize)]| after(marks).quarantined(&rules(), NOON);
    assert_eq!(until(&[(Mark::Wrong, 1)]), None);
    assert_eq!(until(&[(Mark::Outvoted, 9)]), None, "nobody has proven that it was wrong");
    assert_eq!(until(&[(Mark::Wrong, 2)]), Some(NOON.plus_ms(day)));
    assert_eq!(until(&[(Mark::Wrong, 3)]), Some(NOON.plus_ms(2 * day)));
    assert_eq!(until(&[(Mark::Wrong, 90)]), Some(NOON.plus_ms(64 * day)));
    let liar = after(&[(Mark::Wrong, 2)]);
    assert_eq!(liar.quarantined(&rules(), NOON.plus_ms(day)), None, "it may qualify anew");
    assert_eq!(liar.check_ppm(&rules()), 1_000_000, "with two copies of everything");
    assert_eq!(until(&[(Mark::Wrong, 2), (Mark::Reinstated, 1)]), None);
    assert_eq!(until(&[(Mark::Wrong, 1), (Mark::Right, 100), (Mark::Wrong, 1)]), None, "it fades");
}

#[test]
fn failures_shrink_what_an_agent_may_hold_and_successes_double_it() {
    assert_eq!(after(&[]).leases_max(NOON), ALLOWANCE_START);
    assert_eq!(after(&[(Mark::Right, 2)]).leases_max(NOON), ALLOWANCE_START * 4);
    assert_eq!(after(&[(Mark::Right, 20), (Mark::Crashed, 1)]).leases_max(NOON), 15);
    assert_eq!(after(&[(Mark::Crashed, 15), (Mark::Trusted, 1)]).leases_max(NOON), 2);
    let broken = after(&[(Mark::Lost, 16)]);
    assert_eq!(broken.leases_max(NOON), 0);
    assert_eq!(broken.leases_max(NOON.plus_ms(DAY_MS)), 1, "one more try each day");
}

#[test]
fn rules_are_read_as_text_and_nonsense_is_named() {
    let read = |text: &str| text.parse::<TrustRules>();
    assert_eq!(read(""), Ok(rules()));
    let few = TrustRules { seasoned_at: 3, referee_fuel_max: 0, ..rules() };
    assert_eq!(read("seasoned_at=3, referee_fuel_max=0"), Ok(few));
    assert_eq!(read("check_floor_ppm=0").map(|rules| rules.check_floor_ppm), Ok(1));
    for (text, wrong) in [("seasoned_at", "name=number"), ("seasoned_at=x", "x"), ("age=1", "age")]
    {
        assert!(read(text).unwrap_err().contains(wrong), "{text}");
    }
}

#[test]
fn the_chance_of_a_second_copy_can_be_told_before() {
    let at = |streak, stake, price| {
        let standing = Standing { streak, stake: credits(stake), ..Standing::default() };
        standing.twice_ppm(credits(price), &rules())
    };
    assert_eq!((at(9, 1_000_000, 100), at(50, 100, 100)), (1_000_000, 1_000_000));
    assert_eq!((at(50, 90_000, 100), at(20, 90_000, 100)), (20_000, 50_000));
    assert_eq!(at(50, 1_000, 100), 100_000, "the draw would ask for as much");
}
