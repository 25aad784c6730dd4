//! Files of drawings in, what they are made of out: counts, sizes, countries, times, duplicates,
//! and what looks wrong.
//!
//! Everything is read once, drawing by drawing, by all threads, and the memory does not grow with
//! the number of drawings: sizes go into histograms whose buckets are at most 3 % wide; the
//! drawings of a category that are kept as samples are those with the smallest hashes; so are those
//! by which duplicates are counted, once there are more than 1.8 million different ones
//! ([`Distinct`]). All of these can be joined in any order, so that the result depends on the
//! drawings alone.

mod duplicates;
mod group;
mod histogram;
mod oddities;
mod pictures;
mod print;
mod read;
mod write;

pub use duplicates::{Duplicates, Repeated};
pub use group::{Figures, Group};
pub use histogram::{Histogram, Sizes};
pub use oddities::Oddity;
pub use print::print;
pub use read::{Options, Stats, Summary, Suspicious, files_of, read};
