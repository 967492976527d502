//! The rules of the house as tests: who may depend on whom, where SQL and HTTP may stand, how long
//! a file may be, which error codes have a page.
//!
//! There is nothing here but tests. They read the tree as text and ask cargo for the manifests, so
//! that they build in a second and run before everything else. Each rule is a plain function with
//! a test that shows it refusing something.

#[cfg(test)]
mod edges;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod files;
#[cfg(test)]
mod links;
#[cfg(test)]
mod tree;
