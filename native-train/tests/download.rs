//! Downloads from a local server that imitates faults of servers and networks.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use native_train::categories;
use native_train::download::{self, Form, Options, Report, choose};
use serde_json::Value;
use tempfile::TempDir;

/// A file of 200 drawings, of which there are two versions.
fn content(version: u8) -> Vec<u8> {
    let line = |x| format!("{{\"word\":\"cat\",\"drawing\":[[[{x},255],[0,{version}]]]}}\n");
    (0..200).map(line).collect::<String>().into_bytes()
}

/// Its sums, from Python: `base64.b64encode(hashlib.md5(content).digest())`, and CRC-32C bit by
/// bit.
const SUMS: [(u8, &str, &str); 2] =
    [(7, "r7ncbLjVrl28YXcjIcz5tg==", "YV4eDw=="), (8, "5d5zNbs+V11/owDx9157hQ==", "jURg0Q==")];

fn sums(version: u8) -> (&'static str, &'static str) {
    let found = SUMS.iter().find(|sums| sums.0 == version).expect("there are two versions");
    (found.1, found.2)
}

/// A request.
#[derive(Clone, Debug)]
struct Request {
    target: String,
    headers: HashMap<String, String>,
    /// How many requests for it came before.
    index: usize,
}

impl Request {
    fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    }
}

/// The response to a request: raw bytes, after which the connection is closed.
type Answer = dyn Fn(&Request) -> Vec<u8> + Send + Sync;

struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/full", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let at_once = Arc::new(AtomicUsize::new(0));
        let answer: Arc<Answer> = Arc::new(answer);
        let (all, most) = (requests.clone(), most_at_once.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, all, most, at_once) =
                    (answer.clone(), all.clone(), most.clone(), at_once.clone());
                std::thread::spawn(move || {
                    // Stop counting before the response, which may trigger the next request.
                    let answer = |request: &Request| {
                        most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        let bytes = answer(request);
                        at_once.fetch_sub(1, Ordering::SeqCst);
                        bytes
                    };
                    let _ = serve(&stream, &all, &answer);
                    let _ = stream.shutdown(Shutdown::Write);
                    // Closing with something unread would take back what was sent.
                    let _ = (&stream).read_to_end(&mut Vec::new());
                });
            }
        });
        Self { url, requests, most_at_once }
    }

    /// A server whose file of version 7 is as it should be.
    fn good() -> Self {
        Self::new(|request| part(request, &content(7), Some("\"7\""), Some(sums(7))))
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn ranges(&self) -> Vec<Option<(usize, usize)>> {
        self.requests().iter().map(Request::range).collect()
    }
}

fn serve(stream: &TcpStream, all: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Vec<u8>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let mut first = lines.next()?;
    if first.starts_with("CONNECT ") {
        // As a proxy: what the tunnel would lead to is answered here.
        lines.find(|line| line.is_empty())?;
        (&*stream).write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()?;
        first = lines.next()?;
    }
    let target = first.split(' ').nth(1)?.to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let mut known = all.lock().ok()?;
    let index = known.iter().filter(|request| request.target == target).count();
    let request = Request { target, headers, index };
    known.push(request.clone());
    drop(known);
    (&*stream).write_all(&answer(&request)).ok()
}

/// An answer with a length.
fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn version_headers(etag: Option<&str>, sums: Option<(&str, &str)>) -> String {
    let etag = etag.map_or(String::new(), |etag| format!("ETag: {etag}\r\n"));
    let sums = sums.map_or(String::new(), |(md5, crc)| {
        format!("x-goog-hash: crc32c={crc}\r\nx-goog-hash: md5={md5}\r\n")
    });
    etag + &sums
}

/// The response of a server with ranges, also conditional ones.
fn part(request: &Request, content: &[u8], etag: Option<&str>, sums: Option<(&str, &str)>) -> Vec<u8> {
    let headers = version_headers(etag, sums);
    let is_same = request.headers.get("if-range").is_none_or(|known| Some(known.as_str()) == etag);
    match request.range().filter(|_| is_same) {
        None => reply("200 OK", &headers, content),
        Some((first, _)) if first >= content.len() => {
            reply("416 Range Not Satisfiable", &format!("Content-Range: bytes */{}\r\n", content.len()), b"")
        }
        Some((first, last)) => {
            let end = content.len().min(last + 1);
            let range = format!("Content-Range: bytes {first}-{}/{}\r\n", end - 1, content.len());
            reply("206 Partial Content", &(headers + &range), &content[first..end])
        }
    }
}

