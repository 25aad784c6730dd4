//! Requests and responses, by RFC 9110.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use anyhow::Error;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::{HeaderMap, header};

use super::options::Options;

/// What the server said about a partial file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) url: String,
    /// A strong ETag, or the time of the last modification: the validator for `If-Range`.
    pub(super) validator: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) md5: Option<String>,
    pub(super) crc32c: Option<String>,
}

impl Version {
    pub(super) fn of(url: &str, headers: &HeaderMap) -> Self {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let validator = match text(header::ETAG) {
            // A weak ETag does not promise equal bytes.
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

/// Why an attempt failed.
pub(super) enum Failure {
    /// Temporary: retry, after this long at least.
    Passing(Error, Option<Duration>),
    /// The partial file is unusable: restart.
    Stale(Error),
    /// This file is unavailable.
    File(Error),
    /// No file is available.
    Everything(Error),
}

/// A name as a URL path segment.
pub(super) fn percent_encoded(name: &str) -> String {
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

/// First and last byte of a range, and the complete length: of `bytes 0-99/1000`.
pub(super) fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let whole = if whole == "*" { None } else { Some(whole.parse().ok()?) };
    // As RFC 9110, 14.4, has it; and no length of a file is so large.
    (first <= last && last < whole.unwrap_or(u64::MAX)).then_some((first, last, whole))
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// How long the server asks to wait (`Retry-After`): in seconds, or until a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(SystemTime::now()).unwrap_or_default())
}

pub(super) fn agent(options: &Options) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(options.timeout))
        .timeout_recv_response(Some(options.timeout))
        .timeout_per_read(Some(options.timeout))
        .timeout_per_write(Some(options.timeout))
        .max_idle_connections_per_host(options.n_parallel)
        // Ranges count bytes of the uncompressed file.
        .accept_encoding("identity")
        .user_agent(concat!("quickdraw-rnn/", env!("CARGO_PKG_VERSION")));
    if !options.proxy_from_environment {
        config = config.proxy(None);
    }
    Agent::new_with_config(config.build())
}

/// The error for a request without a response.
pub(super) fn refused(url: &str, error: ureq::Error) -> Failure {
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

/// The delay before a retry: exponential backoff, up to a minute, with jitter between half of the
/// delay and all of it.
pub(super) fn backoff(first: Duration, n_failed: u32) -> Duration {
    let longest = first.saturating_mul(1 << n_failed.saturating_sub(1).min(16)).min(Duration::from_secs(60));
    // Every RandomState has random keys.
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    longest.mul_f64(0.5 + 0.5 * random)
}
