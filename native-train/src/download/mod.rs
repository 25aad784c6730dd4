//! Names of categories -> the public files of the data set on disk.
//!
//! A file is requested in ranges and appended to a partial file (`cat.ndjson.part`, beside it what
//! the server said about it), so that an interrupted download is resumed. Each range is tied to the
//! version of the first one (`If-Range`); when the file changes in between, the download restarts.
//! Only when size and checksums are those that the server names is the file renamed and recorded in
//! `download.json`. So a file under its own name is complete, or limited as requested.

mod counter;
mod fetch;
mod http;
mod manifest;
mod options;
mod part;
mod run;

pub use fetch::Report;
pub use options::{BASE_URL, Form, Options, Wait, choose};
pub use run::download;
