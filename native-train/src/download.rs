//! Names of categories in, the data set's public files on the disk out.
//!
//! A file is asked for in ranges and grows under another name (`cat.ndjson.part`, and beside it what the server said of it), so that
//! a download goes on where it was interrupted: by the process or by the network. Each range is tied to the version of the file that the first
//! one came from (`If-Range`); when it changes in between, the download begins anew. Only when size and sums are those that
//! the server names does the file take its own name, and `download.json` says what it is. So a file of that name is whole, or as short as it
//! was asked to be.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::checkpoint::write_atomic;
use crate::lock::try_lock;
use crate::tell::tell;

/// Where the data set's authors publish it.
pub const BASE_URL: &str = "https://storage.googleapis.com/quickdraw_dataset/full";

/// Begun downloads that are thrown away, because the file changed or its sum was wrong, before one is given up.
const MAX_RESTARTS: u32 = 3;

/// Bytes read at once.
const BUFFER: usize = 1 << 16;

/// What is written of each folder.
const MANIFEST: &str = "download.json";

/// The names of the data set's 345 categories, sorted.
pub fn categories() -> impl Iterator<Item = &'static str> {
    include_str!("categories.txt").lines()
}

/// A published form of the data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Lines of JSON in the simplified form.
    #[default]
    Simplified,
    /// Lines of JSON as they were drawn, with times.
    Raw,
    /// The simplified form in few bytes.
    Binary,
}

impl Form {
    fn folder(self) -> &'static str {
        match self {
            Self::Simplified => "simplified",
            Self::Raw => "raw",
            Self::Binary => "binary",
        }
    }

    fn extension(self) -> &'static str {
        if self == Self::Binary { "bin" } else { "ndjson" }
    }

    /// About how many bytes a drawing has, for the first guess of how many to ask for.
    fn bytes_per_drawing(self) -> u64 {
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
    /// The folder that the files go into.
    pub out: PathBuf,
    /// Their form.
    pub form: Form,
    /// Where the folders of the forms are.
    pub base_url: String,
    /// Only the first so many drawings of each category.
    pub max_drawings_per_class: Option<u64>,
    /// Files that are downloaded at a time.
    pub n_parallel: usize,
    /// Attempts in a row without a single new byte, besides the first, before a file is given up.
    pub n_retries: u32,
    /// About how long to wait before the first of them; before each further one twice as long, up to a minute.
    pub first_wait: Duration,
    /// The longest time that a server may ask for.
    pub longest_wait: Duration,
    /// The most bytes asked for at once.
    pub range_bytes: u64,
    /// How long a server may say nothing.
    pub timeout: Duration,
    /// Whether the proxy that the environment names is used.
    pub proxy_from_environment: bool,
    /// No progress display.
    pub quiet: bool,
    /// What waits, usually [`std::thread::sleep`].
    pub wait: Wait,
}

impl Options {
    /// What is polite and usual, for files that go into `out`.
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
            timeout: Duration::from_secs(60),
            proxy_from_environment: true,
            quiet: false,
            wait: Arc::new(std::thread::sleep),
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that were downloaded.
    pub n_fetched: usize,
    /// Those of them that had been begun before.
    pub n_resumed: usize,
    /// Files that were there already.
    pub n_present: usize,
    /// Bytes of all these files.
    pub n_bytes: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.n_fetched + self.n_present;
        write!(f, "{n} {}, {}", if n == 1 { "file" } else { "files" }, HumanBytes(self.n_bytes))?;
        if self.n_resumed > 0 {
            write!(f, "; {} had been begun", self.n_resumed)?;
        }
        if self.n_present > 0 {
            write!(f, "; {} were there already", self.n_present)?;
        }
        Ok(())
    }
}

/// What is known of a finished file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    url: String,
    bytes: u64,
    /// Whether it is all that the server has.
    whole: bool,
    /// How many drawings it has, where that was limited.
    drawings: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
}

/// Files by their names.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Manifest {
    files: BTreeMap<String, Entry>,
}

/// What the server said of a file that has been begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Version {
    url: String,
    /// A strong ETag, or the time of the last change: what `If-Range` takes.
    validator: Option<String>,
    size: Option<u64>,
    md5: Option<String>,
    crc32c: Option<String>,
}

