//! The names of everything that is measured and traced.

pub mod names;
