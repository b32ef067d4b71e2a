//! The binary `mewayz`: a subcommand for each role and each job.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    api::cli::run(api::cli::Cli::parse())
}