impl Version {
    fn of(url: &str, headers: &HeaderMap) -> Self {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let validator = match text(header::ETAG) {
            // A weak one says that two versions mean the same, not that their bytes are.
            Some(etag) if etag.starts_with("W/") => None,
            Some(etag) => Some(etag),
            None => text(header::LAST_MODIFIED),
        };
        let sum = |name: &str| {
            let values = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
            let mut sums =
                values.flat_map(|value| value.split(',')).filter_map(|sum| sum.trim().split_once('='));
            sums.find(|&(found, _)| found == name).map(|(_, sum)| sum.to_owned())
        };
        Self {
            url: url.to_owned(),
            validator: validator.map(str::to_owned),
            size: None,
            md5: sum("md5"),
            crc32c: sum("crc32c"),
        }
    }
}

/// Why an attempt did not end well.
enum Failure {
    /// It may the next time, after this long at least.
    Passing(Error, Option<Duration>),
    /// What has come so far is of no use.
    Stale(Error),
    /// This file cannot be had.
    File(Error),
    /// No file can be had.
    Everything(Error),
}

/// What an attempt led to.
enum Progress {
    More,
    Whole,
    /// As many drawings as were asked for, and there may be more.
    Enough,
}

/// Counts drawings in a stream of bytes.
struct Counter {
    form: Form,
    n: u64,
    /// Bytes of the drawing that has begun: of a binary one, up to where its next number has come.
    begun: Vec<u8>,
    /// Of a binary drawing: bytes to pass over, and strokes to come; none before its header.
    n_to_skip: u64,
    n_strokes: Option<u16>,
}

impl Counter {
    fn new(form: Form) -> Self {
        Self { form, n: 0, begun: Vec::new(), n_to_skip: 0, n_strokes: None }
    }

    /// Takes bytes until there are `limit` drawings, and says how many it took.
    fn take(&mut self, bytes: &[u8], limit: u64) -> usize {
        if self.form == Form::Binary {
            return self.take_binary(bytes, limit);
        }
        if self.n >= limit {
            return 0;
        }
        for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            self.n += 1;
            if self.n == limit {
                return index + 1;
            }
        }
        bytes.len()
    }

    fn take_binary(&mut self, bytes: &[u8], limit: u64) -> usize {
        /// Bytes before the strokes; the last two are their number.
        const HEADER: usize = 17;
        let mut at = 0;
        while self.n < limit && at < bytes.len() {
            if self.n_to_skip > 0 {
                let n = self.n_to_skip.min((bytes.len() - at) as u64);
                self.n_to_skip -= n;
                at += n as usize;
            } else {
                self.begun.push(bytes[at]);
                at += 1;
            }
            let needed = if self.n_strokes.is_none() { HEADER } else { 2 };
            if self.begun.len() == needed {
                let number = u16::from_le_bytes([self.begun[needed - 2], self.begun[needed - 1]]);
                self.begun.clear();
                match &mut self.n_strokes {
                    None => self.n_strokes = Some(number),
                    Some(n_strokes) => {
                        *n_strokes = n_strokes.saturating_sub(1);
                        self.n_to_skip = 2 * u64::from(number);
                    }
                }
            }
            if self.n_strokes == Some(0) && self.n_to_skip == 0 {
                self.n_strokes = None;
                self.n += 1;
            }
        }
        at
    }
}

/// A file that has been begun.
struct Part {
    path: PathBuf,
    version_path: PathBuf,
    file: File,
    len: u64,
    version: Option<Version>,
    counter: Counter,
    /// Whether ranges can be tied to a version; without that the file has to come in one answer.
    comes_in_ranges: bool,
    /// Bytes that the progress display knows of.
    announced: u64,
}

