//! What is told to people on standard error, while the work goes on.

/// As `eprintln!`, but where nobody listens any more, as after `2>&1 | head` or when the terminal
/// is gone, nothing is told and nothing panics.
macro_rules! tell {
    ($($text:tt)*) => {{
        let text = format!("{}\n", format_args!($($text)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }};
}

pub(crate) use tell;
