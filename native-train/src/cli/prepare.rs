//! `prepare`: drawings in any format to shuffled shards.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::classes::read_classes;
use crate::device::start_threads;
use crate::prepare;

/// Flags of `prepare`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Files, folders, patterns as 'data/*.npz', or - for standard input; in any supported format
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder to write; it must not hold anything else
    #[arg(long, visible_alias = "output-path", value_name = "DIR")]
    pub out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub format: prepare::Format,
    /// At most this many drawings of each category to train on
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub train_observations_per_class: usize,
    /// At most this many drawings of each category to evaluate on; their fraction of both is held
    /// out, by a hash of key_id, or with --keep-duplicates of the strokes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub eval_observations_per_class: usize,
    /// Number of shards of each of the two parts
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub output_shards: usize,
    /// Random seed of the order; the split does not depend on it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only these categories, and numbered in this order: a file with one a line, or names as
    /// cat,dog [default: all, sorted]
    #[arg(long, value_name = "FILE|NAME,..")]
    pub classes: Option<String>,
    /// Only drawings from these countries, as KR,US
    #[arg(long, value_name = "CODE,..", value_delimiter = ',')]
    pub countries: Option<Vec<String>>,
    /// Only drawings that the game recognised
    #[arg(long)]
    pub recognized_only: bool,
    /// At most this many drawings of each category, the first ones, in both parts together
    #[arg(long, value_name = "N")]
    pub max_per_class: Option<usize>,
    /// Keep duplicates: drawings whose strokes or key_id their category already has
    #[arg(long)]
    pub keep_duplicates: bool,
    /// Stop at the first bad line
    #[arg(long)]
    pub strict: bool,
    /// Go on where a run with the same flags and files was interrupted or ended by an error
    #[arg(long)]
    pub resume: bool,
    /// Processor threads to read and write with; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// No progress display
    #[arg(long, short)]
    pub quiet: bool,
}

impl Args {
    /// What the flags describe, if `classes` is what --classes says.
    pub fn options(&self, classes: Option<Vec<String>>) -> prepare::Options {
        prepare::Options {
            format: self.format,
            train_observations_per_class: self.train_observations_per_class,
            eval_observations_per_class: self.eval_observations_per_class,
            output_shards: self.output_shards,
            seed: self.seed,
            classes,
            countries: self.countries.as_ref().map(|codes| codes.iter().cloned().collect()),
            recognized_only: self.recognized_only,
            max_per_class: self.max_per_class,
            keep_duplicates: self.keep_duplicates,
            strict: self.strict,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<()> {
    let classes = match &args.classes {
        Some(text) if Path::new(text).is_file() => Some(read_classes(Path::new(text))?),
        Some(text) => Some(text.split(',').map(|name| name.trim().to_owned()).collect()),
        None => None,
    };
    start_threads(args.threads)?;
    without_huge_pages();
    let prepare = if args.resume { prepare::resume } else { prepare::prepare };
    let summary = prepare(&args.inputs, &args.out, &args.options(classes), args.quiet)?;
    Ok(writeln!(stdout(), "{}: {summary}", args.out.display())?)
}

/// Asks the system for memory in small pages only. The allocator wants huge ones, which help
/// tensors; but of each that a few kilobytes are used of all two megabytes count, and which those
/// are differs from run to run.
fn without_huge_pages() {
    // Where that cannot be asked for, only more memory is used.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}
