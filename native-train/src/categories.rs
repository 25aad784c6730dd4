//! The categories of the data set.

/// The names of the data set's 345 categories, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    include_str!("categories.txt").lines()
}
