//! A folder that goes away with its test, and the compiled programs in it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use medusa_sandbox::Modules;

/// A folder that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("medusa-sandbox-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn modules(&self) -> Modules {
        let exe = env!("CARGO_BIN_EXE_medusa-sandbox-worker");
        Modules::new(self.0.clone(), exe.into(), Vec::new())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}
