//! `download.json`: what the files of a folder are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is written of each folder.
pub(super) const MANIFEST: &str = "download.json";

/// What is known of a finished file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) url: String,
    pub(super) bytes: u64,
    /// Whether it is all that the server has.
    pub(super) whole: bool,
    /// How many drawings it has, where that was limited.
    pub(super) drawings: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) md5: Option<String>,
}

/// Files by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) files: BTreeMap<String, Entry>,
}
