use std::fs;
use std::path::Path;

use native_train::data::{DataSet, ReadOptions, ReadReport, read_folder};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file in it");
    }
    folder
}

fn line(word: &str, x: u8) -> String {
    format!("{{\"word\":\"{word}\",\"drawing\":[[[0,{x}],[0,255]]]}}\n")
}

fn read(folder: &TempDir) -> anyhow::Result<(DataSet, ReadReport)> {
    read_folder(folder.path(), &ReadOptions::default())
}

fn error(folder: &TempDir, options: &ReadOptions) -> String {
    format!("{:#}", read_folder(folder.path(), options).expect_err("this folder must not be read"))
}

#[test]
fn files_are_read_in_order_and_classes_are_sorted() {
    let folder = folder(&[
        ("b.ndjson", &(line("ant", 1) + &line("ant", 2))),
        ("a.ndjson", &line("zebra", 3)),
        ("c.ndjson", &format!("{}\r\n\n  \n{}", line("cat", 4).trim_end(), line("cat", 5).trim_end())),
        ("notes.txt", "not data"),
    ]);
    let (data, report) = read(&folder).unwrap();
    assert_eq!(data.labels(), ["ant", "cat", "zebra"]);
    let found: Vec<(usize, f32)> =
        (0..data.len()).map(|i| (data.label(i), data.drawing(i).strokes()[0][1][0])).collect();
    assert_eq!(found, [(2, 3.0), (0, 1.0), (0, 2.0), (1, 4.0), (1, 5.0)]);
    assert_eq!((report.n_files, report.n_drawings, report.n_other_files), (3, 5, 1));
    assert_eq!(report.n_bad_lines, 0);
    assert_eq!(report.to_string(), "5 drawings from 3 files; 1 other file not ndjson, passed over");
}

#[test]
fn bad_lines_are_counted_and_shown_with_their_place() {
    let mut text = line("cat", 1).into_bytes();
    text.extend_from_slice(b"{\"word\":\"cat\"\n");
    text.extend_from_slice(b"\xff\xfe not text\n");
    text.extend_from_slice(line("cat", 2).as_bytes());
    text.extend_from_slice(b"{\"word\":\"cat\",\"drawing\":[[[0,1],[0]]]}\n");
    text.extend_from_slice(b"{\"word\":\"\",\"drawing\":[[[0,1],[0,1]]]}\n");
    text.extend_from_slice(b"{\"word\":\"cat\",\"drawing\":[]}\n");
    let folder = folder(&[]);
    let path = folder.path().join("cat.ndjson");
    fs::write(&path, text).unwrap();
    let (data, report) = read(&folder).unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(report.n_bad_lines, 5);
    for (example, number) in report.examples.iter().zip([2, 3, 5, 6, 7]) {
        assert!(example.starts_with(&format!("{}:{number}: ", path.display())), "{example}");
    }
    assert!(report.examples[1].contains("not UTF-8"), "{}", report.examples[1]);
    assert!(report.to_string().contains("5 bad lines left out:"), "{report}");
}

#[test]
fn many_bad_lines_are_counted_and_ten_are_shown() {
    let folder = folder(&[("cat.ndjson", &(line("cat", 1) + &"nonsense\n".repeat(25)))]);
    let (_, report) = read(&folder).unwrap();
    assert_eq!((report.n_bad_lines, report.examples.len()), (25, 10));
    assert!(report.to_string().ends_with("and 15 more"), "{report}");
}

#[test]
fn an_endless_line_is_a_bad_line_and_the_next_is_read() {
    let endless = " ".repeat(9 << 20);
    let folder = folder(&[("cat.ndjson", &format!("{endless}\n{}", line("cat", 1)))]);
    let (data, report) = read(&folder).unwrap();
    assert_eq!((data.len(), report.n_bad_lines), (1, 1));
    assert!(report.examples[0].contains(":1: the line is longer than 8 MiB"), "{}", report.examples[0]);
}

