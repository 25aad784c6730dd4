//! Messages on standard error, and closed pipes.

use std::io;

/// As `eprintln!`, but without a panic where standard error is closed, as after `2>&1 | head` or
/// when the terminal is gone.
macro_rules! tell {
    ($($text:tt)*) => {{
        let text = format!("{}\n", format_args!($($text)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }};
}

pub(crate) use tell;

/// Whether an error is a broken pipe: the reader, such as `head`, has closed it, which is no error
/// of this program.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
