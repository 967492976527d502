//! medusa-server

fn main() {}
