//! The counter of one run, seen from the host.
//!
//! It holds the fuel that is left as a negative number, and rises. What the guest's functions keep
//! in their locals is written here before they call the host and before they end.

use wasmtime::{AsContextMut, Error, Global, Instance, Module, Result, Trap, Val};

use super::OUT;
use super::rewrite::COUNTER;

/// Where the fuel of a run is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    /// In the module itself.
    Module(Global),
    /// By the engine, to compare with.
    #[cfg(test)]
    Engine,
}

impl Counter {
    /// The name of a compiled program's counter. It is the last of its exports: the guest's own
    /// come before, whatever they are called.
    pub(crate) fn name(module: &Module) -> Option<String> {
        let export = module.exports().last()?;
        let is_counter = export.name().starts_with(COUNTER)
            && export.ty().global().is_some_and(|ty| ty.content().is_i64());
        is_counter.then(|| export.name().to_owned())
    }

    /// The counter of an instance, by its name.
    pub(crate) fn of(
        mut store: impl AsContextMut,
        instance: &Instance,
        name: &str,
    ) -> Result<Self> {
        #[cfg(test)]
        if name.is_empty() {
            return Ok(Self::Engine);
        }
        let global = instance.get_global(&mut store, name);
        global.map(Self::Module).ok_or_else(|| Error::msg("the module has no counter"))
    }

    /// So much may be used from now on, at most 2^63 - 1.
    pub(crate) fn set_left(self, mut store: impl AsContextMut, fuel: u64) -> Result<()> {
        match self {
            Self::Module(global) => {
                let fuel = i64::try_from(fuel).unwrap_or(i64::MAX);
                global.set(&mut store, Val::I64(fuel.saturating_neg()))
            }
            #[cfg(test)]
            Self::Engine => store.as_context_mut().set_fuel(fuel),
        }
    }

    /// What is left.
    pub(crate) fn left(self, mut store: impl AsContextMut) -> Result<u64> {
        match self {
            Self::Module(global) => {
                let count = global.get(&mut store).i64().unwrap_or_default();
                // At its limit and past it, nothing is.
                Ok(count.min(0).unsigned_abs())
            }
            #[cfg(test)]
            Self::Engine => store.as_context_mut().get_fuel(),
        }
    }

    /// Takes this much.
    ///
    /// # Errors
    /// [`Trap::OutOfFuel`] when there is less; then nothing is left.
    pub(crate) fn spend(self, mut store: impl AsContextMut, fuel: u64) -> Result<()> {
        if let Some(left) = self.left(&mut store)?.checked_sub(fuel) {
            return self.set_left(store, left);
        }
        self.set_left(store, 0)?;
        Err(Trap::OutOfFuel.into())
    }

    /// The error of a call; tells a program that was stopped at its limit from one that trapped.
    pub(crate) fn explained(self, mut store: impl AsContextMut, error: Error) -> Error {
        match self {
            Self::Module(global) => {
                let is_out = matches!(global.get(&mut store), Val::I64(OUT));
                if is_out { Trap::OutOfFuel.into() } else { error }
            }
            #[cfg(test)]
            Self::Engine => error,
        }
    }
}
