//! Prices of copies, quotes and their parts.

use super::*;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

const fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

fn prices() -> Prices {
    Prices { per_gfuel: micros(111), per_start: micros(20), fee_permille: 150, ..Prices::default() }
}

/// The same with a price on half a GiB of memory, and on bytes.
fn whole() -> Prices {
    let resources = Resources {
        memory_bytes: 512 * MIB,
        per_gfuel_gib: micros(10),
        per_gib: micros(1024),
        transfer_free: 2 * MIB,
        transfer_max: 10 * MIB,
    };
    Prices { resources, ..prices() }
}

fn tariff() -> Tariff {
    Tariff {
        meter: "test".into(),
        per_gfuel: micros(111),
        per_gfuel_gib: micros(10),
        memory_free: 512 * MIB,
        per_gib: micros(1024),
        transfer_free: 2 * MIB,
        per_start: micros(20),
        fee_permille: 150,
    }
}

/// Prices of all kinds, of nothing up to nearly everything.
fn many() -> Vec<Prices> {
    let mut all = Vec::new();
    for per_gfuel in [0, 1, 28, 111, 1_000_000_000_000] {
        for (memory_bytes, per_gfuel_gib) in [(0, 9), (1, 9), (300 * MIB, 7), (4 * GIB, 1_000_000)]
        {
            for (per_gib, transfer_free, transfer_max) in
                [(0, 0, 0), (1, 0, 99), (100_000, MIB, 9 * MIB), (1_000_000_000, 0, u64::MAX)]
            {
                for (per_start, fee_permille) in [(0, 0), (1, 999), (20, 150)] {
                    all.push(Prices {
                        per_gfuel: micros(per_gfuel),
                        per_start: micros(per_start),
                        fee_permille,
                        resources: Resources {
                            memory_bytes,
                            per_gfuel_gib: micros(per_gfuel_gib),
                            per_gib: micros(per_gib),
                            transfer_free,
                            transfer_max,
                        },
                    });
                }
            }
        }
    }
    all
}

#[test]
fn a_copy_costs_its_start_and_its_fuel_rounded_up() {
    assert_eq!(prices().copy(Fuel(0), 0), micros(20));
    assert_eq!(prices().copy(Fuel(1), 0), micros(21));
    assert_eq!(prices().copy(Fuel(2_000_000_000), 0), micros(242));
    assert_eq!(prices().copy(Fuel(2_000_000_000), u64::MAX), micros(242), "bytes are free");
    assert_eq!(prices().fee(micros(242)), micros(36));
}

#[test]
fn memory_and_transfer_cost_what_is_beyond_what_is_free() {
    for (fuel, bytes, expected) in [
        (0, 0, 20),
        // 111 and half of 10.
        (1_000_000_000, 0, 20 + 116),
        // 0.116 are rounded once, not each part of them.
        (1_000_000, 0, 20 + 1),
        (0, 2 * MIB, 20),
        (0, 2 * MIB + 1, 20 + 1),
        (0, 5 * MIB, 20 + 3),
        (3_000_000_000, 9 * MIB, 20 + 348 + 7),
        // No more than what is charged at most.
        (0, GIB, 20 + 8),
    ] {
        assert_eq!(whole().copy(Fuel(fuel), bytes), micros(expected), "{fuel}, {bytes}");
    }
    assert_eq!(whole().copy_max(Fuel(1_000_000_000)), micros(20 + 116 + 8));
}

#[test]
fn a_tariff_charges_for_the_memory_that_a_job_may_use() {
    assert_eq!(Prices::of(&tariff(), GIB, 10 * MIB), whole());
    let little = Prices::of(&Tariff { per_gib: micros(0), ..tariff() }, MIB, 10 * MIB);
    assert!(!little.resources.is_priced(), "{little:?}");
    let bytes = |most| Prices::of(&tariff(), MIB, most).resources.is_priced();
    assert!(bytes(2 * MIB + 1) && !bytes(2 * MIB), "no copy is charged for what is free");
    assert!(whole().resources.is_priced());
    let urgent = Prices::of(&tariff().times(1_500), GIB, 10 * MIB);
    assert_eq!((urgent.per_gfuel, urgent.per_start), (micros(167), micros(30)));
    let Resources { per_gfuel_gib, per_gib, .. } = urgent.resources;
    assert_eq!((per_gfuel_gib, per_gib), (micros(15), micros(1536)));
}

#[test]
fn without_a_price_on_memory_and_bytes_everything_costs_what_it_did() {
    let sum = |prices: &Prices, fuel: u64| {
        let rate = u128::try_from(prices.per_gfuel.micros()).unwrap();
        let work = (u128::from(fuel) * rate).div_ceil(1_000_000_000);
        let work = micros(i64::try_from(work).unwrap_or(i64::MAX));
        work.saturating_add(prices.per_start)
    };
    for prices in many() {
        let prices = Prices { resources: Resources::default(), ..prices };
        for fuel in [0, 1, 999_999_999, 1_000_000_001, 7_777_777_777, 1 << 40, u64::MAX] {
            assert_eq!(prices.copy(Fuel(fuel), 1 << 40), sum(&prices, fuel), "{prices:?} {fuel}");
        }
    }
}

