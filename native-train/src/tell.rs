//! What is told to people on standard error while the work goes on, and whether anybody listens.

use std::io;

/// As `eprintln!`, but where nobody listens any more, as after `2>&1 | head` or when the terminal
/// is gone, nothing is told and nothing panics.
macro_rules! tell {
    ($($text:tt)*) => {{
        let text = format!("{}\n", format_args!($($text)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }};
}

pub(crate) use tell;

/// Whether an error is that of a reader that has seen enough, as `head` does, which is no error of
/// ours.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
