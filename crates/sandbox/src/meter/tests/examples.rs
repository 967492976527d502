//! The programs of `examples/`, with a piece of what they are made for.

use std::path::Path;

use medusa_types::Outcome;

use super::equal::{Twins, task};

/// Runs an example both ways; the fuel that it took.
fn fuel(name: &str, args: &[&str], stdin: &[u8]) -> u64 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let wasm = std::fs::read(path.join(format!("{name}.wasm"))).expect("an example");
    let mut given = task(1_000_000_000);
    given.args = args.iter().map(|arg| (*arg).to_owned()).collect();
    given.stdin = stdin.to_vec();
    let report = Twins::of(&wasm).compare(&given);
    assert_eq!(report.outcome, Outcome::Done, "{name}: {}", report.stderr);
    report.fuel
}

/// These numbers are what lenders are paid for: they never change.
#[test]
fn the_examples_cost_what_they_always_did() {
    let picture: Vec<u8> = (0..24 * 24_u32).map(|n| ((n * n) >> 3).to_le_bytes()[0]).collect();
    let mut tile = b"P5\n24 24\n255\n".to_vec();
    tile.extend(picture);
    let text = "It is a truth universally acknowledged, that a single man in possession of a good \
                fortune, must be in want of a wife.\nCHAPTER I\nHowever little known.\n"
        .repeat(8);
    let found = [
        fuel("cells", &["--threshold", "6", "--min-area", "4", "--brighten"], &tile),
        fuel("chapters", &[], text.as_bytes()),
        fuel("pi", &["--points", "1000"], b"3 4\n"),
        fuel("words", &["--n", "2"], text.as_bytes()),
    ];
    assert_eq!(found, [12_957_577, 103_649, 218_197, 312_537]);
}
