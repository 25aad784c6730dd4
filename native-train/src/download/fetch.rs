//! Downloads the file of a category, with retries, in ranges.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use indicatif::{HumanBytes, ProgressBar};
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

use super::http::{
    Failure, Version, backoff, content_length, content_range, percent_encoded, refused, retry_after,
};
use super::manifest::{Entry, MANIFEST, Manifest};
use super::options::Options;
use super::part::{BUFFER, Part};
use crate::fs::write_atomic;
use crate::sync::locked;
use crate::tell::tell;

/// How often a download may restart, because the file changed or its checksum was wrong, before it
/// is given up.
const MAX_RESTARTS: u32 = 3;

/// The result of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that were downloaded.
    pub n_fetched: usize,
    /// Those of them that were resumed.
    pub n_resumed: usize,
    /// Files that already existed.
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

/// The outcome of an attempt.
enum Progress {
    More,
    Whole,
    /// The requested number of drawings; the server may have more.
    Enough,
}

/// Measures the throughput.
#[derive(Default)]
struct Pace {
    n_bytes: u64,
    time: Duration,
}

impl Pace {
    fn add(&mut self, n_bytes: u64, time: Duration) {
        self.n_bytes += n_bytes;
        self.time += time;
    }

    /// At the end of a window: an error if it was too slow; otherwise the next window begins.
    fn check(&mut self, url: &str, options: &Options) -> Option<Error> {
        if self.time < options.timeout {
            return None;
        }
        let Self { n_bytes, time } = std::mem::take(self);
        let wanted = options.min_bytes_per_s as f64 * time.as_secs_f64();
        let error = || anyhow!("{url}: only {n_bytes} bytes came in {:.1} s", time.as_secs_f64());
        ((n_bytes as f64) < wanted).then(error)
    }
}

/// State shared by the threads.
pub(super) struct Downloader<'a> {
    pub(super) options: &'a Options,
    pub(super) agent: Agent,
    pub(super) manifest: Mutex<Manifest>,
    /// No request before this time: a rate limit applies to all threads.
    pub(super) hold_until: Mutex<Option<Instant>>,
    pub(super) stop: AtomicBool,
    pub(super) bar: ProgressBar,
    pub(super) n_files: usize,
    pub(super) n_done: AtomicUsize,
}

impl Downloader<'_> {
    /// Downloads the file of a category unless it exists.
    pub(super) fn file(&self, category: &str) -> Result<Report> {
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
            // A shorter one. Between the next two lines it would be at odds with what is noted of
            // it.
            fs::remove_file(&target).with_context(|| format!("cannot replace {}", target.display()))?;
        }
        self.note(&name, entry)?;
        fs::rename(&part.path, &target).with_context(|| format!("cannot write {}", target.display()))?;
        // Useless without its file, and harmless if it stays.
        let _ = fs::remove_file(&part.version_path);
        self.tell(&name, &HumanBytes(part.len).to_string());
        Ok(Report { n_fetched: 1, n_resumed: usize::from(n_before > 0), n_present: 0, n_bytes: part.len })
    }

    /// Records a file before it is renamed: a file without an entry is not ours.
    fn note(&self, name: &str, entry: Entry) -> Result<()> {
        let mut manifest = locked(&self.manifest);
        manifest.files.insert(name.to_owned(), entry);
        let bytes = serde_json::to_vec_pretty(&*manifest)?;
        write_atomic(&self.options.out.join(MANIFEST), &bytes)
    }

    /// The size of an existing file, if it is the requested one.
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
            "{shown} has {bytes} bytes, and had {} when it was downloaded; remove it to download it again",
            entry.bytes
        );
        Ok(Some(bytes))
    }

    /// Sets the total of the progress display: the size of the file, or what was downloaded where
    /// only a part is wanted.
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

    /// Retries until the file is there; returns whether it is complete.
    fn fetch(&self, url: &str, part: &mut Part) -> Result<bool> {
        let (mut n_failed, mut n_restarts, mut furthest) = (0, 0, part.len);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                bail!("not tried any more");
            }
            let (len, n_received) = (part.len, part.n_received);
            self.hold();
            let started = Instant::now();
            let result = self.attempt(url, part);
            // A byte now and then is not progress.
            let n_needed = self.options.min_bytes_per_s as f64 * started.elapsed().as_secs_f64();
            let is_progress = (part.n_received - n_received) as f64 >= n_needed;
            let wait = match result {
                Ok(Progress::Whole) => return Ok(true),
                Ok(Progress::Enough) => return Ok(false),
                Ok(Progress::More) if part.len != len && is_progress => {
                    furthest = furthest.max(part.len);
                    n_failed = 0;
                    continue;
                }
                // No progress: counts towards giving up.
                Ok(Progress::More) => {
                    n_failed += 1;
                    if n_failed > self.options.n_retries {
                        bail!(
                            "{url}: given up after {n_failed} answers that brought nothing, or next to nothing"
                        );
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
                    if part.len > furthest && is_progress {
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

    /// Requests the next range and appends it.
    fn attempt(&self, url: &str, part: &mut Part) -> Result<Progress, Failure> {
        let limit = self.options.max_drawings_per_class;
        if part.len > 0 {
            // After an interruption the file may be complete already.
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
        let response = request.call().map_err(|error| refused(url, error))?;
        self.receive(url, part, response)
    }

    /// How many bytes to request: where few drawings are wanted, not many more than they need.
    fn range(&self, part: &Part) -> u64 {
        let most = self.options.range_bytes;
        let Some(limit) = self.options.max_drawings_per_class else { return most };
        let n = part.counter.n;
        let each = if n > 0 { part.len.div_ceil(n) } else { self.options.form.bytes_per_drawing() };
        let wanted = limit.saturating_sub(n).saturating_mul(each);
        wanted.saturating_add(wanted / 8 + 1024).clamp(1, most)
    }

    /// Waits as long as a response asked for (`Retry-After`).
    fn hold(&self) {
        let until = *locked(&self.hold_until);
        let left = until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if !left.is_zero() {
            (self.options.wait)(left);
        }
    }

    /// Handles a response.
    fn receive(&self, url: &str, part: &mut Part, response: Response<Body>) -> Result<Progress, Failure> {
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status, &head.headers);
        let mut version = Version::of(url, headers);
        let known = part.version.clone();
        // The length of the body, if the server names it.
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
                // Another version, or a server without ranges: restart in either case.
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
                // The end of a file of unknown size.
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
        if version.size.is_some_and(|size| size > self.options.max_file_bytes) {
            return Err(Failure::File(self.too_large(url)));
        }
        part.comes_in_ranges = version.validator.is_some();
        part.set_version(version).map_err(Failure::Everything)?;
        self.announce(part);
        self.body(url, part, body, expected)
    }

    /// Appends the body of a response.
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
        let (mut pace, mut since) = (Pace::default(), Instant::now());
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
            if part.len + n as u64 > self.options.max_file_bytes {
                return Err(Failure::File(self.too_large(url)));
            }
            pace.add(n as u64, since.elapsed());
            since = Instant::now();
            if let Some(error) = pace.check(url, self.options) {
                return Err(Failure::Passing(error, None));
            }
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
            // A range of a file whose size is not told: the next one is refused when there is no
            // more.
            (Some(_), None) => Ok(Progress::More),
            _ => self.checked(part),
        }
    }

    fn too_large(&self, url: &str) -> Error {
        let most = HumanBytes(self.options.max_file_bytes);
        anyhow!("{url}: more than {most} come, which no file of drawings has")
    }

    /// Compares a complete file with the checksums that the server names.
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

    /// The error for a response that is neither a file nor a range of one.
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
