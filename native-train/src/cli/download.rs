//! `download`: the data set's public files.

use std::io::{Write, stdout};
use std::num::NonZeroU64;
use std::path::PathBuf;

use anyhow::Result;

use crate::download;

/// Flags of `download`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Categories, as: cat "alarm clock"; without any all 345
    #[arg(value_name = "CLASS")]
    pub classes: Vec<String>,
    /// Folder that the files go into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Raw drawings with times instead of simplified ones; about eight times as large
    #[arg(long, conflicts_with = "binary")]
    pub raw: bool,
    /// Simplified drawings in the binary format, about a quarter as large
    #[arg(long)]
    pub binary: bool,
    /// Only the first so many drawings of each category
    #[arg(long, value_name = "N")]
    pub max_drawings_per_class: Option<NonZeroU64>,
    /// Parallel downloads
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub parallel: u8,
    /// Consecutive retries without progress before a file is given up
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub retries: u32,
    /// Where the folders simplified, raw and binary are: a mirror
    #[arg(long, value_name = "URL", default_value = download::BASE_URL)]
    pub base_url: String,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

impl Args {
    /// What the flags describe.
    pub fn options(&self) -> download::Options {
        download::Options {
            form: match (self.raw, self.binary) {
                (true, _) => download::Form::Raw,
                (_, true) => download::Form::Binary,
                _ => download::Form::Simplified,
            },
            base_url: self.base_url.clone(),
            max_drawings_per_class: self.max_drawings_per_class.map(NonZeroU64::get),
            n_parallel: self.parallel.into(),
            n_retries: self.retries,
            quiet: self.quiet,
            ..download::Options::new(self.out.clone())
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    let names = download::choose(&args.classes, &args.base_url)?;
    let report = download::download(&names, &args.options())?;
    Ok(writeln!(stdout(), "{}: {report}", args.out.display())?)
}
