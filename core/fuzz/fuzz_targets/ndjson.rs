//! Any line: refused, or a record whose drawing can be simplified.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quickdraw_core::Record;

fuzz_target!(|line: &str| {
    if let Ok(record) = Record::parse(line) {
        assert!(!record.word.is_empty() && record.drawing.n_points() > 0);
        let _ = record.drawing.simplify();
    }
});
