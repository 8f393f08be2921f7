//! End-to-end tests: the real binary, over HTTP, as its users meet it.

mod faults;
mod launch;
