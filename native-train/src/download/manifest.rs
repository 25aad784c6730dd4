//! `download.json`: the record of the files of a folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The contents of `download.json`.
pub(super) const MANIFEST: &str = "download.json";

/// A finished file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) url: String,
    pub(super) bytes: u64,
    /// Whether it is the complete file of the server.
    pub(super) whole: bool,
    /// The number of drawings, where it was limited.
    pub(super) drawings: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) md5: Option<String>,
}

/// Files by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) files: BTreeMap<String, Entry>,
}
