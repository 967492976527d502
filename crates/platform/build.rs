//! The migrations are embedded: a new file must build this package again.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
