//! `OUT.partial`: its lock, and the saved progress of an interrupted run.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::is_repeatable;
use super::spool::Checkpoint;
use super::summary::{ClassCount, Summary};
use crate::fs::{sync_folder, try_lock, write_atomic};

/// The lock file, held while a run writes to the folder. It also marks a folder that an interrupted
/// run left behind.
const LOCK: &str = "prepare.lock";

/// Whether the folder is renamed while its lock file is open, so that an interruption leaves either
/// a marked folder or a complete one. Windows does not rename a folder with an open file.
const LOCK_GOES_LAST: bool = cfg!(not(windows));

/// The saved progress of a run.
const PROGRESS: &str = "progress.json";

/// The spool file, between reading and writing.
pub(super) const SPOOL: &str = "spool";

/// `OUT.partial`, locked until it is finished, which renames it to `OUT`, or dropped, which removes
/// it unless there is progress to resume from.
pub(super) struct Workspace {
    pub(super) folder: PathBuf,
    /// Holds the lock while open.
    _lock: File,
    is_finished: bool,
}

impl Workspace {
    /// Creates and locks the folder. To resume the run that was `asked` for, also returns the saved
    /// progress.
    pub(super) fn claim(out: &Path, asked: Option<&Value>) -> Result<(Self, Progress)> {
        let mut name = out
            .file_name()
            .with_context(|| format!("{}: not the name of a folder", out.display()))?
            .to_owned();
        name.push(".partial");
        let folder = out.with_file_name(name);
        let shown = folder.display();
        let lock = folder.join(LOCK);
        if folder.exists() && !lock.exists() {
            let is_empty = fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
            ensure!(
                is_empty,
                "{shown}: the folder holds something else; it is needed to work in, so remove or rename it"
            );
        }
        fs::create_dir_all(&folder).with_context(|| format!("{shown}: cannot be made"))?;
        let Some(file) = try_lock(&lock)? else { bail!("{shown}: another run is at work there") };
        // Without saved progress nothing that an interrupted run left behind is used.
        let progress = match asked {
            Some(asked) => {
                ensure!(
                    is_repeatable(asked),
                    "--resume cannot read standard input again; files were expected"
                );
                Progress::read(&folder, asked)?
            }
            None => None,
        };
        for entry in fs::read_dir(&folder).with_context(|| format!("{shown}: cannot be listed"))? {
            let path = entry?.path();
            let is_used = progress.is_some() && [PROGRESS, SPOOL].iter().any(|name| path.ends_with(name));
            if path != lock && !is_used {
                fs::remove_file(&path).with_context(|| format!("{}: cannot be removed", path.display()))?;
            }
        }
        Ok((Self { folder, _lock: file, is_finished: false }, progress.unwrap_or_default()))
    }

    /// Adds to an error how to resume, if there is saved progress, and removes everything else from
    /// the folder.
    pub(super) fn give_up(self, error: Error) -> Error {
        if !self.folder.join(PROGRESS).exists() {
            return error;
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in
            entries.filter(|entry| [PROGRESS, SPOOL, LOCK].iter().all(|&name| entry.file_name() != name))
        {
            // The first error is the one to report; the next run overwrites the file.
            let _ = fs::remove_file(entry.path());
        }
        anyhow!(
            "{error:#}\nWhat was read before is kept in {}; the same command goes on from there with --resume",
            self.folder.display()
        )
    }

    pub(super) fn finish(mut self, out: &Path) -> Result<()> {
        let shown = out.display();
        // Without the first of them the others are not used.
        let all = [PROGRESS, SPOOL, LOCK];
        for name in if LOCK_GOES_LAST { &all[..2] } else { &all[..] } {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{shown}: cannot be finished"));
                }
                _ => {}
            }
        }
        sync_folder(&self.folder)?;
        if out.exists() {
            // It was empty. If that has changed, this fails.
            fs::remove_dir(out).with_context(|| format!("{shown}: cannot be replaced"))?;
        }
        fs::rename(&self.folder, out).with_context(|| format!("{shown}: cannot be given its name"))?;
        self.is_finished = true;
        remove_lock(out);
        out.parent().map_or(Ok(()), sync_folder)
    }
}

/// Removes the lock file that an interruption may have left in a complete folder.
pub(super) fn remove_lock(out: &Path) {
    // An empty file is harmless, and the next run tries again.
    let _ = fs::remove_file(out.join(LOCK));
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !self.is_finished && !self.folder.join(PROGRESS).exists() {
            // The first error is the one to report; the next run removes what is left.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The state of a run, besides the spool file.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) asked: Value,
    pub(super) n_files: usize,
    pub(super) n_candidates: u64,
    pub(super) summary: Summary,
    /// By class: accepted drawings that certainly are no duplicates, up to the limits of the class.
    pub(super) certain: Vec<ClassCount>,
    pub(super) spool: Checkpoint,
}

impl Progress {
    pub(super) fn read(folder: &Path, asked: &Value) -> Result<Option<Self>> {
        let path = folder.join(PROGRESS);
        let shown = path.display();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("{shown}: cannot be read"))?,
        };
        let way_out = "resume with the same ones, or start from the beginning without --resume";
        let found: Self =
            serde_json::from_str(&text).with_context(|| format!("{shown}: damaged; {way_out}"))?;
        // Files that were not read yet may have changed meanwhile.
        let read = |asked: &Value| {
            asked["inputs"].as_array().and_then(|all| all.get(..found.n_files)).map(<[_]>::to_vec)
        };
        ensure!(
            found.asked["options"] == asked["options"]
                && read(&found.asked) == read(asked)
                && read(asked).is_some(),
            "{shown}: the interrupted run had other options or other files; {way_out}"
        );
        Ok(Some(found))
    }

    /// Saves it atomically.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_atomic(&folder.join(PROGRESS), serde_json::to_string(self)?.as_bytes())
    }
}
