//! A loaded program, and one run of it: inside a worker process only.

use std::path::Path;

use medusa_types::{Limits, Outcome};
use wasmtime::{Engine, Error, Instance, InstancePre, Module, Store, Trap, TypedFunc};

use crate::engine;
use crate::gate::Entry;
use crate::gauge::Denied;
use crate::meter::Counter;
use crate::os;
use crate::stop::Ending;
use crate::task::{Report, Task};
use crate::wasi::{self, Host, Stream};

/// A program that can be run any number of times, each in a store of its own.
pub(crate) struct Program {
    engine: Engine,
    instance: InstancePre<Host>,
    entry: Entry,
    /// The export that counts.
    counter: String,
}

impl Program {
    /// Loads a compiled file.
    pub(crate) fn load(strict: bool, path: &Path) -> wasmtime::Result<Self> {
        let engine = engine::engine(strict)?;
        #[expect(unsafe_code, reason = "compiled code can only be loaded so")]
        // SAFETY: the file was compiled on this machine by this program, which checks its digest
        // before it names it here, and it is only ever replaced as a whole.
        let module = unsafe { Module::deserialize_file(&engine, path)? };
        let counter = Counter::name(&module).ok_or_else(|| Error::msg("it is not metered"))?;
        Self::new(engine, &module, counter)
    }

    /// Makes a program of a module that counts in the export of this name.
    pub(crate) fn new(engine: Engine, module: &Module, counter: String) -> wasmtime::Result<Self> {
        let has = |entry: &Entry| {
            module.get_export(entry.export()).is_some_and(|export| export.func().is_some())
        };
        let entry = [Entry::Start, Entry::EmptyName].into_iter().find(has);
        let entry = entry.ok_or_else(|| Error::msg("the module has no entry"))?;
        let instance = wasi::link(&engine)?.instantiate_pre(module)?;
        Ok(Self { engine, instance, entry, counter })
    }

    /// Runs the program once.
    ///
    /// # Errors
    /// Says what of the task cannot be shown to a guest.
    pub(crate) fn run(&self, task: Task) -> Result<Report, String> {
        self.run_with(task, None).map(|(report, _)| report)
    }

    /// Runs the program once, as a live guest that talks through a stream, which comes back.
    ///
    /// # Errors
    /// Says what of the task cannot be shown to a guest.
    pub(crate) fn run_with(
        &self,
        task: Task,
        stream: Option<Stream>,
    ) -> Result<(Report, Option<Stream>), String> {
        let limits = task.limits;
        let started = cpu_ms();
        let host = Host::new(task)?.with_stream(stream);
        let mut store = Store::new(&self.engine, host);
        store.limiter(|host| &mut host.gauge);
        let result = self.enter(&mut store, &limits);
        let memory = store.data().memory;
        let memory_bytes = memory.map_or(0, |memory| memory.data_size(&store));
        let counter = store.data().counter;
        let left = counter.map(|counter| counter.left(&mut store)).transpose();
        let left = left.map_err(|error| error.to_string())?;
        let host = store.into_data();
        let (outcome, reason) = ending(&result, host.gauge.denied);
        // Before instantiation is over, nothing has been counted.
        let fuel = left.map_or(0, |left| fuel_max(&limits).saturating_sub(left));
        let mut stderr = host.stderr.into_text();
        if let Some(reason) = reason {
            if !stderr.is_empty() && !stderr.ends_with('\n') {
                stderr.push('\n');
            }
            stderr.push_str(&reason);
            stderr.push('\n');
        }
        let output = match outcome {
            Outcome::Done | Outcome::Exit(_) => host.files.into_bundle(host.stdout).encode(),
            _ => Vec::new(),
        };
        let report = Report {
            outcome,
            output,
            fuel,
            stderr,
            memory_bytes: u64::try_from(memory_bytes).unwrap_or(u64::MAX),
            cpu_ms: cpu_ms().saturating_sub(started),
        };
        Ok((report, host.stream))
    }

    fn enter(&self, store: &mut Store<Host>, limits: &Limits) -> Result<(), Failure> {
        let entry = self.instantiate(store, limits).map_err(Failure::Instantiation)?;
        entry.call(&mut *store, ()).map_err(|error| match store.data().counter {
            Some(counter) => Failure::Run(counter.explained(store, error)),
            None => Failure::Run(error),
        })
    }

    /// An instance that is ready to run. What making it takes is not metered: it only copies what
    /// the module holds.
    fn instantiate(
        &self,
        store: &mut Store<Host>,
        limits: &Limits,
    ) -> wasmtime::Result<TypedFunc<(), ()>> {
        // An engine that counts, to compare with, counts this too.
        #[cfg(test)]
        store.set_fuel(u64::MAX).unwrap_or_default();
        let instance: Instance = self.instance.instantiate(&mut *store)?;
        store.data_mut().memory = instance.get_memory(&mut *store, "memory");
        let entry = instance.get_typed_func(&mut *store, self.entry.export())?;
        let counter = Counter::of(&mut *store, &instance, &self.counter)?;
        counter.set_left(&mut *store, fuel_max(limits))?;
        store.data_mut().counter = Some(counter);
        Ok(entry)
    }
}

/// How much a run may use; counters are signed.
fn fuel_max(limits: &Limits) -> u64 {
    limits.fuel.min(i64::MAX.unsigned_abs())
}

/// Where a run failed.
enum Failure {
    Instantiation(Error),
    Run(Error),
}

/// How a run ended, and for a trap the reason in words.
fn ending(result: &Result<(), Failure>, denied: Option<Denied>) -> (Outcome, Option<String>) {
    let error = match result {
        Ok(()) => return (Outcome::Done, None),
        Err(Failure::Instantiation(error) | Failure::Run(error)) => error,
    };
    let outcome = if let Some(ending) = error.downcast_ref::<Ending>() {
        ending.outcome()
    } else {
        match (error.downcast_ref::<Trap>(), denied) {
            (Some(Trap::OutOfFuel), _) => Outcome::FuelOut,
            (Some(Trap::StackOverflow), _) => Outcome::StackOut,
            (Some(_), _) => Outcome::Trap,
            // The initial memory does not fit the limit.
            (None, Some(denied)) => denied.outcome(),
            (None, None) => Outcome::AgentFault,
        }
    };
    let reason = match outcome {
        Outcome::Done | Outcome::Exit(_) => None,
        _ => Some(error.root_cause().to_string()),
    };
    match (outcome, denied) {
        // A program that was refused something and gave up ran out of it, however it says so.
        (Outcome::Exit(_) | Outcome::Trap, Some(denied)) => {
            (denied.outcome(), reason.or_else(|| Some(denied.in_words().into())))
        }
        _ => (outcome, reason),
    }
}

/// CPU time of this process, in milliseconds.
fn cpu_ms() -> u64 {
    let [own, kernel] = os::cpu_times().map(|time| time.as_millis());
    u64::try_from(own.saturating_add(kernel)).unwrap_or_default()
}
