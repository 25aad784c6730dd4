//! Files of drawings -> statistics: counts, sizes, countries, times, duplicates, and what looks
//! wrong.
//!
//! Everything is read once, by all threads, in memory that does not grow with the number of
//! drawings: sizes go into histograms whose buckets are at most 3 % wide; samples of a category are
//! the drawings with the smallest hashes; duplicates are counted on a sample, too, once there are
//! more than 1.8 million distinct drawings ([`Distinct`]). All of these can be merged in any order,
//! so that the result depends on the drawings alone.

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
