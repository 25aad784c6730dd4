//! File names: category, format, shard.

use std::path::Path;

/// The name of standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// The stem of the name of a file of drawings: `cat` of `cat.ndjson.gz` and
/// `sketchrnn_cat.full.npz`, `training` of `training.tfrecord-00003-of-00010`. `None` for other
/// names.
pub(crate) fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if name.starts_with('.') {
        return None;
    }
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    if let Some(name) = name.strip_suffix(".npz") {
        let name = name.strip_suffix(".full").unwrap_or(name);
        return Some(name.strip_prefix("sketchrnn_").unwrap_or(name).to_owned());
    }
    if let Some(name) = without_shard(name).strip_suffix(".tfrecord") {
        return Some(name.to_owned());
    }
    ["ndjson", "jsonl", "csv", "bin", "tar", "tgz"]
        .into_iter()
        .find_map(|extension| name.strip_suffix(extension)?.strip_suffix('.'))
        .map(str::to_owned)
}

/// `training.tfrecord` of `training.tfrecord-00003-of-00010`.
fn without_shard(name: &str) -> &str {
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once("-of-") {
        Some((rest, n)) if is_number(n) => match rest.rsplit_once('-') {
            Some((rest, index)) if is_number(index) => rest,
            _ => name,
        },
        _ => name,
    }
}

/// Whether a file is one of several shards, of which some may be empty.
pub(crate) fn is_shard(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let name = name.strip_suffix(".ndjson").unwrap_or(name);
    without_shard(name) != name
}

/// The file with the class names of a file of TFRecords, `training.tfrecord.classes`; `None` for
/// other files.
pub(crate) fn classes_file(name: &str) -> Option<String> {
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let name = without_shard(name);
    name.ends_with(".tfrecord").then(|| format!("{name}.classes"))
}