#[test]
fn folders_without_data_are_errors_that_say_what_was_expected() {
    let options = ReadOptions::default();
    let missing = read_folder(Path::new("no/such/folder"), &options).unwrap_err().to_string();
    assert_eq!(missing, "no/such/folder: there is no such folder");

    let with_file = folder(&[("cat.ndjson", "")]);
    let as_folder = read_folder(&with_file.path().join("cat.ndjson"), &options).unwrap_err().to_string();
    assert!(as_folder.contains("not a folder"), "{as_folder}");

    assert!(error(&folder(&[]), &options).contains("no .ndjson file"));
    assert!(error(&folder(&[("cat.json", "{}")]), &options).contains("no .ndjson file"));
    assert!(error(&with_file, &options).ends_with("cat.ndjson: the file is empty"));
    let nonsense = error(&folder(&[("cat.ndjson", "one\ntwo\n")]), &options);
    assert!(
        nonsense.contains("no valid drawing in 2 lines") && nonsense.contains("cat.ndjson:1: "),
        "{nonsense}"
    );
}

#[test]
fn the_first_drawings_of_a_class_are_taken() {
    let long: String = (0..10).map(|x| line("cat", x)).collect();
    let mixed = line("cat", 20) + &line("dog", 21) + &line("dog", 22) + &line("cat", 23);
    let folder = folder(&[("cat.ndjson", &long), ("mixed.ndjson", &mixed)]);
    let read = |skip_per_class, max_per_class| {
        let options = ReadOptions { skip_per_class, max_per_class, ..ReadOptions::default() };
        let (data, _) = read_folder(folder.path(), &options).unwrap();
        (0..data.len()).map(|i| data.drawing(i).strokes()[0][1][0] as u8).collect::<Vec<_>>()
    };
    assert_eq!(read(0, Some(3)), [0, 1, 2, 21, 22]);
    assert_eq!(read(1, Some(2)), [1, 2, 22]);
    assert_eq!(read(0, Some(11)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22]);
    let none = ReadOptions { skip_per_class: 50, ..ReadOptions::default() };
    assert!(error(&folder, &none).contains("no drawing is left after passing over 50"));
}

#[test]
fn a_models_classes_keep_their_order_and_refuse_others() {
    let labels = |names: &[&str]| {
        let labels = Some(names.iter().map(|&name| name.to_owned()).collect());
        ReadOptions { labels, ..ReadOptions::default() }
    };
    let folder = folder(&[("cat.ndjson", &line("cat", 1)), ("dog.ndjson", &line("dog", 2))]);
    let (data, _) = read_folder(folder.path(), &labels(&["yurt", "dog", "cat"])).unwrap();
    assert_eq!(data.labels(), ["yurt", "dog", "cat"]);
    assert_eq!([data.label(0), data.label(1)], [2, 1]);
    let refused = error(&folder, &labels(&["cat", "yurt"]));
    assert!(
        refused.ends_with("dog.ndjson:1: the word \"dog\" is not one of the 2 classes expected: cat, yurt"),
        "{refused}"
    );
}

#[test]
fn soft_labels_are_read_by_name() {
    let with_soft =
        "{\"word\":\"cat\",\"drawing\":[[[0],[0]]],\"soft\":{\"cat\":0.5,\"dog\":0.25,\"yurt\":0.25}}\n";
    let folder = folder(&[("cat.ndjson", with_soft), ("dog.ndjson", &line("dog", 1))]);
    let (data, report) = read(&folder).unwrap();
    assert_eq!(data.labels(), ["cat", "dog"], "a class needs drawings");
    assert_eq!(data.soft(0), [(0, 0.5), (1, 0.25)]);
    assert_eq!(data.soft(1), []);
    assert_eq!(report.n_unknown_soft, 1);
}

#[test]
fn raw_drawings_are_simplified_and_counted() {
    let raw = "{\"word\":\"cat\",\"drawing\":[[[100.5,400.5,700.5],[50.5,50.5,50.5],[0,10,20]]]}\n";
    let (data, report) = read(&folder(&[("cat.ndjson", raw)])).unwrap();
    assert_eq!(data.drawing(0).strokes(), [vec![[0.0, 0.0], [255.0, 0.0]]]);
    assert_eq!(report.n_simplified, 1);
}

#[test]
fn real_drawings_are_all_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/quickdraw/test");
    if !path.exists() {
        eprintln!("skipped: there are no drawings at {}", path.display());
        return;
    }
    let (data, report) = read_folder(&path, &ReadOptions::default()).unwrap();
    assert_eq!((data.n_classes(), report.n_bad_lines, report.n_simplified), (345, 0, 0), "{report}");
    assert!(data.class_counts().iter().all(|&count| count >= 8));
    assert!(data.labels().is_sorted());
}
