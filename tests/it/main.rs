//! End-to-end tests: the real binary, over HTTP, as its users meet it; and properties over all that is registered.

mod every;
mod faults;
mod golden;
mod launch;
mod simulation;