impl Part {
    /// Opens what is there of `target`; what cannot be gone on with is emptied.
    fn open(target: &Path, url: &str, options: &Options) -> Result<Self> {
        let named = |end: &str| {
            let mut name = target.file_name().unwrap_or_default().to_owned();
            name.push(end);
            target.with_file_name(name)
        };
        let (path, version_path) = (named(".part"), named(".part.json"));
        let shown = path.display();
        ensure!(
            !path.is_symlink(),
            "{shown} is a link, and what it leads to would be written over; remove it"
        );
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write {shown}"))?;
        let len = file.metadata().with_context(|| format!("cannot read {shown}"))?.len();
        let version =
            fs::read(&version_path).ok().and_then(|bytes| serde_json::from_slice::<Version>(&bytes).ok());
        let version = version.filter(|version| {
            version.url == url && version.validator.is_some() && version.size.is_none_or(|size| len <= size)
        });
        let counter = Counter::new(options.form);
        let mut part =
            Self { path, version_path, file, len, version, counter, comes_in_ranges: true, announced: 0 };
        if part.version.is_none() {
            part.empty()?;
        } else if let Some(limit) = options.max_drawings_per_class {
            part.count(limit)?;
        }
        Ok(part)
    }

    /// Counts what is there, and cuts off what is too much.
    fn count(&mut self, limit: u64) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut n_taken = 0;
        self.file.seek(SeekFrom::Start(0)).with_context(|| self.unreadable())?;
        loop {
            let n = self.file.read(&mut buffer).with_context(|| self.unreadable())?;
            let taken = self.counter.take(&buffer[..n], limit);
            n_taken += taken as u64;
            if n == 0 || taken < n {
                break;
            }
        }
        if n_taken < self.len {
            self.file.set_len(n_taken).with_context(|| self.unwritable())?;
            self.len = n_taken;
        }
        Ok(())
    }

    fn unreadable(&self) -> String {
        format!("cannot read {}", self.path.display())
    }

    fn unwritable(&self) -> String {
        format!("cannot write {}", self.path.display())
    }

    /// Begins anew.
    fn empty(&mut self) -> Result<()> {
        self.file.set_len(0).with_context(|| self.unwritable())?;
        self.len = 0;
        self.version = None;
        self.counter = Counter::new(self.counter.form);
        Ok(())
    }

    /// Notes the version that the bytes are of, before the first of them is written.
    fn set_version(&mut self, version: Version) -> Result<()> {
        if self.version.as_ref() != Some(&version) {
            write_atomic(&self.version_path, &serde_json::to_vec(&version)?)?;
            self.version = Some(version);
        }
        Ok(())
    }

    /// Appends what a limit leaves of the bytes, and says whether it was reached.
    fn append(&mut self, bytes: &[u8], limit: Option<u64>) -> Result<bool> {
        let n = limit.map_or(bytes.len(), |limit| self.counter.take(bytes, limit));
        self.file.seek(SeekFrom::Start(self.len)).with_context(|| self.unwritable())?;
        self.file.write_all(&bytes[..n]).with_context(|| self.unwritable())?;
        self.len += n as u64;
        Ok(limit == Some(self.counter.n))
    }

    /// The sums of the file, as the server writes them: CRC-32C and MD5.
    fn sums(&mut self) -> Result<(String, String)> {
        self.file.seek(SeekFrom::Start(0)).with_context(|| self.unreadable())?;
        let mut reader = BufReader::with_capacity(BUFFER, &self.file);
        let (mut crc, mut md5) = (0, md5::Context::new());
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = reader.read(&mut buffer).with_context(|| self.unreadable())?;
            if n == 0 {
                return Ok((base64(&u32::to_be_bytes(crc)), base64(&md5.finalize().0)));
            }
            crc = crc32c::crc32c_append(crc, &buffer[..n]);
            md5.consume(&buffer[..n]);
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().enumerate().fold(0_u32, |bits, (i, &byte)| bits | (u32::from(byte) << (16 - 8 * i)));
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            text.push(if is_padding {
                '='
            } else {
                char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63])
            });
        }
    }
    text
}

/// A name as a part of an address.
fn percent_encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text += &format!("%{byte:02X}");
        }
    }
    text
}

/// Where a range begins and ends, and how long the whole is: of `bytes 0-99/1000`.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    // As RFC 9110, 14.4, has it; and no length of a file is so large.
    (first <= last && last < whole.unwrap_or(u64::MAX)).then_some((first, last, whole))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// How long the server asks to wait: so many seconds, or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Checks names, and gives each once, in order; none are all.
