//! The environment of a run, recorded with its figures.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The git revision that the program was built from; empty outside a checkout.
pub const GIT_REVISION: &str =
    git_version::git_version!(args = ["--always", "--abbrev=12", "--dirty=-modified"], fallback = "");

/// Program, revision, command line, time, machine, and the devices computed on.
pub fn describe(device: &str) -> Map<String, Value> {
    let kinds = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(kinds);
    let processor = system.cpus().first().map_or("", |cpu| cpu.brand());
    let facts = [
        ("program", json!(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))),
        ("git_revision", json!(GIT_REVISION)),
        (
            "command",
            json!(std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>()),
        ),
        ("started", json!(humantime::format_rfc3339_seconds(SystemTime::now()).to_string())),
        ("system", json!(System::long_os_version())),
        ("architecture", json!(std::env::consts::ARCH)),
        ("processor", json!(processor)),
        ("cores", json!(system.cpus().len())),
        ("threads", json!(rayon::current_num_threads())),
        ("memory_bytes", json!(system.total_memory())),
        ("device", json!(device)),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
