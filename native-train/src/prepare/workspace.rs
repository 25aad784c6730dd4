//! `OUT.partial`: locked while a run is at work, and how far one that was interrupted had come.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::is_repeatable;
use super::spool::Mark;
use super::summary::{ClassCount, Summary};
use crate::fs::{sync_folder, try_lock, write_atomic};

/// By this file a folder is known as one that an interrupted run left behind; it is locked as long
/// as one is at work.
const LOCK: &str = "prepare.lock";

/// Whether a folder gets its name while its lock is there and open, so that an interruption leaves
/// a folder that is known as one of ours, or a whole one. Windows does not rename such a folder.
const LOCK_GOES_LAST: bool = cfg!(not(windows));

/// How far an interrupted run had come.
const PROGRESS: &str = "progress.json";

/// What is put aside between reading and writing.
pub(super) const SPOOL: &str = "spool";

/// `OUT.partial`, ours until it is finished, which gives it its name, or dropped, which removes it
/// unless there is progress from which a run can go on.
pub(super) struct Workspace {
    pub(super) folder: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
    is_finished: bool,
}

impl Workspace {
    /// Makes the folder. To resume what was `asked` for it also tells how far an interrupted run
    /// had come.
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
        // Without PROGRESS nothing of what an interrupted run left behind is used.
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

    /// Says of an error how to go on, if there is progress to go on from. Of the folder only that
    /// is kept.
    pub(super) fn give_up(self, error: Error) -> Error {
        if !self.folder.join(PROGRESS).exists() {
            return error;
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in
            entries.filter(|entry| [PROGRESS, SPOOL, LOCK].iter().all(|&name| entry.file_name() != name))
        {
            // There is an error to tell already, and the next run writes over it.
            let _ = fs::remove_file(entry.path());
        }
        anyhow!(
            "{error:#}\nWhat was read before is kept in {}; the same command goes on from there with --resume",
            self.folder.display()
        )
    }

    pub(super) fn finish(mut self, out: &Path) -> Result<()> {
        let shown = out.display();
        // Without the first nothing of the others is used.
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
            // Known to be empty. If it is no longer, this fails.
            fs::remove_dir(out).with_context(|| format!("{shown}: cannot be replaced"))?;
        }
        fs::rename(&self.folder, out).with_context(|| format!("{shown}: cannot be given its name"))?;
        self.is_finished = true;
        remove_lock(out);
        out.parent().map_or(Ok(()), sync_folder)
    }
}

/// Removes the lock of a folder that is finished; an interruption may have left it there.
pub(super) fn remove_lock(out: &Path) {
    // An empty file does no harm, and the next run tries again.
    let _ = fs::remove_file(out.join(LOCK));
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !self.is_finished && !self.folder.join(PROGRESS).exists() {
            // There is an error to tell already; what stays the next run removes.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// How far a run has come: what is needed besides the files of the workspace.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) asked: Value,
    pub(super) n_files: usize,
    pub(super) n_candidates: u64,
    pub(super) summary: Summary,
    /// By class, drawings that are certainly no duplicates, and no more than the class may have.
    pub(super) certain: Vec<ClassCount>,
    pub(super) spool: Mark,
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
        // What has not been read yet may have been mended meanwhile.
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

    /// Writes it in one step: an interruption leaves the one before.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_atomic(&folder.join(PROGRESS), serde_json::to_string(self)?.as_bytes())
    }
}
