//! The host that guests see: WASI preview 1, with nothing behind it but memory.
//!
//! Every call is a plain function on a [`Call`]: the guest's memory on one side, the [`Host`] on
//! the other. [`link`] wraps them all the same way, so that each is charged by the meter and no
//! pointer of a guest can reach outside its memory. The answers depend on the task alone.

mod fd;
mod guest;
mod path;
mod process;
mod stream;
mod table;

use wasmtime::{Caller, Error, Memory};

use crate::files::Files;
use crate::meter::{self, Counter};
use crate::stop::{Stop, Sys};
use crate::task::Task;
use crate::wasi::fd::Descriptors;
use crate::wasi::guest::Guest;
use crate::wasi::process::{Clock, Random, Tail};

pub(crate) use stream::Stream;
pub(crate) use table::link;

/// Everything behind the host calls of one run.
#[derive(Debug)]
pub(crate) struct Host {
    /// The guest's exported memory; known after instantiation.
    pub(crate) memory: Option<Memory>,
    /// What host calls are charged to; known after instantiation.
    pub(crate) counter: Option<Counter>,
    pub(crate) gauge: crate::gauge::Gauge,
    pub(crate) files: Files,
    pub(crate) stdout: Vec<u8>,
    /// What a live guest has instead of the task's standard input and of `stdout`.
    pub(crate) stream: Option<Stream>,
    /// What the run may use.
    fuel: u64,
    pub(crate) stderr: Tail,
    descriptors: Descriptors,
    args: Vec<String>,
    env: Vec<String>,
    clock: Clock,
    random: Random,
}

impl Host {
    /// A host for one run.
    ///
    /// # Errors
    /// Says what of the task cannot be shown to a guest.
    pub(crate) fn new(task: Task) -> Result<Self, String> {
        let mut args = vec!["guest".to_owned()];
        args.extend(task.args);
        let env: Vec<String> =
            task.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if args.iter().chain(&env).any(|text| text.contains('\0')) {
            return Err("arguments and environment cannot hold a NUL character".into());
        }
        let mut files = Files::new(task.files, task.limits.output_bytes)?;
        let stdin = files.add_nameless(task.stdin);
        Ok(Self {
            memory: None,
            counter: None,
            gauge: crate::gauge::Gauge::new(task.limits.memory_bytes),
            descriptors: Descriptors::new(stdin),
            files,
            stdout: Vec::new(),
            stream: None,
            fuel: task.limits.fuel,
            stderr: Tail::new(task.limits.stderr_bytes),
            args,
            env,
            clock: Clock::new(task.clock_ms),
            random: Random::new(task.seed),
        })
    }

    /// The same for a live guest, which talks through this.
    pub(crate) fn with_stream(mut self, stream: Option<Stream>) -> Self {
        if stream.is_some() {
            self.descriptors.listen();
        }
        self.stream = stream;
        self
    }
}

/// One host call under way.
struct Call<'a> {
    guest: Guest<'a>,
    host: &'a mut Host,
    /// Bytes moved in or out of the guest.
    moved: u64,
    /// Fuel beside that for the call and the bytes.
    extra: u64,
}

impl Call<'_> {
    fn moves(&mut self, bytes: u64) {
        self.moved = self.moved.saturating_add(bytes);
    }

    fn charge(&mut self, fuel: u64) {
        self.extra = self.extra.saturating_add(fuel);
    }
}