///
/// # Errors
/// A name that is no category, unless the files come from elsewhere, where there may be others, and none that could be the name of a file.
pub fn choose(names: &[String], base_url: &str) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(categories().map(str::to_owned).collect());
    }
    for name in names {
        let is_file_name = !name.is_empty() && !name.contains(['/', '\\', '\0']) && !name.starts_with('.');
        ensure!(is_file_name, "{name:?} cannot be the name of a category");
        if base_url == BASE_URL && !categories().any(|category| category == name) {
            let lower = name.to_lowercase();
            let is_near = |category: &&str| {
                let category = category.to_lowercase();
                category.contains(&lower) || lower.contains(&category)
            };
            let near: Vec<&str> = categories().filter(is_near).take(5).collect();
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

/// Downloads the files of categories.
///
/// # Errors
/// When the folder cannot be used, and at the end when files could not be had, with the reason for each.
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

fn agent(options: &Options) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(options.timeout))
        .timeout_recv_response(Some(options.timeout))
        .timeout_per_read(Some(options.timeout))
        .timeout_per_write(Some(options.timeout))
        .max_idle_connections_per_host(options.n_parallel)
        // What is asked for is counted in bytes of the file.
        .accept_encoding("identity")
        .user_agent(concat!("quickdraw-rnn/", env!("CARGO_PKG_VERSION")));
    if !options.proxy_from_environment {
        config = config.proxy(None);
    }
    Agent::new_with_config(config.build())
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

/// What the threads share.
struct Downloader<'a> {
    options: &'a Options,
    agent: Agent,
    manifest: Mutex<Manifest>,
    /// No request before this: a server that is asked too often means all threads.
    hold_until: Mutex<Option<Instant>>,
    stop: AtomicBool,
    bar: ProgressBar,
    n_files: usize,
    n_done: AtomicUsize,
}

