//! The agent from outside: a real link, real worker processes, a real page.

// Clippy knows the helpers of tests by the attribute.
#[cfg(test)]
mod afar;
#[cfg(test)]
mod busy;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod install;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod network;
#[cfg(test)]
mod page;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod seat;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod update;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod work;
