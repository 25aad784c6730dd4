//! Numbers as people read them.

/// A share as people read it: `63.6 %`.
pub(crate) fn percent(share: f64) -> String {
    // Narrow and unbreakable, so that the sign stays with its number.
    format!("{:.1}\u{202f}%", 100.0 * share)
}

/// A number with its thousands apart: `4,307`.
pub(crate) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits are text"))
        .collect();
    groups.join(",")
}
