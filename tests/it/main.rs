//! End-to-end tests: the real binary, over HTTP, as its users meet it.

mod bad_input;
mod commands;
mod demo;
mod faults;
mod launch;
mod runs;
mod service;
mod steps;
mod workflows;
