//! The agent from outside: a real link, real worker processes, a real page.

// Clippy knows the helpers of tests by the attribute.
#[cfg(test)]
mod page;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod support;
#[cfg(test)]
mod work;
