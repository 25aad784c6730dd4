//! Python packages that read what this program writes.

use std::process::Command;

/// The Python that has these modules, comma-separated: `python3`, or the one that
/// `QUICKDRAW_PYTHON` names. Without one a message says that the test is skipped.
///
/// # Panics
/// Without one, where `QUICKDRAW_REQUIRE_PYTHON` is set.
pub fn with(modules: &str) -> Option<String> {
    let python = std::env::var("QUICKDRAW_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let message = format!("{python} with {modules} was not found; QUICKDRAW_PYTHON names another");
    assert!(std::env::var_os("QUICKDRAW_REQUIRE_PYTHON").is_none(), "{message}");
    eprintln!("skipped: {message}");
    None
}
