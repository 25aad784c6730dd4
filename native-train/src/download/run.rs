//! Downloads files in parallel.

use std::fs;
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::fetch::{Downloader, Report};
use super::http::agent;
use super::manifest::{MANIFEST, Manifest};
use super::options::Options;
use crate::fs::try_lock;
use crate::sync::locked;

/// Downloads the files of categories.
///
/// # Errors
/// When the folder cannot be used; at the end when files are unavailable, with the reason for each.
pub fn download(names: &[String], options: &Options) -> Result<Report> {
    let out = options.out.display();
    ensure!(options.n_parallel > 0, "0 files at a time; at least 1 was expected");
    ensure!(options.range_bytes > 0, "0 bytes at once; at least 1 was expected");
    ensure!(
        options.max_drawings_per_class != Some(0),
        "0 drawings of each category; at least 1 was expected"
    );
    fs::create_dir_all(&options.out).with_context(|| format!("cannot make {out}"))?;
    let Some(_lock) = try_lock(&options.out.join(".download.lock"))? else {
        bail!("{out}: another download into this folder is running");
    };
    let manifest_path = options.out.join(MANIFEST);
    let manifest = match fs::read(&manifest_path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{}: this is not what a download wrote", manifest_path.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Manifest::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", manifest_path.display())),
    };
    let downloader = Downloader {
        options,
        agent: agent(options),
        manifest: Mutex::new(manifest),
        hold_until: Mutex::new(None),
        stop: AtomicBool::new(false),
        bar: bar(options),
        n_files: names.len(),
        n_done: AtomicUsize::new(0),
    };
    let next = AtomicUsize::new(0);
    let report = Mutex::new(Report::default());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..options.n_parallel.min(names.len()) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed))
                    && !downloader.stop.load(Ordering::Relaxed)
                {
                    match downloader.file(name) {
                        Ok(done) => {
                            let mut report = locked(&report);
                            report.n_fetched += done.n_fetched;
                            report.n_resumed += done.n_resumed;
                            report.n_present += done.n_present;
                            report.n_bytes += done.n_bytes;
                        }
                        Err(error) => locked(&failures).push((name.as_str(), error)),
                    }
                }
            });
        }
    });
    downloader.bar.finish_and_clear();
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(name, _)| *name);
    match failures.as_slice() {
        [] => Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner)),
        failures => {
            let texts: Vec<String> =
                failures.iter().map(|(name, error)| format!("\n  {name}: {error:#}")).collect();
            bail!(
                "{} of {} files could not be downloaded; the same command goes on with them:{}",
                failures.len(),
                names.len(),
                texts.concat()
            )
        }
    }
}

fn bar(options: &Options) -> ProgressBar {
    if options.quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {msg}, {bytes}/{total_bytes}, {bytes_per_sec}")
    {
        bar.set_style(style);
    }
    bar
}
