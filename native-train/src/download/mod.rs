//! Names of categories in, the data set's public files on the disk out.
//!
//! A file is asked for in ranges and grows under another name (`cat.ndjson.part`, and beside it
//! what the server said of it), so that a download goes on where it was interrupted: by the process
//! or by the network. Each range is tied to the version of the file that the first one came from
//! (`If-Range`); when it changes in between, the download restarts. Only when size and sums are
//! those that the server names does the file take its own name, and `download.json` says what it
//! is. So a file of that name is whole, or as short as it was asked to be.

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
