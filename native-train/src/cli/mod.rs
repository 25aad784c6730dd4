//! The commands: a file has the flags of one, their help, and what it does.
//!
//! Where a command computes, its backend is chosen here and nowhere else in this crate.

mod augment;
mod augmentation;
mod average;
mod bench;
mod calibrate;
mod classes;
mod compute;
mod download;
mod eval;
mod export;
mod label;
mod predict;
mod prepare;
mod preset;
mod show;
mod stats;
mod train;
pub mod weighted;

use std::io::{self, Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

pub use crate::tell::is_closed_pipe;

/// Trains recognisers of Quick, Draw! drawings and tries them out.
///
/// Without a command it trains on drawings that it makes itself, which takes a minute or two and
/// needs nothing.
#[derive(Debug, Parser)]
#[command(name = "native-train", version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a recogniser on drawings in any published format, or on built-in ones
    Train(Box<train::Args>),
    /// Measure a model on drawings
    Eval(eval::Args),
    /// Calibrate a model's probabilities on drawings it was not trained on, and write temperature
    /// and threshold into its model.json
    Calibrate(calibrate::Args),
    /// Recognise drawings: ndjson lines, or bare lists of strokes
    Predict(predict::Args),
    /// Write a model folder with smaller weights, to put into the browser, or an ONNX model
    Export(export::Args),
    /// Time training and inference on synthetic drawings
    Bench(bench::Args),
    /// Download the data set, or some of its categories; goes on where it was interrupted
    Download(download::Args),
    /// Statistics of files of drawings, and what looks wrong in them
    Stats(stats::Args),
    /// Convert drawings into shuffled shards to train and to evaluate on, as the tutorial's
    /// create_dataset.py does
    Prepare(prepare::Args),
    /// Draw one drawing of a file: in the terminal, as SVG or PNG
    Show(show::Args),
    /// Make augmented copies and combinations of drawings, as a file of lines
    Augment(Box<augment::Args>),
    /// Add the probabilities of teacher models to drawings, as soft labels
    Label(label::Args),
    /// Average the weights of several networks, or checkpoints of a run, into one model folder
    Average(average::Args),
}

/// Runs the command.
///
/// # Errors
/// Those of the command, with what and where.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        None => return train::run(&train::Args::default()),
        Some(Command::Train(args)) => return train::run(&args),
        Some(Command::Eval(args)) => eval::run(&args)?,
        Some(Command::Calibrate(args)) => calibrate::run(&args)?,
        Some(Command::Predict(args)) => predict::run(&args)?,
        Some(Command::Export(args)) => export::run(&args)?,
        Some(Command::Bench(args)) => bench::run(&args)?,
        Some(Command::Download(args)) => download::run(&args)?,
        Some(Command::Stats(args)) => stats::run(&args)?,
        Some(Command::Prepare(args)) => prepare::run(&args)?,
        Some(Command::Show(args)) => show::run(&args)?,
        Some(Command::Augment(args)) => tell_done(augment::run(&args)?)?,
        Some(Command::Label(args)) => tell_done(label::run(&args)?)?,
        Some(Command::Average(args)) => tell_done(average::run(&args)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a command has done.
fn tell_done(done: String) -> io::Result<()> {
    writeln!(stdout(), "{done}")
}