/// The head of an answer, and no more than `n` bytes of its body.
fn cut(mut answer: Vec<u8>, n: usize) -> Vec<u8> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    answer.truncate(head + n);
    answer
}

/// A folder to download into, and the times that were waited.
struct Place {
    folder: TempDir,
    waits: Arc<Mutex<Vec<Duration>>>,
}

impl Place {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), waits: Arc::default() }
    }

    fn options(&self, server: &Server) -> Options {
        let waits = self.waits.clone();
        Options {
            base_url: server.url.clone(),
            range_bytes: 3000,
            n_retries: 3,
            first_wait: Duration::from_secs(1),
            proxy_from_environment: false,
            quiet: true,
            wait: Arc::new(move |time| waits.lock().unwrap().push(time)),
            ..Options::new(self.path("."))
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cat(&self) -> Vec<u8> {
        fs::read(self.path("cat.ndjson")).expect("the file is there")
    }

    fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }

    fn download(&self, server: &Server) -> anyhow::Result<Report> {
        download::download(&["cat".to_owned()], &self.options(server))
    }

    /// Downloads, expects that it fails, and that no file looks finished.
    #[track_caller]
    fn refusal(&self, server: &Server) -> String {
        let error = self.download(server).expect_err("this cannot work");
        assert!(!self.path("cat.ndjson").exists(), "nothing looks finished");
        format!("{error:#}")
    }

    /// Downloads, and expects the file of this version and nothing beside it.
    #[track_caller]
    fn expect(&self, server: &Server, version: u8) -> Report {
        let report = self.download(server).unwrap_or_else(|error| panic!("{error:#}"));
        assert!(self.cat() == content(version), "the file is version {version}");
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".download.lock", "cat.ndjson", "download.json"]);
        report
    }
}

#[test]
fn a_file_comes_in_ranges_that_are_tied_to_its_version() {
    let (place, server) = (Place::new(), Server::good());
    let report = place.expect(&server, 7);
    assert_eq!((report.n_fetched, report.n_resumed, report.n_present), (1, 0, 0));
    assert_eq!(report.n_bytes, content(7).len() as u64);
    assert_eq!(server.ranges(), [Some((0, 2999)), Some((3000, 5999)), Some((6000, 8999))]);
    let tied: Vec<Option<String>> =
        server.requests().iter().map(|request| request.headers.get("if-range").cloned()).collect();
    assert_eq!(tied, [None, Some("\"7\"".to_owned()), Some("\"7\"".to_owned())]);
    assert!(place.waits().is_empty());
    let manifest: Value = serde_json::from_slice(&fs::read(place.path("download.json")).unwrap()).unwrap();
    assert_eq!(manifest["files"]["cat.ndjson"]["whole"], true);
    assert_eq!(manifest["files"]["cat.ndjson"]["md5"], sums(7).0);
}

#[test]
fn an_existing_file_is_not_requested_again() {
    let (place, server) = (Place::new(), Server::good());
    place.expect(&server, 7);
    let n_requests = server.requests().len();
    assert_eq!(place.expect(&server, 7).n_present, 1);
    assert_eq!(server.requests().len(), n_requests);
}

#[test]
fn an_unstable_connection_downloads_no_byte_twice() {
    let place = Place::new();
    let server = Server::new(|request| cut(part(request, &content(7), Some("\"7\""), Some(sums(7))), 500));
    place.expect(&server, 7);
    let begins: Vec<usize> = server.ranges().into_iter().map(|range| range.expect("a range").0).collect();
    assert_eq!(begins, (0..content(7).len()).step_by(500).collect::<Vec<_>>());
    assert!(place.waits().iter().all(|wait| *wait <= Duration::from_secs(1)), "each brought something");
}

