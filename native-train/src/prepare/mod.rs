//! Files of drawings in any published format -> shuffled shards for training and evaluation, in
//! memory that does not grow with the data (an external shuffle).
//!
//! This is what the tutorial's `create_dataset.py` does, its names and its layout included. One
//! pass reads everything: threads take turns to read a part of a file, then parse and filter it
//! (`part.rs`); accepted drawings are appended to one of 256 buckets on disk, with their
//! fingerprints (`gather.rs`, `spool.rs`). Then duplicates are found among the fingerprints
//! (`deduplicate.rs`), and each bucket is sorted in memory and written to its shards
//! (`shards.rs`). Memory holds a few reused parts of files, then a bucket for each thread and one
//! bit for each drawing.
//!
//! The split into training and evaluation is by a hash of a drawing's `key_id` (of its points where
//! it has none, or where duplicates are kept, which so stay together): it does not change when data
//! is added or with the seed. The position in the output is a hash of the same and the seed. The
//! order of the input files matters only for which drawings of a class come first when the number
//! of drawings of a class is limited.
//!
//! Everything is written to `OUT.partial`, synced, and renamed to `OUT` at the end, so that `OUT`
//! is always complete. A run that was interrupted or failed can be resumed after the last file that
//! was saved as read; otherwise the next run removes what it left behind.

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
