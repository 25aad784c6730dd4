//! What is told to people on standard error, while the work goes on.

/// As `eprintln!`, but where nobody listens any more, as after `2>&1 | head` or when the terminal is gone, nothing is told
/// and nothing panics.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub(crate) use tell;
