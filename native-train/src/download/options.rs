//! What to download, and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::categories;

/// Where the data set's authors publish it.
pub const BASE_URL: &str = "https://storage.googleapis.com/quickdraw_dataset/full";

/// A published form of the data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Lines of JSON in the simplified form.
    #[default]
    Simplified,
    /// Lines of JSON with the raw drawings and times.
    Raw,
    /// The simplified form in binary.
    Binary,
}

impl Form {
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Simplified => "simplified",
            Self::Raw => "raw",
            Self::Binary => "binary",
        }
    }

    pub(super) fn extension(self) -> &'static str {
        if self == Self::Binary { "bin" } else { "ndjson" }
    }

    /// About how many bytes a drawing has, for the size of the first range.
    pub(super) fn bytes_per_drawing(self) -> u64 {
        match self {
            Self::Simplified => 600,
            Self::Raw => 6000,
            Self::Binary => 160,
        }
    }
}

/// What waits between attempts.
pub type Wait = Arc<dyn Fn(Duration) + Send + Sync>;

/// What to download, and how.
#[derive(Clone)]
pub struct Options {
    /// The output folder.
    pub out: PathBuf,
    /// Their form.
    pub form: Form,
    /// Where the folders of the forms are.
    pub base_url: String,
    /// The most drawings of each category, from the start of its file.
    pub max_drawings_per_class: Option<u64>,
    /// Number of concurrent downloads.
    pub n_parallel: usize,
    /// Number of consecutive retries without progress before a file is given up.
    pub n_retries: u32,
    /// About how long to wait before the first retry; twice as long before each further one, up to
    /// a minute.
    pub first_wait: Duration,
    /// The longest `Retry-After` that is respected.
    pub longest_wait: Duration,
    /// The largest range.
    pub range_bytes: u64,
    /// The largest file; the files of the data set are far smaller.
    pub max_file_bytes: u64,
    /// The minimum throughput, in bytes per second.
    pub min_bytes_per_s: u64,
    /// How long a server may be silent.
    pub timeout: Duration,
    /// Whether to use the proxy of the environment.
    pub proxy_from_environment: bool,
    /// Whether to hide the progress display.
    pub quiet: bool,
    /// What waits, usually [`std::thread::sleep`].
    pub wait: Wait,
}

impl Options {
    /// The defaults, for the output folder `out`.
    pub fn new(out: PathBuf) -> Self {
        Self {
            out,
            form: Form::Simplified,
            base_url: BASE_URL.to_owned(),
            max_drawings_per_class: None,
            n_parallel: 4,
            n_retries: 6,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(600),
            range_bytes: 32 << 20,
            max_file_bytes: 16 << 30,
            min_bytes_per_s: 256,
            timeout: Duration::from_secs(60),
            proxy_from_environment: true,
            quiet: false,
            wait: Arc::new(std::thread::sleep),
        }
    }
}

/// Checks the names of categories and removes duplicates; none mean all categories.
///
/// # Errors
/// A name that is no category, unless the files come from elsewhere, where there may be others, and
/// none that could be the name of a file.
pub fn choose(names: &[String], base_url: &str) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(categories::names().map(str::to_owned).collect());
    }
    for name in names {
        let is_file_name = !name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.');
        ensure!(is_file_name, "{name:?} cannot be the name of a category");
        if base_url == BASE_URL && !categories::names().any(|category| category == name) {
            let lower = name.to_lowercase();
            let is_near = |category: &&str| {
                let category = category.to_lowercase();
                category.contains(&lower) || lower.contains(&category)
            };
            let near: Vec<&str> = categories::names().filter(is_near).take(5).collect();
            let hint =
                if near.is_empty() { String::new() } else { format!("; there is: {}", near.join(", ")) };
            bail!("{name:?} is none of the data set's 345 categories{hint}");
        }
    }
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    Ok(names)
}