#[test]
fn a_download_that_was_given_up_is_resumed() {
    let place = Place::new();
    let broken = Server::new(|request| match request.index {
        0 => part(request, &content(7), Some("\"7\""), Some(sums(7))),
        1 => cut(part(request, &content(7), Some("\"7\""), Some(sums(7))), 500),
        _ => Vec::new(),
    });
    let message = place.refusal(&broken);
    assert!(message.contains("1 of 1 files could not be downloaded"), "{message}");
    assert!(message.contains("given up after 4 attempts"), "{message}");
    assert_eq!(fs::read(place.path("cat.ndjson.part")).unwrap(), content(7)[..3500]);
    // The same address, as far as the file knows.
    let good = Server::good();
    let version = fs::read_to_string(place.path("cat.ndjson.part.json")).unwrap();
    fs::write(place.path("cat.ndjson.part.json"), version.replace(&broken.url, &good.url)).unwrap();
    assert_eq!(place.expect(&good, 7).n_resumed, 1);
    assert_eq!(good.ranges(), [Some((3500, 6499)), Some((6500, 9499))]);
    assert_eq!(good.requests()[0].headers["if-range"], "\"7\"");
}

#[test]
fn a_partial_file_of_unknown_origin_is_not_resumed() {
    let begun = |version: Option<&str>| {
        let (place, server) = (Place::new(), Server::good());
        fs::write(place.path("cat.ndjson.part"), vec![b'x'; 4000]).unwrap();
        if let Some(version) = version {
            let text = version.replace("URL", &format!("{}/simplified/cat.ndjson", server.url));
            fs::write(place.path("cat.ndjson.part.json"), text).unwrap();
        }
        place.expect(&server, 7);
        server.ranges()[0].expect("a range").0
    };
    assert_eq!(begun(None), 0, "nobody knows what it is");
    assert_eq!(begun(Some("{\"url\":\"http://other/cat.ndjson\",\"validator\":\"\\\"7\\\"\"}")), 0);
    assert_eq!(begun(Some("{\"url\":\"URL\",\"validator\":null}")), 0, "no version is known");
    assert_eq!(begun(Some("{\"url\":\"URL\",\"validator\":\"\\\"7\\\"\",\"size\":3999}")), 0, "too long");
    assert_eq!(begun(Some("{\"url\":")), 0, "half a note");
    // It is resumed; but the checksum reveals that it was something else.
    assert_eq!(begun(Some("{\"url\":\"URL\",\"validator\":\"\\\"7\\\"\"}")), 4000);
}

#[test]
fn the_retry_after_of_a_rate_limit_is_respected() {
    for (header, seconds) in [("Retry-After: 17\r\n", 17..=17), ("Retry-After: DATE\r\n", 80..=90)] {
        let place = Place::new();
        let server = Server::new(move |request| match request.index {
            0 => {
                let date = std::time::SystemTime::now() + Duration::from_secs(90);
                let header = header.replace("DATE", &httpdate::fmt_http_date(date));
                reply("429 Too Many Requests", &header, b"slow down")
            }
            _ => part(request, &content(7), Some("\"7\""), Some(sums(7))),
        });
        place.expect(&server, 7);
        let longest = place.waits().into_iter().max().expect("a wait");
        assert!(seconds.contains(&longest.as_secs()), "{longest:?}");
    }
}

#[test]
fn a_retry_after_of_hours_is_an_error() {
    let place = Place::new();
    let server = Server::new(|_| reply("503 Service Unavailable", "Retry-After: 7200\r\n", b""));
    let message = place.refusal(&server);
    assert!(message.contains("the server asks to come back in 7200 s"), "{message}");
    assert!(place.waits().is_empty());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn server_errors_are_retried_with_exponential_backoff() {
    let place = Place::new();
    let server = Server::new(|request| match request.index {
        0..3 => reply("500 Internal Server Error", "", b"oh"),
        _ => part(request, &content(7), Some("\"7\""), Some(sums(7))),
    });
    place.expect(&server, 7);
    let waits: Vec<f64> = place.waits().iter().map(Duration::as_secs_f64).collect();
    assert_eq!(waits.len(), 3, "{waits:?}");
    for (wait, longest) in waits.iter().zip([1.0, 2.0, 4.0]) {
        assert!((longest / 2.0..=longest).contains(wait), "{waits:?}");
    }
}

#[test]
fn persistent_server_errors_are_given_up() {
    for (status, part) in [
        ("500 Internal Server Error", "given up after 4 attempts"),
        ("429 Too Many Requests", "given up after 4 attempts"),
        ("404 Not Found", "there is no such file"),
        ("403 Forbidden", "the server does not give it away"),
        ("418 I'm a teapot", "418"),
    ] {
        let place = Place::new();
        let server = Server::new(move |_| reply(status, "", b"no"));
        let message = place.refusal(&server);
        assert!(message.contains(part) && message.contains(&status[..3]), "{status}: {message}");
        assert!(message.contains("/simplified/cat.ndjson"), "{message}");
        let n_expected = if part.starts_with("given up") { 4 } else { 1 };
        assert_eq!(server.requests().len(), n_expected, "{status}");
    }
}

#[test]
fn an_unreachable_server_is_reported() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let options = Options { base_url: url, ..place.options(&Server::good()) };
    let error = download::download(&["cat".to_owned()], &options).expect_err("nobody listens");
    let message = format!("{error:#}");
    assert!(message.contains("given up after 4 attempts") && message.contains("no answer"), "{message}");
    let options = Options { base_url: "nonsense".to_owned(), ..options };
    let error = download::download(&["cat".to_owned()], &options).expect_err("no address");
    assert!(format!("{error:#}").contains("nonsense/simplified/cat.ndjson"), "{error:#}");
}

