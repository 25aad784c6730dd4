//! TensorBoard's event files: scalars by step in, `events.out.tfevents.*` in the run folder out.
//!
//! The messages are those of `event.proto` and `summary.proto`, of which scalars need a few fields;
//! they are declared by hand, since their numbers can never change.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use prost::Message;

use crate::data::format::tfrecord::write_record;

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(SummaryMessage),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct SummaryMessage {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, so that a zero is written as well: it is one of several kinds of value.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.SessionStatus.START`.
const START: i32 = 1;

/// The event file of this start of a run.
#[derive(Debug)]
pub(super) struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Begins a file. Events of earlier files from `step` on are superseded: TensorBoard then
    /// ignores them.
    pub(super) fn create(folder: &Path, step: u64) -> Result<Self> {
        let seconds = now() as u64;
        let (file, path) = (0..)
            .map(|n| folder.join(format!("events.out.tfevents.{seconds}.{}.{n}", std::process::id())))
            .map(|path| (File::create_new(&path), path))
            .find(|(file, _)| {
                !file.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists)
            })
            .expect("some number is free");
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        let mut events = Self { file, path };
        events.write(0, What::FileVersion("brain.Event:2".to_owned()))?;
        events.write(step, What::SessionLog(SessionLog { status: START }))?;
        Ok(events)
    }

    /// Writes scalars, as (tag, value).
    pub(super) fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> Result<()> {
        let value =
            |&(tag, value): &(&str, f64)| Value { tag: tag.to_owned(), simple_value: Some(value as f32) };
        self.write(step, What::Summary(SummaryMessage { value: scalars.iter().map(value).collect() }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<()> {
        let event = Event { wall_time: now(), step: step as i64, what: Some(what) };
        write_record(&mut self.file, &event.encode_to_vec())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