#[test]
fn fuel_for_a_price_never_costs_more_whatever_is_moved() {
    let mut seen = 0;
    for prices in many() {
        for price in [0, 19, 20, 21, 100, 5_000, 123_456_789, i64::MAX].map(micros) {
            let fuel = prices.fuel_for(price);
            if fuel > Fuel(0) {
                for bytes in [0, MIB, 99 * MIB, u64::MAX] {
                    assert!(prices.copy(fuel, bytes) <= price, "{prices:?} {price} {fuel:?}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 500, "{seen}");
    let free = Prices { per_gfuel: micros(0), ..prices() };
    assert_eq!(free.fuel_for(micros(19)), Fuel(0), "the start alone costs more");
}

#[test]
fn more_fuel_and_more_bytes_never_cost_less() {
    for prices in many() {
        let mut before = micros(0);
        for step in 0..64 {
            let price = prices.copy(Fuel(1 << step), 1 << step);
            assert!(price >= before, "{prices:?} {step}");
            before = price;
        }
        assert!(prices.copy(Fuel(5), 1 << 40) <= prices.copy_max(Fuel(5)));
    }
}

const WORK: Work = Work {
    sample: Fuel(5_000_000_000),
    sample_bytes: 10,
    bytes: 100,
    chunks: 10,
    merges: (0, Fuel(0)),
    transfer: Credits::ZERO,
    twice_ppm: 1_000_000,
    limit: Fuel(20_000_000_000),
};

#[test]
fn the_hold_covers_the_likely_price() {
    let priced = quote_price(&prices(), &WORK);
    assert_eq!(priced.likely, micros((5_550 + 200) * 2));
    assert!(priced.low < priced.likely && priced.likely < priced.hold);
}

#[test]
fn a_quote_names_every_part() {
    let work = Work { transfer: micros(1_000), twice_ppm: 500_000, ..WORK };
    let free = Prices { fee_permille: 0, ..whole() };
    let priced = quote_price(&free, &work);
    // 50 Gfuel by 111 and by 5, ten starts, and half of everything once more.
    let parts = Breakdown {
        compute: micros(5_550),
        memory: micros(250),
        transfer: micros(1_000),
        start: micros(200),
        verification: micros(3_500),
        fee: micros(0),
    };
    assert_eq!((priced.breakdown, priced.likely), (parts, micros(10_500)));
    // Twice two copies of everything, and two runs at their limit.
    assert_eq!(priced.hold, micros(7_000 * 4).saturating_add(micros(2 * (2_320 + 8 + 20))));
    let limit = Fuel(100_000_000_000);
    let large = quote_price(&free, &Work { limit, ..work });
    assert_eq!(large.hold, micros(7_000 * 4).saturating_add(free.copy_max(limit)), "or one run");
    let names = priced.breakdown.parts().map(|(name, _)| name);
    assert_eq!(names, ["computing", "memory", "transfer", "starting chunks", "checking", "fee"]);
}

#[test]
fn records_make_it_cheaper_and_the_hold_stays() {
    let twice = quote_price(&prices(), &WORK);
    for (twice_ppm, checking) in [(0, 0), (40_000, 230), (500_000, 2_875), (1, 1)] {
        let priced = quote_price(&prices(), &Work { twice_ppm, ..WORK });
        assert_eq!(priced.verification, micros(checking), "{twice_ppm}");
        assert_eq!(priced.likely, micros(5_750 + checking), "{twice_ppm}");
        assert_eq!(priced.hold, twice.hold);
    }
}

#[test]
fn the_parts_add_up_to_the_likely_price_whatever_it_is() {
    let mut seen = 0;
    for prices in many() {
        for sample in [0, 1, 9, 10_000_000, 9_009_009, 5_000_000_000] {
            for (chunks, twice_ppm) in [(1, 1_000_000), (1, 0), (3, 77_777), (999, 500_001)] {
                for transfer in [0, 1, 77_777].map(micros) {
                    let work = Work { sample: Fuel(sample), chunks, twice_ppm, transfer, ..WORK };
                    let priced = quote_price(&prices, &work);
                    assert_eq!(priced.breakdown.sum(), priced.likely, "{prices:?} {work:?}");
                    let parts = priced.breakdown.parts();
                    assert!(parts.iter().all(|(_, part)| *part >= Credits::ZERO), "{parts:?}");
                    assert!(priced.likely <= priced.hold);
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 240 * 6 * 4 * 3);
}