#[test]
fn a_truncated_response_is_resumed() {
    // The range promises more than the length, and the length promises more than comes.
    for claim in [200, 900] {
        let place = Place::new();
        let server = Server::new(move |request| {
            let content = content(7);
            let (first, last) = request.range().expect("a range");
            let end = content.len().min(last + 1);
            let body = &content[first..end.min(first + 400)];
            let headers = version_headers(Some("\"7\""), Some(sums(7)));
            let range = format!("Content-Range: bytes {first}-{}/{}\r\n", end - 1, content.len());
            let answer = reply("206 Partial Content", &(headers + &range), body);
            let claimed = format!(
                "Content-Length: {}\r\n",
                if claim < body.len() { body.len() } else { body.len() + claim }
            );
            let text = String::from_utf8(answer).unwrap();
            text.replacen(&format!("Content-Length: {}\r\n", body.len()), &claimed, 1).into_bytes()
        });
        place.expect(&server, 7);
    }
}

#[test]
fn a_wrong_complete_length_is_found_by_the_checksum() {
    let place = Place::new();
    let server = Server::new(|request| {
        let answer = String::from_utf8(part(request, &content(7), Some("\"7\""), Some(sums(7)))).unwrap();
        // Too short, at the end of a drawing: without the sum it would look well.
        let short = content(7).len() - content(7).split(|&byte| byte == b'\n').nth(199).unwrap().len() - 1;
        let whole = content(7).len();
        let body = answer.split("\r\n\r\n").nth(1).unwrap().len();
        let last = request.range().map_or(0, |(first, _)| first + body) - 1;
        let kept = answer.len() - (last + 1).saturating_sub(short);
        answer[..kept]
            .replace(
                &format!("Content-Length: {body}"),
                &format!("Content-Length: {}", body - (last + 1).saturating_sub(short)),
            )
            .replace(&format!("-{last}/{whole}"), &format!("-{}/{short}", last.min(short - 1)))
            .into_bytes()
    });
    let message = place.refusal(&server);
    assert!(message.contains("given up after 4 downloads from the start"), "{message}");
    assert!(message.contains(&format!("the file on the server {}", sums(7).0)), "{message}");
    assert_eq!(fs::read(place.path("cat.ndjson.part")).unwrap(), b"", "what is wrong is not kept");
}

