//! One drawing of a file as a picture: which one is found, and what it looks like in each form.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use native_train::pictures::drawings::{Glyphs, characters, svg};
use quickdraw_core::Drawing;
use tempfile::TempDir;

const LINES: &str = r#"{"word":"line","countrycode":"DE","timestamp":"2017-03-01 10:00:00.1 UTC","recognized":true,"drawing":[[[0,255],[0,0]]]}
nonsense

{"word":"square","recognized":false,"drawing":[[[0,255,255,0,0],[0,0,255,255,0]]]}
{"word":"line","drawing":[[[0,0],[0,255]],[[9],[9]]]}
"#;

fn place() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("mixed.ndjson"), LINES).unwrap();
    fs::write(folder.path().join("square.ndjson"), LINES.lines().nth(3).unwrap()).unwrap();
    fs::write(folder.path().join("empty.ndjson"), "\n").unwrap();
    folder
}

/// Exit status, output and messages of `show`.
fn show(folder: &Path, arguments: &str) -> (i32, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_native-train"))
        .current_dir(folder)
        .arg("show")
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (run.status.code().unwrap(), text(run.stdout), text(run.stderr))
}

fn drawing(strokes: &[&[[f32; 2]]]) -> Drawing {
    Drawing::from_strokes(strokes.iter().map(|stroke| stroke.to_vec()).collect()).unwrap()
}

#[test]
fn a_line_of_a_file_or_the_first_of_a_category_is_shown() {
    let folder = place();
    for (arguments, caption) in [
        (
            "mixed.ndjson",
            "line, mixed.ndjson:1, 1 stroke, 2 points, from DE, 2017-03-01 10:00:00.1 UTC, recognised",
        ),
        ("mixed.ndjson:4", "square, mixed.ndjson:4, 1 stroke, 5 points, not recognised"),
        ("mixed.ndjson:5", "line, mixed.ndjson:5, 2 strokes, 3 points"),
        ("mixed.ndjson --class square", "square, mixed.ndjson:4, "),
        ("mixed.ndjson:2 --class line", "line, mixed.ndjson:5, "),
        (". --class square", "square, ./square.ndjson:1, "),
        (". --class line", "line, ./mixed.ndjson:1, "),
    ] {
        let (code, out, err) = show(folder.path(), &format!("{arguments} --glyphs braille"));
        assert_eq!(code, 0, "{err}");
        let last = out.lines().last().unwrap();
        assert!(last.starts_with(caption), "{arguments}: {last}");
    }
}

#[test]
fn a_name_with_a_colon_is_a_name_where_there_is_such_a_file() {
    let folder = place();
    fs::copy(folder.path().join("square.ndjson"), folder.path().join("mixed.ndjson:1")).unwrap();
    let (_, out, _) = show(folder.path(), "mixed.ndjson:1 --glyphs blocks");
    assert!(out.lines().last().unwrap().starts_with("square, "), "{out}");
}

#[test]
fn missing_files_lines_and_categories_are_errors() {
    let folder = place();
    for (arguments, message) in [
        ("nowhere.ndjson", "nowhere.ndjson: there is no such file"),
        ("nowhere.ndjson:3", "nowhere.ndjson: there is no such file"),
        ("mixed.ndjson:0", "mixed.ndjson:0: lines are counted from 1"),
        ("mixed.ndjson:99999999999999999999", "no file has so many lines"),
        ("mixed.ndjson:2", "mixed.ndjson:2: "),
        ("mixed.ndjson:3", "mixed.ndjson:3: there is no drawing at this line"),
        ("mixed.ndjson:17", "mixed.ndjson:17: there is no drawing at this line; the last is at 5"),
        ("mixed.ndjson --class yurt", "mixed.ndjson: no drawing of \"yurt\""),
        ("mixed.ndjson:5 --class square", "no drawing of \"square\" from line 5 on"),
        ("empty.ndjson", "empty.ndjson: the file has no drawing"),
        (".", "this is a folder; name a file, or a category by --class"),
        (". --class yurt", "no drawing of \"yurt\" in 3 files"),
        ("mixed.ndjson --svg nowhere/a.svg", "cannot write nowhere/a.svg"),
        ("mixed.ndjson --png nowhere/a.png", "cannot write nowhere/a.png"),
    ] {
        let (code, _, err) = show(folder.path(), arguments);
        assert_eq!(code, 1, "{arguments}");
        assert!(err.starts_with("error: ") && err.contains(message), "{arguments}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
    let (code, _, _) = show(folder.path(), "mixed.ndjson --svg a.svg --png a.png");
    assert_eq!(code, 2);
}

#[test]
fn without_a_terminal_it_is_svg() {
    let folder = place();
    let (_, out, _) = show(folder.path(), "mixed.ndjson:4");
    assert!(out.starts_with("<svg xmlns") && out.ends_with("</svg>\n"), "{out}");
    let (_, out, _) = show(folder.path(), "mixed.ndjson:4 --svg square.svg --size 100");
    assert!(out.starts_with("square, mixed.ndjson:4"), "{out}");
    let text = fs::read_to_string(folder.path().join("square.svg")).unwrap();
    assert!(text.contains("width=\"100\" height=\"100\""), "{text}");
    assert!(text.contains("M4.5 4.5 95.5 4.5 95.5 95.5 4.5 95.5 4.5 4.5"), "{text}");
}

#[test]
fn a_png_has_the_size_that_was_asked_for() {
    let folder = place();
    show(folder.path(), "mixed.ndjson:4 --png square.png --size 200");
    let bytes = fs::read(folder.path().join("square.png")).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(bytes[16..24], [0, 0, 0, 200, 0, 0, 0, 200]);
}

#[test]
fn words_are_escaped() {
    let text = svg(&drawing(&[&[[0.0, 0.0], [1.0, 1.0]]]), "<a \"b\" & c>", 64);
    assert!(text.contains("<title>&lt;a &quot;b&quot; &amp; c&gt;</title>"), "{text}");
}

#[test]
fn a_terminal_gets_braille_or_blocks() {
    // A frame of 8 by 8 dots: four characters by two, or eight by four.
    let square = drawing(&[&[[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0], [0.0, 0.0]]]);
    assert_eq!(characters(&square, 4, Glyphs::Braille), "⡏⠉⠉⢹\n⣇⣀⣀⣸\n");
    assert_eq!(characters(&square, 4, Glyphs::Blocks), "█▀▀█\n█▄▄█\n");
    // A line needs one row, wherever the middle is.
    let line = drawing(&[&[[5.0, 7.0], [305.0, 7.0]]]);
    let text = characters(&line, 10, Glyphs::Braille);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert_eq!(text.trim_end().chars().count(), 10);
}

#[test]
fn degenerate_drawings_have_a_picture() {
    for strokes in [
        &[&[[3.0, 3.0]][..]][..],
        &[&[[3.0, 3.0], [3.0, 3.0]]],
        &[&[[-1e7, 0.0], [1e7, 1e-7]]],
        &[&[[0.0, 0.0]], &[[255.0, 255.0]]],
    ] {
        let drawing = drawing(strokes);
        let text = characters(&drawing, 20, Glyphs::Braille);
        assert!(text.chars().any(|c| c > '\u{2800}'), "{strokes:?}: {text}");
        let text = svg(&drawing, "strange", 256);
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}