/// Runs one host call and charges it, successful or not.
fn enter(
    mut caller: Caller<'_, Host>,
    function: impl FnOnce(&mut Call<'_>) -> Sys<()>,
) -> wasmtime::Result<i32> {
    let memory = caller.data().memory;
    let (guest, host) = match memory {
        Some(memory) => memory.data_and_store_mut(&mut caller),
        None => (Default::default(), caller.data_mut()),
    };
    let mut call = Call { guest: Guest(guest), host, moved: 0, extra: 0 };
    let answer = function(&mut call);
    let cost = meter::host_call(call.moved).saturating_add(call.extra);
    let counter = caller.data().counter.ok_or_else(|| Error::msg("the run is not metered"))?;
    counter.spend(&mut caller, cost)?;
    if caller.data().stream.as_ref().is_some_and(Stream::is_due) {
        let left = counter.left(&mut caller)?;
        let host = caller.data_mut();
        let used = host.fuel.min(i64::MAX.unsigned_abs()).saturating_sub(left);
        host.stream.as_mut().map_or(Ok(()), |stream| stream.send(used)).map_err(Error::new)?;
    }
    match answer {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(errno.code()),
        Err(Stop::End(ending)) => Err(Error::new(ending)),
    }
}

fn len64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use medusa_types::{Limits, Sha256Hash};
    use wasmtime::{Global, GlobalType, Memory, MemoryType, Mutability, Store, Val, ValType};

    use super::{Host, link};
    use crate::imports::{FUNCTIONS, MODULE};
    use crate::task::Task;
    use crate::{engine, files::View, meter::Counter};

    /// Every host function with thousands of argument lists, made of the values at which
    /// arithmetic goes wrong and of small ones that mean something.
    #[test]
    fn no_arguments_can_make_the_host_panic() {
        let engine = engine::engine(false).expect("an engine");
        let linker = link(&engine).expect("a linker");
        let edges = [0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 100, 65_500, 65_535, 65_536, u32::MAX];
        let mut given = task();
        given.limits.output_bytes = 10_000;
        given.files = vec![("in/a".into(), vec![1; 100]), ("data/b/c".into(), vec![2; 100])];
        let mut answers = std::collections::BTreeMap::<String, u32>::new();
        let fresh = || {
            let mut store = Store::new(&engine, Host::new(given.clone()).expect("a host"));
            let memory = Memory::new(&mut store, MemoryType::new(1, None)).expect("a memory");
            // Paths, at two of the places that arguments point at.
            memory.data_mut(&mut store)[64..68].copy_from_slice(b"a/b/");
            memory.data_mut(&mut store)[100..104].copy_from_slice(b"../.");
            store.data_mut().memory = Some(memory);
            let counter = GlobalType::new(ValType::I64, Mutability::Var);
            let counter = Global::new(&mut store, counter, Val::I64(i64::MIN));
            store.data_mut().counter = Some(Counter::Module(counter.expect("a counter")));
            store
        };
        let mut store = fresh();
        for round in 0..2_000_u32 {
            for (number, (name, parameters, returns)) in FUNCTIONS.iter().enumerate() {
                let noise = Sha256Hash::of(format!("{round} {number}").as_bytes()).0;
                let argument = |(letter, byte): (char, u8)| {
                    let edge = edges[usize::from(byte) % edges.len()];
                    let long = if byte > 200 { u64::MAX } else { u64::from(edge) };
                    let long = Val::I64(long.cast_signed());
                    if letter == 'I' { long } else { Val::I32(edge.cast_signed()) }
                };
                let arguments: Vec<Val> = parameters.chars().zip(noise).map(argument).collect();
                let mut results = vec![Val::I32(0); usize::from(*returns)];
                let item = linker.get(&mut store, MODULE, name).expect("it is defined");
                let function = item.into_func().expect("a function");
                let answer = match function.call(&mut store, &arguments, &mut results) {
                    Ok(()) => results.first().and_then(Val::i32).unwrap_or(0).to_string(),
                    Err(error) => {
                        store = fresh();
                        error.root_cause().to_string()
                    }
                };
                *answers.entry(answer).or_default() += 1;
            }
            if round % 16 == 15 {
                store = fresh();
            }
        }
        for answer in ["0", "8", "21", "28", "44", "58"] {
            assert!(answers.get(answer).is_some_and(|count| *count > 10), "{answers:?}");
        }
    }

    #[test]
    fn the_four_directories_are_open_from_the_start() {
        let host = Host::new(task()).expect("a host");
        for (fd, view) in (3..).zip(View::ALL) {
            assert_eq!(host.descriptors.get(fd).map(|d| d.view), Ok(view));
        }
        assert!(host.descriptors.get(7).is_err());
    }

    pub(super) fn task() -> Task {
        Task::empty(Limits {
            fuel: 1_000_000,
            memory_bytes: 1 << 20,
            output_bytes: 1 << 20,
            stderr_bytes: 1 << 10,
            wall_ms: 1_000,
        })
    }
}