#[test]
fn corrupted_bytes_are_downloaded_again() {
    let place = Place::new();
    let server = Server::new(|request| {
        let mut answer = part(request, &content(7), Some("\"7\""), Some(sums(7)));
        if request.index == 1 {
            *answer.last_mut().unwrap() ^= 1;
        }
        answer
    });
    place.expect(&server, 7);
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn a_server_without_ranges_works_too() {
    let whole = |request: &Request| {
        let headers = version_headers(Some("\"7\""), Some(sums(7)));
        let answer = reply("200 OK", &headers, &content(7));
        if request.index < 2 { cut(answer, 4000) } else { answer }
    };
    let (place, server) = (Place::new(), Server::new(whole));
    place.expect(&server, 7);
    assert_eq!(server.ranges().iter().map(|range| range.unwrap().0).collect::<Vec<_>>(), [0, 4000, 4000]);
    let (place, server) = (
        Place::new(),
        Server::new(|_| cut(reply("200 OK", &version_headers(Some("\"7\""), None), &content(7)), 4000)),
    );
    let message = place.refusal(&server);
    assert!(message.contains("given up after 4 attempts"), "{message}");
}

#[test]
fn a_file_that_changes_between_two_ranges_comes_in_its_new_version() {
    // With If-Range the new version comes as a whole; without it, a part of it comes.
    for honours_if_range in [true, false] {
        let place = Place::new();
        let server = Server::new(move |request| {
            let mut request = request.clone();
            if !honours_if_range {
                request.headers.remove("if-range");
            }
            match request.index {
                0 => part(&request, &content(7), Some("\"7\""), Some(sums(7))),
                _ => part(&request, &content(8), Some("\"8\""), Some(sums(8))),
            }
        });
        place.expect(&server, 8);
    }
}

#[test]
fn a_file_that_keeps_changing_is_given_up() {
    let place = Place::new();
    let server = Server::new(|request| {
        let mut request = request.clone();
        request.headers.remove("if-range");
        let etag = format!("\"{}\"", request.index);
        part(&request, &content(7), Some(&etag), None)
    });
    let message = place.refusal(&server);
    assert!(message.contains("given up after 4 downloads from the start"), "{message}");
    assert!(message.contains("keeps changing"), "{message}");
}

#[test]
fn a_range_that_was_not_requested_is_refused() {
    for (from, to) in [("bytes 3000-", "bytes 2999-"), ("Content-Range: bytes", "Content-Range: furlongs")] {
        let place = Place::new();
        let server = Server::new(move |request| {
            let answer = part(request, &content(7), Some("\"7\""), Some(sums(7)));
            String::from_utf8(answer).unwrap().replace(from, to).into_bytes()
        });
        let message = place.refusal(&server);
        assert!(message.contains("given up after 4 downloads from the start"), "{message}");
    }
}

#[test]
fn without_a_validator_the_file_comes_in_one_response() {
    for etag in [None, Some("W/\"7\"")] {
        let place = Place::new();
        let server = Server::new(move |request| part(request, &content(7), etag, None));
        place.expect(&server, 7);
        assert_eq!(server.ranges(), [Some((0, 2999)), None], "{etag:?}");
    }
}

#[test]
fn a_size_that_is_known_only_at_the_end_is_accepted() {
    let place = Place::new();
    let server = Server::new(|request| {
        let answer = String::from_utf8(part(request, &content(7), Some("\"7\""), Some(sums(7)))).unwrap();
        if answer.contains(" 416 ") {
            answer
        } else {
            answer.replace(&format!("/{}\r\n", content(7).len()), "/*\r\n")
        }
        .into_bytes()
    });
    place.expect(&server, 7);
}

#[test]
fn a_chunked_response_must_be_complete() {
    let chunks = |is_whole: bool| {
        let mut bytes =
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in content(7).chunks(1000) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        if is_whole {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
        bytes
    };
    let (place, server) = (Place::new(), Server::new(move |request| chunks(request.index > 0)));
    place.expect(&server, 7);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_response_without_length_and_checksum_is_refused() {
    let bare = |headers: &str| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n").into_bytes();
        bytes.extend_from_slice(&content(7));
        bytes
    };
    let (place, server) = (Place::new(), Server::new(move |_| bare("ETag: \"7\"\r\n")));
    let message = place.refusal(&server);
    assert!(message.contains("neither size nor sum"), "{message}");
    // With a sum it is as good as any.
    let place = Place::new();
    let server = Server::new(move |_| bare(&version_headers(Some("\"7\""), Some(sums(7)))));
    place.expect(&server, 7);
}

#[test]
fn an_endless_file_is_given_up() {
    // Chunks that never end, and ranges of a file of unknown size.
    let chunks = |_: &Request| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        bytes.extend(
            b"3e8\r\n".iter().chain(&[b' '; 1000]).chain(b"\r\n").copied().collect::<Vec<_>>().repeat(100),
        );
        bytes
    };
    let ranges = |request: &Request| {
        let (first, last) = request.range().unwrap();
        let headers = format!("ETag: \"7\"\r\nContent-Range: bytes {first}-{last}/*\r\n");
        reply("206 Partial Content", &headers, &vec![b' '; last + 1 - first])
    };
    for server in [Server::new(chunks), Server::new(ranges)] {
        let place = Place::new();
        let options = Options { max_file_bytes: 20_000, ..place.options(&server) };
        let error = download::download(&["cat".to_owned()], &options).expect_err("it has no end");
        let message = format!("{error:#}");
        assert!(message.contains("more than 19.53 KiB come, which no file of drawings has"), "{message}");
        assert!(place.path("cat.ndjson.part").metadata().unwrap().len() <= 20_000);
    }
    let place = Place::new();
    let server = Server::good();
    let options = Options { max_file_bytes: 1000, ..place.options(&server) };
    let error = download::download(&["cat".to_owned()], &options).expect_err("it tells its size");
    assert!(format!("{error:#}").contains("no file of drawings has"), "{error:#}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_download_that_trickles_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/full", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
                lines.find(|line| line.is_empty());
                stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: 100000\r\n\r\n")?;
                loop {
                    stream.write_all(b" ")?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    let place = Place::new();
    let options = Options {
        base_url: url,
        timeout: Duration::from_millis(300),
        min_bytes_per_s: 1000,
        n_retries: 2,
        ..place.options(&Server::good())
    };
    let error = download::download(&["cat".to_owned()], &options).expect_err("it would take an hour");
    let message = format!("{error:#}");
    assert!(
        message.contains("given up after 3 attempts") && message.contains("bytes came in 0."),
        "{message}"
    );
}

#[test]
fn a_login_page_is_not_a_file() {
    let place = Place::new();
    let server =
        Server::new(|_| reply("200 OK", "Content-Type: text/html; charset=utf-8\r\n", b"<!doctype html>"));
    let message = place.refusal(&server);
    assert!(message.contains("a web page came instead of the file"), "{message}");
}

#[test]
fn an_empty_file_is_reported() {
    let place = Place::new();
    let server = Server::new(|request| part(request, b"", Some("\"0\""), None));
    let message = place.refusal(&server);
    assert!(message.contains("the file is empty on the server"), "{message}");
}

#[test]
fn an_empty_response_without_ranges_is_not_a_file() {
    let chunks =
        || b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec();
    for answer in [reply("200 OK", "ETag: \"0\"\r\n", b""), chunks()] {
        let place = Place::new();
        let message = place.refusal(&Server::new(move |_| answer.clone()));
        assert!(message.contains("the file is empty on the server"), "{message}");
    }
}

#[test]
fn a_range_beyond_all_lengths_is_given_up() {
    for range in ["0-18446744073709551615/*", "0-18446744073709551615/18446744073709551615"] {
        let place = Place::new();
        let headers = format!("ETag: \"7\"\r\nContent-Range: bytes {range}\r\n");
        let server = Server::new(move |_| reply("206 Partial Content", &headers, &content(7)[..2999]));
        let message = place.refusal(&server);
        assert!(message.contains("given up after 4"), "{range}: {message}");
    }
}

#[test]
fn a_compressed_response_is_refused() {
    let place = Place::new();
    let server = Server::new(|_| reply("200 OK", "Content-Encoding: gzip\r\nETag: \"7\"\r\n", b"\x1f\x8b"));
    let message = place.refusal(&server);
    assert!(message.contains("the file came compressed (gzip)"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_at_the_partial_file_is_not_followed() {
    let (place, elsewhere) = (Place::new(), TempDir::new().unwrap());
    let thesis = elsewhere.path().join("thesis.txt");
    fs::write(&thesis, "years of work").unwrap();
    std::os::unix::fs::symlink(&thesis, place.path("cat.ndjson.part")).unwrap();
    let message = place.refusal(&Server::good());
    assert!(message.contains("cat.ndjson.part is a link"), "{message}");
    assert_eq!(fs::read_to_string(&thesis).unwrap(), "years of work");
}

#[test]
fn a_failed_file_does_not_stop_the_others() {
    let place = Place::new();
    let server = Server::new(|request| match request.target.as_str() {
        "/full/simplified/dog.ndjson" => reply("404 Not Found", "", b""),
        _ => part(request, &content(7), Some("\"7\""), Some(sums(7))),
    });
    let names = ["alarm clock", "cat", "dog"].map(str::to_owned);
    let error = download::download(&names, &place.options(&server)).expect_err("there is no dog");
    let message = format!("{error:#}");
    assert!(message.contains("1 of 3 files could not be downloaded"), "{message}");
    assert!(message.contains("\n  dog: there is no such file"), "{message}");
    assert!(place.cat() == content(7));
    assert!(fs::read(place.path("alarm clock.ndjson")).unwrap() == content(7));
    assert!(
        server.requests().iter().any(|request| request.target == "/full/simplified/alarm%20clock.ndjson")
    );
}

#[test]
fn the_number_of_concurrent_downloads_is_limited() {
    let (place, server) = (Place::new(), Server::good());
    let names: Vec<String> = categories::names().take(12).map(str::to_owned).collect();
    let options = Options { n_parallel: 3, ..place.options(&server) };
    assert_eq!(download::download(&names, &options).unwrap().n_fetched, 12);
    assert!(server.most_at_once.load(Ordering::SeqCst) <= 3);
}

#[test]
fn a_limit_of_drawings_requests_no_more_than_needed() {
    let (place, server) = (Place::new(), Server::good());
    let limited = |n| Options { max_drawings_per_class: Some(n), ..place.options(&server) };
    let cat = ["cat".to_owned()];
    let first = |n: usize| -> Vec<u8> {
        content(7).split_inclusive(|&byte| byte == b'\n').take(n).flatten().copied().collect()
    };

    let report = download::download(&cat, &limited(3)).unwrap();
    assert_eq!((report.n_fetched, report.n_bytes), (1, first(3).len() as u64));
    assert!(place.cat() == first(3));
    assert!(server.ranges().iter().all(|range| range.unwrap().1 < 3100), "{:?}", server.ranges());
    // The same again is there; another number, or the whole, is another file.
    assert_eq!(download::download(&cat, &limited(3)).unwrap().n_present, 1);
    assert_eq!(download::download(&cat, &limited(150)).unwrap().n_fetched, 1);
    assert!(place.cat() == first(150));
    place.expect(&server, 7);
    // The whole has what a limit asks for.
    assert_eq!(download::download(&cat, &limited(3)).unwrap().n_present, 1);
}

#[test]
fn a_limit_beyond_the_file_gives_the_complete_file() {
    let (place, server) = (Place::new(), Server::good());
    let options = Options { max_drawings_per_class: Some(1000), ..place.options(&server) };
    download::download(&["cat".to_owned()], &options).unwrap();
    assert_eq!(place.expect(&server, 7).n_present, 1);
}

#[test]
fn a_limit_holds_after_an_interruption() {
    let place = Place::new();
    let server = Server::new(|request| match request.index {
        0 => cut(part(request, &content(7), Some("\"7\""), Some(sums(7))), 1000),
        1..=4 => Vec::new(),
        _ => part(request, &content(7), Some("\"7\""), Some(sums(7))),
    });
    let options = Options { max_drawings_per_class: Some(50), ..place.options(&server) };
    let cat = ["cat".to_owned()];
    download::download(&cat, &options).expect_err("it breaks");
    assert_eq!(download::download(&cat, &options).unwrap().n_resumed, 1);
    assert_eq!(place.cat().iter().filter(|&&byte| byte == b'\n').count(), 50);
    assert!(content(7).starts_with(&place.cat()));
}

#[test]
fn a_limit_counts_binary_drawings() {
    // Drawings of 1, 2, 3, ... strokes of two points.
    let drawing = |n_strokes: u16| {
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0, b'D', b'E', 1, 0, 0, 0, 0];
        bytes.extend(n_strokes.to_le_bytes());
        for _ in 0..n_strokes {
            bytes.extend([2, 0, 0, 255, 7, 9]);
        }
        bytes
    };
    let file: Vec<u8> = (1..60).flat_map(drawing).collect();
    let expected: Vec<u8> = (1..=21).flat_map(drawing).collect();
    let place = Place::new();
    let server = Server::new(move |request| part(request, &file, Some("\"b\""), None));
    let options = Options {
        form: Form::Binary,
        max_drawings_per_class: Some(21),
        range_bytes: 100,
        ..place.options(&server)
    };
    download::download(&["cat".to_owned()], &options).unwrap();
    assert!(fs::read(place.path("cat.bin")).unwrap() == expected);
    assert_eq!(server.requests()[0].target, "/full/binary/cat.bin");
}

#[test]
fn files_that_no_download_wrote_are_left_alone() {
    let (place, server) = (Place::new(), Server::good());
    fs::write(place.path("cat.ndjson"), "mine").unwrap();
    let message = format!("{:#}", place.download(&server).expect_err("it is not ours"));
    assert!(message.contains("cat.ndjson is there, but no download wrote it"), "{message}");
    assert_eq!(place.cat(), b"mine");
    fs::remove_file(place.path("cat.ndjson")).unwrap();
    place.expect(&server, 7);
    fs::write(place.path("cat.ndjson"), "cut").unwrap();
    let message = format!("{:#}", place.download(&server).expect_err("it was changed"));
    assert!(message.contains("has 3 bytes, and had"), "{message}");
    fs::write(place.path("cat.ndjson"), content(7)).unwrap();
    let options = Options { form: Form::Raw, ..place.options(&server) };
    let error = download::download(&["cat".to_owned()], &options).expect_err("another form, the same name");
    assert!(format!("{error:#}").contains("was downloaded from"), "{error:#}");
}

#[test]
fn a_folder_has_one_download_at_a_time() {
    let (place, server) = (Place::new(), Server::good());
    let lock = fs::File::create(place.path(".download.lock")).unwrap();
    lock.lock().unwrap();
    let message = place.refusal(&server);
    assert!(message.contains("another download into this folder is running"), "{message}");
    lock.unlock().unwrap();
    place.expect(&server, 7);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let (place, server) = (Place::new(), Server::good());
    fs::write(place.path("file"), "").unwrap();
    let options = Options { out: place.path("file"), ..place.options(&server) };
    let error = download::download(&["cat".to_owned()], &options).expect_err("a file is no folder");
    assert!(format!("{error:#}").contains("file"), "{error:#}");
    fs::write(place.path("download.json"), "{").unwrap();
    let message = place.refusal(&server);
    assert!(message.contains("download.json: this is not what a download wrote"), "{message}");
}

#[test]
fn categories_are_those_of_the_model_that_ships() {
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/model/model.json");
    let card: Value = serde_json::from_slice(&fs::read(card).unwrap()).unwrap();
    let labels: Vec<&str> = card["labels"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(categories::names().collect::<Vec<_>>(), labels);
    assert_eq!(choose(&[], download::BASE_URL).unwrap().len(), 345);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(choose(&names(&["dog", "cat", "dog"]), download::BASE_URL).unwrap(), names(&["cat", "dog"]));
    assert_eq!(choose(&names(&["yurt"]), "http://mirror").unwrap(), names(&["yurt"]));
    for (name, part) in [
        ("yurt", "none of the data set's 345"),
        ("Clock", "there is: alarm clock, clock"),
        ("../x", "cannot"),
    ] {
        let error = choose(&names(&[name]), download::BASE_URL).expect_err(name);
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// Runs the program without the proxies of this machine.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    command.current_dir(folder);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

#[test]
fn the_program_downloads_what_it_can_then_read() {
    let (place, server) = (Place::new(), Server::good());
    let run = program(place.folder.path())
        .args([
            "download",
            "cat",
            "--out",
            "data",
            "--base-url",
            &server.url,
            "--max-drawings-per-class",
            "40",
        ])
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{stderr}");
    assert!(stderr.contains("1/1: cat.ndjson"), "{stderr}");
    assert!(String::from_utf8(run.stdout).unwrap().starts_with("data: 1 file, "));
    let run = program(place.folder.path()).args(["stats", "data", "--json"]).output().unwrap();
    let found: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(found["all"]["drawings"], 40);
}

#[test]
fn the_program_asks_the_proxy_of_the_environment() {
    let (place, server) = (Place::new(), Server::good());
    let proxy = server.url.trim_end_matches("/full");
    let run = program(place.folder.path())
        .env("HTTP_PROXY", proxy)
        .args(["download", "cat", "--out", "data", "--quiet", "--base-url", "http://quickdraw.invalid/full"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(fs::read(place.path("data/cat.ndjson")).unwrap() == content(7));
}

#[test]
fn the_program_refuses_names_and_numbers_that_make_no_sense() {
    let place = Place::new();
    for (arguments, code, part) in [
        (&["download", "yurt", "--out", "data"][..], 1, "none of the data set's 345 categories"),
        (&["download"], 2, "--out"),
        (&["download", "--out", "data", "--parallel", "17"], 2, "1..=16"),
        (&["download", "--out", "data", "--raw", "--binary"], 2, "--binary"),
        (&["download", "--out", "data", "--max-drawings-per-class", "0"], 2, "--max-drawings-per-class"),
    ] {
        let run = program(place.folder.path()).args(arguments).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
    assert!(!place.path("data").exists());
}
