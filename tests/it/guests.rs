//! The committed guest programs are what their sources compile to.

use std::process::Command;

use crate::harness::checkout;

/// What `build.sh` ends with when there is no compiler.
const NO_COMPILER: i32 = 3;

#[test]
fn every_example_is_what_its_source_compiles_to() {
    let script = checkout().join("examples/build.sh");
    let output = Command::new(script).arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NO_COMPILER) {
        eprintln!("LEFT OUT: the guest programs are not rebuilt here: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
}
