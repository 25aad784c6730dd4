//! The program `native-train`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use native_train::cli::{Cli, is_closed_pipe, run};

/// Keeps the memory of tensors that are freed; the system's allocator would request and zero it
/// again at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            if !is_closed_pipe(&error) {
                // Standard error may be closed.
                let _ = writeln!(std::io::stderr(), "error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
