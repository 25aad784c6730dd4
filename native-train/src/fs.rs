//! Atomic file writes, and lock files for folders in which one process at a time may work.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file atomically: a temporary file is written, synced and renamed.
///
/// # Errors
/// When the disk is full or the folder cannot be written.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_all_atomic(&[(path, bytes)])
}

/// Writes files that belong together as [`write_atomic`]: all are on disk before the first is
/// renamed, so that only an interruption between two renames leaves a new one beside an old one.
///
/// # Errors
/// When the disk is full or the folder cannot be written.
pub(crate) fn write_all_atomic(files: &[(&Path, &[u8])]) -> Result<()> {
    let partial = |path: &Path| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        path.with_file_name(name)
    };
    for (path, bytes) in files {
        write_synced(&partial(path), bytes)?;
    }
    for (path, _) in files {
        fs::rename(partial(path), path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut folders: Vec<&Path> = files.iter().filter_map(|(path, _)| path.parent()).collect();
    folders.dedup();
    folders.into_iter().try_for_each(sync_folder)
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let sync = || File::open(folder)?.sync_all();
    sync().with_context(|| format!("cannot sync the folder {}", folder.display()))
}

#[cfg(not(unix))]
pub(crate) fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}

/// Locks a lock file, created if missing, until the returned file is closed, at the latest when the
/// process ends. `None` if another process holds the lock.
///
/// # Errors
/// When the file cannot be written or locked. A file system without locks is not an error.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.with_context(|| format!("{}: cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(Some(file)),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{}: cannot be locked", path.display()))
        }
    }
}
