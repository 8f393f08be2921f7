//! End-to-end tests: the real binary, over HTTP, as its users meet it; and properties over all that is registered.

mod bad_input;
mod bench;
mod cluster;
mod commands;
mod demo;
mod events;
mod every;
mod faults;
mod golden;
mod history;
mod journal;
mod language;
mod launch;
mod life;
mod pressure;
mod runs;
mod service;
mod set_aside;
mod simulation;
mod steps;
mod stream;
mod tasks;
mod top;
mod transfer;
mod versions;
mod workflows;
