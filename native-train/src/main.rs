//! The program `native-train`.

use std::process::ExitCode;

use clap::Parser;
use native_train::{cli::Cli, run};

/// Keeps the memory of tensors that are freed; the system's would be fetched and zeroed anew at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // A reader that has seen enough, as `head` does, is no error of ours.
            let closed = error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
            if !closed {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
