//! A module twice: metered by the engine, as `wt48-1` was first defined, and metered by itself.

use medusa_types::{Limits, Outcome, Sha256Hash};
use wasmparser::{Operator, Parser, Payload};
use wasmtime::{Engine, Module};

use crate::engine;
use crate::meter::body::per_unit;
use crate::meter::{Counter, operator_cost, rewrite};
use crate::program::Program;
use crate::task::{Report, Task};

/// Both, compiled.
pub(super) struct Twins {
    by_engine: Program,
    by_itself: Program,
    /// It has an operator over a length that is not written right before it. When the compiler can
    /// still tell that it is a small constant, the engine does not look at the count there.
    has_lengths: bool,
}

impl Twins {
    pub(super) fn of(wasm: &[u8]) -> Self {
        Self::compiled(wasm, false)
    }

    pub(super) fn compiled(wasm: &[u8], strict: bool) -> Self {
        let mut config = engine::config(strict);
        config.consume_fuel(true).operator_cost(operator_cost());
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, wasm).expect("it compiles");
        let by_engine = Program::new(engine, &module, String::new()).expect("a program");
        let engine = engine::engine(strict).expect("an engine");
        let metered = rewrite(wasm).expect("it can be rewritten");
        let module = Module::new(&engine, &metered).expect("the metered one compiles");
        let counter = Counter::name(&module).expect("a counter");
        let by_itself = Program::new(engine, &module, counter).expect("a program");
        Self { by_engine, by_itself, has_lengths: has_lengths(wasm) }
    }

    /// Runs both, and compares all that a report tells and that depends on the task alone; the fuel
    /// of a trap only as far as the engine counts it.
    pub(super) fn run(&self, task: &Task) -> Report {
        let wanted = self.by_engine.run(task.clone()).expect("a report");
        let found = self.by_itself.run(task.clone()).expect("a report");
        // How much fits the stack is the compiler's business, which is why it is no verdict.
        if [found.outcome, wanted.outcome].contains(&Outcome::StackOut) {
            return if found.outcome == Outcome::StackOut { found } else { wanted };
        }
        // The one difference: past its limit, a program may be stopped where the engine lets it
        // end. Either way it has used all of its fuel.
        let is_past = wanted.fuel == task.limits.fuel && found.fuel == wanted.fuel;
        if self.has_lengths && is_past && found.outcome == Outcome::FuelOut {
            return found;
        }
        let told = |report: &Report| {
            let output = Sha256Hash::of(&report.output);
            (report.outcome, output, report.stderr.clone(), report.memory_bytes)
        };
        assert_eq!(told(&found), told(&wanted), "with {} fuel", task.limits.fuel);
        if [Outcome::Trap, Outcome::MemoryOut].contains(&found.outcome) {
            // What ends in a trap, after denied memory too: the engine loses more of its count.
            assert!((wanted.fuel..=task.limits.fuel).contains(&found.fuel), "{}", found.fuel);
        } else {
            assert_eq!(found.fuel, wanted.fuel, "with {} fuel", task.limits.fuel);
        }
        found
    }

    /// Runs both with enough fuel, and then with limits all over what that took.
    pub(super) fn compare(&self, task: &Task) -> Report {
        let whole = self.run(task);
        if !whole.outcome.is_verdict() {
            return whole;
        }
        let used = whole.fuel;
        let near = [0, 1, 2, 3, used >> 1, used.saturating_sub(2)];
        let spread = (1..32).map(|part| (used.saturating_mul(part) >> 5) + (part & 3));
        let all = 0..=used.saturating_add(2);
        let limits: Vec<u64> = if used < 200 {
            all.collect()
        } else {
            near.into_iter().chain(used.saturating_sub(1)..=used + 1).chain(spread).collect()
        };
        for fuel in limits.into_iter().filter(|fuel| *fuel < task.limits.fuel) {
            let mut less = task.clone();
            less.limits.fuel = fuel;
            let report = self.run(&less);
            if report.outcome == Outcome::FuelOut {
                assert_eq!(report.fuel, fuel);
            }
        }
        whole
    }
}

fn has_lengths(wasm: &[u8]) -> bool {
    let costs = operator_cost();
    let mut found = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CodeSectionEntry(body) = payload.expect("a valid module") else { continue };
        let mut is_constant = false;
        for operator in body.get_operators_reader().expect("operators") {
            let operator = operator.expect("an operator");
            found |= per_unit(&costs, &operator).is_some() && !is_constant;
            is_constant = matches!(operator, Operator::I32Const { .. });
        }
    }
    found
}

pub(super) fn task(fuel: u64) -> Task {
    let limits = Limits {
        fuel,
        memory_bytes: 16 << 20,
        output_bytes: 1 << 20,
        stderr_bytes: 4 << 10,
        wall_ms: 60_000,
    };
    Task { seed: 7, clock_ms: 1_700_000_000_000, ..Task::empty(limits) }
}
