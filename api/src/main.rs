//! The `promptsales` binary.

use std::process::ExitCode;

use clap::Parser;
use promptsales_api::cli::{self, Cli};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