impl Downloader<'_> {
    /// Sees that the file of a category is there.
    fn file(&self, category: &str) -> Result<Report> {
        let form = self.options.form;
        let name = format!("{category}.{}", form.extension());
        let target = self.options.out.join(&name);
        let base = self.options.base_url.trim_end_matches('/');
        let url = format!("{base}/{}/{}.{}", form.folder(), percent_encoded(category), form.extension());
        if let Some(n_bytes) = self.present(&name, &target, &url)? {
            self.tell(&name, "was there already");
            return Ok(Report { n_present: 1, n_bytes, ..Report::default() });
        }
        let mut part = Part::open(&target, &url, self.options)?;
        let n_before = part.len;
        self.announce(&mut part);
        self.bar.inc(part.len);
        let whole = self.fetch(&url, &mut part)?;
        part.file.sync_all().with_context(|| part.unwritable())?;
        let entry = Entry {
            url,
            bytes: part.len,
            whole,
            drawings: self.options.max_drawings_per_class.map(|_| part.counter.n),
            md5: part.version.as_ref().filter(|_| whole).and_then(|version| version.md5.clone()),
        };
        if target.exists() {
            // A shorter one. Between the next two lines it would be at odds with what is noted of it.
            fs::remove_file(&target).with_context(|| format!("cannot replace {}", target.display()))?;
        }
        self.note(&name, entry)?;
        fs::rename(&part.path, &target).with_context(|| format!("cannot write {}", target.display()))?;
        // Without its file it is worthless, and nothing is lost if it stays.
        let _ = fs::remove_file(&part.version_path);
        self.tell(&name, &HumanBytes(part.len).to_string());
        Ok(Report { n_fetched: 1, n_resumed: usize::from(n_before > 0), n_present: 0, n_bytes: part.len })
    }

    /// Writes down what a file is, before it takes its name: a name without an entry is never ours.
    fn note(&self, name: &str, entry: Entry) -> Result<()> {
        let mut manifest = locked(&self.manifest);
        manifest.files.insert(name.to_owned(), entry);
        let bytes = serde_json::to_vec_pretty(&*manifest)?;
        write_atomic(&self.options.out.join(MANIFEST), &bytes)
    }

    /// The size of a file that is there and is what was asked for.
    fn present(&self, name: &str, target: &Path, url: &str) -> Result<Option<u64>> {
        let shown = target.display();
        let bytes = match fs::metadata(target) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        let manifest = locked(&self.manifest);
        let Some(entry) = manifest.files.get(name) else {
            bail!("{shown} is there, but no download wrote it; move it away, or choose another folder");
        };
        ensure!(
            entry.url == url,
            "{shown} was downloaded from {}; move it away, or choose another folder",
            entry.url
        );
        let limit = self.options.max_drawings_per_class;
        if !entry.whole && entry.drawings != limit {
            return Ok(None);
        }
        ensure!(
            entry.bytes == bytes,
            "{shown} has {bytes} bytes, and had {} when it was downloaded; remove it to download it anew",
            entry.bytes
        );
        Ok(Some(bytes))
    }

    /// Tells the progress display how much there will be: all of the file, or as much as there is where less is wanted.
    fn announce(&self, part: &mut Part) {
        let size = part.version.as_ref().and_then(|version| version.size);
        let size = size.filter(|_| self.options.max_drawings_per_class.is_none()).unwrap_or(part.len);
        self.bar.inc_length(size.saturating_sub(part.announced));
        part.announced = part.announced.max(size);
    }

    /// Counts a finished file.
    fn tell(&self, name: &str, what: &str) {
        let n = self.n_done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(format!("{n}/{} files", self.n_files));
        if !self.options.quiet && self.bar.is_hidden() {
            tell!("{n}/{}: {name}, {what}", self.n_files);
        }
    }

    /// Attempts until the file is there; says whether it is whole.
    fn fetch(&self, url: &str, part: &mut Part) -> Result<bool> {
        let (mut n_failed, mut n_restarts, mut furthest) = (0, 0, part.len);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                bail!("not tried any more");
            }
            let len = part.len;
            let wait = match self.attempt(url, part) {
                Ok(Progress::Whole) => return Ok(true),
                Ok(Progress::Enough) => return Ok(false),
                Ok(Progress::More) if part.len != len => {
                    furthest = furthest.max(part.len);
                    n_failed = 0;
                    continue;
                }
                // Nothing new: after so many answers of this kind it is given up.
                Ok(Progress::More) => {
                    n_failed += 1;
                    if n_failed > self.options.n_retries {
                        bail!("{url}: given up after {n_failed} answers that brought nothing");
                    }
                    None
                }
                Err(Failure::File(error)) => return Err(error),
                Err(Failure::Everything(error)) => {
                    self.stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                Err(Failure::Stale(error)) => {
                    n_restarts += 1;
                    if n_restarts > MAX_RESTARTS {
                        part.empty()?;
                        return Err(
                            error.context(format!("given up after {n_restarts} downloads from the start"))
                        );
                    }
                    self.bar.dec(part.len);
                    part.empty()?;
                    None
                }
                Err(Failure::Passing(error, wait)) => {
                    if part.len > furthest {
                        (furthest, n_failed) = (part.len, 0);
                    }
                    n_failed += 1;
                    if n_failed > self.options.n_retries {
                        return Err(error.context(format!("given up after {n_failed} attempts")));
                    }
                    if wait.is_some_and(|wait| wait > self.options.longest_wait) {
                        let seconds = wait.unwrap_or_default().as_secs();
                        return Err(error.context(format!("the server asks to come back in {seconds} s")));
                    }
                    wait
                }
            };
            let pause = backoff(self.options.first_wait, n_failed + n_restarts).max(wait.unwrap_or_default());
            (self.options.wait)(pause);
        }
    }

    /// Asks for the next range and appends it.
    fn attempt(&self, url: &str, part: &mut Part) -> Result<Progress, Failure> {
        let limit = self.options.max_drawings_per_class;
        if part.len > 0 {
            // After an interruption all may be there already.
            if limit.is_some_and(|limit| part.counter.n >= limit) {
                return Ok(Progress::Enough);
            }
            let size = part.version.as_ref().and_then(|version| version.size);
            if size == Some(part.len) {
                return self.checked(part);
            }
        }
        let mut request = self.agent.get(url);
        if part.comes_in_ranges {
            let end = part.len + self.range(part) - 1;
            request = request.header(header::RANGE, format!("bytes={}-{end}", part.len));
            let version = part.version.as_ref().filter(|_| part.len > 0);
            if let Some(validator) = version.and_then(|version| version.validator.as_deref()) {
                request = request.header(header::IF_RANGE, validator);
            }
        } else {
            self.bar.dec(part.len);
            part.empty().map_err(Failure::Everything)?;
        }
        self.hold();
        let response = request.call().map_err(|error| refused(url, error))?;
        self.receive(url, part, response)
    }

    /// How many bytes to ask for: where few drawings are wanted, not many more than they need.
    fn range(&self, part: &Part) -> u64 {
        let most = self.options.range_bytes;
        let Some(limit) = self.options.max_drawings_per_class else { return most };
        let n = part.counter.n;
        let each = if n > 0 { part.len.div_ceil(n) } else { self.options.form.bytes_per_drawing() };
        let wanted = limit.saturating_sub(n).saturating_mul(each);
        wanted.saturating_add(wanted / 8 + 1024).clamp(1, most)
    }

    /// Waits as long as some answer asked for.
    fn hold(&self) {
        let until = *locked(&self.hold_until);
        let left = until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if !left.is_zero() {
            (self.options.wait)(left);
        }
    }

    /// Takes what an answer brings.
    fn receive(&self, url: &str, part: &mut Part, response: Response<Body>) -> Result<Progress, Failure> {
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status, &head.headers);
        let mut version = Version::of(url, headers);
        let known = part.version.clone();
        // How many bytes should come, as far as that is told.
        let expected = match status {
            StatusCode::PARTIAL_CONTENT => {
                let Some((first, last, whole)) = content_range(headers) else {
                    return Err(Failure::Stale(anyhow!("{url}: a range came without saying which")));
                };
                version.size = whole;
                if first != part.len {
                    return Err(Failure::Stale(anyhow!(
                        "{url}: the range from byte {} was asked for, the one from byte {first} came",
                        part.len
                    )));
                }
                if let Some(known) = known.filter(|_| part.len > 0)
                    && (known.validator != version.validator || known.size != version.size)
                {
                    return Err(Failure::Stale(anyhow!("{url}: the file keeps changing on the server")));
                }
                Some(last - first + 1)
            }
            StatusCode::OK => {
                // Another version, or a server without ranges: in any case from the start.
                if part.len > 0 {
                    self.bar.dec(part.len);
                    part.empty().map_err(Failure::Everything)?;
                    if known.is_some_and(|known| known.validator != version.validator) {
                        return Err(Failure::Stale(anyhow!("{url}: the file keeps changing on the server")));
                    }
                }
                version.size = content_length(headers);
                if version.size == Some(0) {
                    return Err(Failure::File(anyhow!("{url}: the file is empty on the server")));
                }
                version.size
            }
            StatusCode::RANGE_NOT_SATISFIABLE if part.len == 0 => {
                return Err(Failure::File(anyhow!("{url}: the file is empty on the server")));
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                // How a file ends whose size was never told.
                let whole = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
                let size = whole.and_then(|whole| whole.strip_prefix("bytes */")?.parse().ok());
                let is_open = known.is_some_and(|known| known.size.is_none());
                if is_open && size == Some(part.len) {
                    return self.checked(part);
                }
                return Err(Failure::Stale(anyhow!("{url}: the file keeps changing on the server")));
            }
            _ => return Err(self.status(url, status, headers)),
        };
        let text_of = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        if text_of(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(Failure::File(anyhow!(
                "{url}: a web page came instead of the file; does this network ask to log in?"
            )));
        }
        if let Some(coding) =
            text_of(header::CONTENT_ENCODING).filter(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            return Err(Failure::File(anyhow!(
                "{url}: the file came compressed ({coding}) although it was asked for as it is"
            )));
        }
        let ends_by_itself = expected.is_some() || text_of(header::TRANSFER_ENCODING).is_some();
        if !ends_by_itself && version.md5.is_none() && version.crc32c.is_none() {
            return Err(Failure::File(anyhow!(
                "{url}: the server tells neither size nor sum, so that nobody could say whether the file is whole"
            )));
        }
        part.comes_in_ranges = version.validator.is_some();
        part.set_version(version).map_err(Failure::Everything)?;
        self.announce(part);
        self.body(url, part, body, expected)
    }

    /// Appends the body of an answer.
    fn body(
        &self,
        url: &str,
        part: &mut Part,
        body: Body,
        expected: Option<u64>,
    ) -> Result<Progress, Failure> {
        let limit = self.options.max_drawings_per_class;
        let mut reader = body.into_reader().take(expected.unwrap_or(u64::MAX));
        let mut buffer = vec![0; BUFFER];
        let mut n_read = 0;
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let error = Error::new(error).context(format!("{url}: cut off after {} bytes", part.len));
                    return Err(Failure::Passing(error, None));
                }
            };
            if n == 0 {
                break;
            }
            n_read += n as u64;
            let len = part.len;
            let is_enough = part.append(&buffer[..n], limit).map_err(Failure::Everything)?;
            self.bar.inc(part.len - len);
            self.announce(part);
            if is_enough {
                let is_all = part.version.as_ref().is_some_and(|version| version.size == Some(part.len));
                return if is_all { self.checked(part) } else { Ok(Progress::Enough) };
            }
        }
        if let Some(expected) = expected.filter(|&expected| n_read < expected) {
            let error = anyhow!("{url}: {expected} bytes were announced, and {n_read} came");
            return Err(Failure::Passing(error, None));
        }
        let size = part.version.as_ref().and_then(|version| version.size);
        match (expected, size) {
            (Some(_), Some(size)) if part.len < size => Ok(Progress::More),
            // A range of a file whose size is not told: the next one is refused when there is no more.
            (Some(_), None) => Ok(Progress::More),
            _ => self.checked(part),
        }
    }

    /// Compares a whole file with the sums that the server names.
    fn checked(&self, part: &mut Part) -> Result<Progress, Failure> {
        if part.len == 0 {
            let url = part.version.as_ref().map_or("", |version| &version.url);
            return Err(Failure::File(anyhow!("{url}: the file is empty on the server")));
        }
        let Some(version) = part.version.clone() else { return Ok(Progress::Whole) };
        if version.md5.is_none() && version.crc32c.is_none() {
            return Ok(Progress::Whole);
        }
        let (crc32c, md5) = part.sums().map_err(Failure::Everything)?;
        for (name, expected, found) in [("MD5", version.md5, md5), ("CRC-32C", version.crc32c, crc32c)] {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                return Err(Failure::Stale(anyhow!(
                    "{}: what came has the {name} {found}, the file on the server {expected}",
                    version.url
                )));
            }
        }
        Ok(Progress::Whole)
    }

    /// An answer that is neither a file nor a part of one.
    fn status(&self, url: &str, status: StatusCode, headers: &HeaderMap) -> Failure {
        let error = anyhow!("{url}: the server answers {status}");
        match status.as_u16() {
            408 | 429 | 500 | 502 | 503 | 504 => {
                let wait = retry_after(headers);
                if let Some(wait) = wait.filter(|wait| *wait <= self.options.longest_wait) {
                    let until = Instant::now() + wait;
                    let mut hold = locked(&self.hold_until);
                    *hold = Some(hold.map_or(until, |others| others.max(until)));
                }
                Failure::Passing(error, wait)
            }
            404 | 410 => Failure::File(error.context("there is no such file")),
            401 | 403 => Failure::File(error.context("the server does not give it away")),
            _ => Failure::File(error),
        }
    }
}

/// A request that got no answer.
fn refused(url: &str, error: ureq::Error) -> Failure {
    let lasts = matches!(
        error,
        ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::InvalidProxyUrl
            | ureq::Error::TooManyRedirects
            | ureq::Error::RedirectFailed
            | ureq::Error::Tls(_)
            | ureq::Error::Rustls(_)
            | ureq::Error::LargeResponseHeader(..)
    );
    let error = Error::new(error).context(format!("{url}: no answer"));
    if lasts { Failure::File(error) } else { Failure::Passing(error, None) }
}

/// How long to wait before an attempt: twice as long each time, up to a minute, and each time between half of that and all of
/// it, so that many who failed together do not come back together.
fn backoff(first: Duration, n_failed: u32) -> Duration {
    let longest = first.saturating_mul(1 << n_failed.saturating_sub(1).min(16)).min(Duration::from_secs(60));
    // Every RandomState has keys of its own.
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    longest.mul_f64(0.5 + 0.5 * random)
}
