//! `stats`: statistics of files of drawings.

use std::io::{Write, stdout};
use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::device::start_threads;
use crate::stats;
use crate::tell::tell;

/// Flags of `stats`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folders or files of drawings
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write histograms, tables and a sheet of drawings of each category into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Drawings of a sheet
    #[arg(long, value_name = "N", default_value_t = 36, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub samples_per_class: u16,
    /// Processor threads to read with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    start_threads(args.threads)?;
    let options = stats::Options {
        samples_per_class: args.out.as_ref().map_or(0, |_| args.samples_per_class.into()),
        quiet: args.quiet,
        ..stats::Options::default()
    };
    let found = stats::read(stats::files_of(&args.paths)?, options)?;
    if let Some(folder) = &args.out {
        found.write(folder)?;
        tell!("pictures and tables: {}", folder.display());
    }
    let summary = found.summary();
    let mut stdout = stdout().lock();
    if args.json {
        writeln!(stdout, "{}", serde_json::to_string(&summary)?)?;
    } else {
        stats::print(&summary, &mut stdout)?;
    }
    let n = found.n_unreadable();
    ensure!(n == 0, "{n} of {} files could not be read to their ends", summary.files);
    Ok(())
}
