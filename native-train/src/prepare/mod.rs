//! Files of drawings in any published form in, shuffled shards of drawings to train on and to
//! evaluate on out.
//!
//! This is what the tutorial's `create_dataset.py` does, its names and its layout included, for
//! data of any size. Everything is read once: threads take turns to read and judge what each has
//! read (`part.rs`), the drawings that may be kept go into one of 256 buckets on the disk, and
//! their fingerprints beside them (`gather.rs`, `spool.rs`). Then duplicates are found where equal
//! fingerprints lie together (`deduplicate.rs`), and each bucket is put in order in memory and
//! written on (`shards.rs`). So the memory is that of a few parts of a file on their way, which
//! serve again and again, then that of a bucket for each thread, and of a bit a drawing.
//!
//! What happens to a drawing follows from itself: the side, training or evaluation, from a hash of
//! its `key_id` (of its points where it has none, and where duplicates are kept, which so stay
//! together), so that it stays the same when the data grows and for every seed; its place from that
//! hash and the seed. The order of the files only decides which drawings are the first so many of
//! their class.
//!
//! Everything is written into `OUT.partial`, synced, and takes the name `OUT` in the end, so that
//! `OUT` is whole whenever it is there. A run that was interrupted or ended by an error can be
//! resumed behind the last file that it noted as done; otherwise what it left behind is removed by
//! the next.

mod bucket;
mod deduplicate;
mod gather;
mod manifest;
mod options;
mod part;
mod run;
mod shards;
mod spool;
mod summary;
mod workspace;

pub use manifest::MANIFEST;
pub use options::{Format, Options};
pub use run::{prepare, resume};
pub use summary::{ClassCount, LeftOut, Summary};
