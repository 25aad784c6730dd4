use std::fs;
use std::io::Write;
use std::path::Path;

use native_train::data::{DataSet, ReadOptions, ReadReport, read_folder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
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
    assert_eq!(report.to_string(), "5 drawings from 3 files; 1 other file passed over");
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
    assert_eq!(missing, "no/such/folder: there is no such folder or file");

    let with_file = folder(&[("cat.ndjson", "")]);
    let as_file = read_folder(&with_file.path().join("cat.ndjson"), &options).unwrap_err().to_string();
    assert!(as_file.ends_with("cat.ndjson: the file is empty"), "{as_file}");

    assert!(error(&folder(&[]), &options).contains("no .ndjson, .csv or .bin file"));
    assert!(error(&folder(&[("cat.json", "{}")]), &options).contains("no .ndjson, .csv or .bin file"));
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

/// A drawing as the binary files of the data set have it.
fn binary(key_id: u64, recognized: bool, strokes: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = key_id.to_le_bytes().to_vec();
    bytes.extend(b"KR");
    bytes.push(recognized.into());
    bytes.extend(1_488_000_000u32.to_le_bytes());
    bytes.extend((strokes.len() as u16).to_le_bytes());
    for (x, y) in strokes {
        bytes.extend((x.len() as u16).to_le_bytes());
        bytes.extend(*x);
        bytes.extend(*y);
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// The same three cats and one dog in every form.
fn forms() -> Vec<(&'static str, Vec<u8>, &'static str, Vec<u8>)> {
    let cats = [1, 2, 3].map(|x| line("cat", x)).concat().into_bytes();
    let dog = line("dog", 4).into_bytes();
    let binary_cats = [1u8, 2, 3].map(|x| binary(5, true, &[(&[0, x], &[0, 255])])).concat();
    let binary_dog = binary(6, false, &[(&[0, 4], &[0, 255])]);
    let row = |word: &str, x: u8| {
        format!("{word},\"[[[0, {x}], [0, 255]]]\",US,9,True,2017-03-01 20:41:36.70725\n")
    };
    let header = "word,drawing,countrycode,key_id,recognized,timestamp\n";
    let table = |rows: String| (header.to_owned() + &rows).into_bytes();
    let (table_cats, table_dog) = (table([1, 2, 3].map(|x| row("cat", x)).concat()), table(row("dog", 4)));
    vec![
        ("cat.ndjson", cats.clone(), "dog.jsonl", dog.clone()),
        ("cat.ndjson.gz", gzip(&cats), "dog.ndjson.zst", zstandard(&dog)),
        ("cat.bin", binary_cats.clone(), "dog.bin.gz", gzip(&binary_dog)),
        ("cat.csv", table_cats.clone(), "dog.csv.zst", zstandard(&table_dog)),
        // By content: names that promise something else, and gzip members one after the other.
        ("cat.csv", gzip(&cats), "dog.ndjson", zstandard(&binary_dog)),
        ("cat.bin", table_cats, "dog.csv", binary_dog),
        ("cat.ndjson", [gzip(&cats[..30]), gzip(&cats[30..])].concat(), "dog.bin", gzip(&dog)),
        // Frames as well, among them one to be skipped (RFC 8878, 3.1.2).
        (
            "cat.ndjson.zst",
            [&b"\x51\x2a\x4d\x18\x03\0\0\0abc"[..], &zstandard(&cats[..30]), &zstandard(&cats[30..])]
                .concat(),
            "dog.ndjson.zst",
            [&zstandard(&dog)[..], b"\x50\x2a\x4d\x18\0\0\0\0"].concat(),
        ),
    ]
}

#[test]
fn every_format_of_the_data_gives_the_same_drawings() {
    for (cat_name, cats, dog_name, dog) in forms() {
        let folder = folder(&[]);
        fs::write(folder.path().join(cat_name), cats).unwrap();
        fs::write(folder.path().join(dog_name), dog).unwrap();
        let (data, report) = read(&folder).unwrap();
        assert_eq!(data.labels(), ["cat", "dog"], "{cat_name}");
        assert_eq!((report.n_drawings, report.n_bad_lines, report.n_files), (4, 0, 2), "{report}");
        let found: Vec<(usize, Vec<[f32; 2]>)> =
            (0..4).map(|i| (data.label(i), data.drawing(i).strokes()[0].clone())).collect();
        let expected =
            [(0, 1.0), (0, 2.0), (0, 3.0), (1, 4.0)].map(|(label, x)| (label, vec![[0.0, 0.0], [x, 255.0]]));
        assert_eq!(found, expected, "{cat_name}");
    }
}

/// Whatever is in a file, it is drawings, bad lines or an error.
#[test]
fn damaged_files_are_read_or_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut n_read, mut n_refused) = (0, 0);
    let files = forms().into_iter().flat_map(|(cat, cats, dog, dogs)| [(cat, cats), (dog, dogs)]);
    for (name, content) in files {
        let folder = folder(&[]);
        let path = folder.path().join(name);
        for _ in 0..200 {
            let mut bytes = content.clone();
            for _ in 0..rng.random_range(1..=4) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..5) {
                    0 => bytes[at] = rng.random(),
                    1 => bytes[at] ^= 1 << rng.random_range(0..8),
                    2 => bytes.insert(at, rng.random()),
                    3 => drop(bytes.drain(at..(at + 4).min(bytes.len() - 1).max(at))),
                    _ => bytes.truncate(at + 1),
                }
            }
            fs::write(&path, bytes).unwrap();
            match read(&folder) {
                Ok((data, report)) => {
                    assert_eq!(data.len(), report.n_drawings);
                    n_read += 1;
                }
                Err(error) => {
                    assert!(format!("{error:#}").contains(name), "{error:#}");
                    n_refused += 1;
                }
            }
        }
    }
    assert!(n_read > 200 && n_refused > 200, "{n_read} files read, {n_refused} refused");
}

#[test]
fn errors_in_csv_and_binary_files_are_reported_with_their_place() {
    let folder = folder(&[(
        "cat.csv",
        "key_id,word,drawing\n1,cat,\"[[[0,1],[0,255]]]\"\n2,cat,\"[[[0,1],[0]]]\"\n3,cat\n4,cat,\"[[[0,9],[0,255]]]\"\n",
    )]);
    let (data, report) = read(&folder).unwrap();
    assert_eq!((data.len(), report.n_bad_lines), (2, 2));
    assert!(
        report.examples[0].contains("cat.csv:3: ") && report.examples[1].contains("cat.csv:4: "),
        "{report}"
    );
    assert!(report.examples[1].contains("none for \"drawing\""), "{report}");

    // An empty drawing in the middle, and an end in the middle of the last one.
    let good = binary(1, true, &[(&[0, 9], &[0, 255])]);
    let bytes = [good.clone(), binary(2, true, &[]), good.clone(), good[..good.len() - 1].to_vec()].concat();
    fs::write(folder.path().join("dog.bin"), bytes).unwrap();
    fs::remove_file(folder.path().join("cat.csv")).unwrap();
    let (data, report) = read(&folder).unwrap();
    assert_eq!((data.len(), report.n_bad_lines), (2, 2));
    assert!(report.examples[0].contains("dog.bin:2: "), "{report}");
    assert!(
        report.examples[1].contains("dog.bin:4: the file ends in the middle of this drawing"),
        "{report}"
    );
}

#[test]
fn a_truncated_compressed_file_is_an_error() {
    let lines = (0..200).map(|x| line("cat", x)).collect::<String>();
    for (name, bytes) in
        [("cat.ndjson.gz", gzip(lines.as_bytes())), ("cat.ndjson.zst", zstandard(lines.as_bytes()))]
    {
        let folder = folder(&[]);
        for cut in [bytes.len() / 2, bytes.len() - 5, 12] {
            fs::write(folder.path().join(name), &bytes[..cut]).unwrap();
            let message = error(&folder, &ReadOptions::default());
            assert!(message.contains(name) && message.contains("cannot be read"), "{message}");
        }
    }
    // The checksum at the end, and trailing garbage.
    for (name, bytes, checksum_at) in
        [("cat.ndjson.gz", gzip(lines.as_bytes()), 6), ("cat.ndjson.zst", zstandard(lines.as_bytes()), 2)]
    {
        let mut spoilt = bytes.clone();
        let at = spoilt.len() - checksum_at;
        spoilt[at] ^= 1;
        for spoilt in [spoilt, [&bytes[..], b"more"].concat(), [&bytes[..], &bytes[..20]].concat()] {
            let folder = folder(&[]);
            fs::write(folder.path().join(name), spoilt).unwrap();
            let message = error(&folder, &ReadOptions::default());
            assert!(message.contains("cannot be read to its end"), "{message}");
        }
    }
}

#[test]
fn classes_that_are_asked_for_are_selected() {
    let select = |names: &[&str]| {
        let labels = Some(names.iter().map(|&name| name.to_owned()).collect());
        ReadOptions { labels, selects: true, ..ReadOptions::default() }
    };
    let mixed = line("cat", 1) + &line("dog", 2) + "nonsense\n" + &line("yurt", 3);
    let many: String = (0..9).map(|x| line("dog", x)).collect();
    let folder = folder(&[("all.ndjson", &mixed), ("dog.ndjson", &many), ("ant.ndjson", &line("ant", 5))]);
    let (data, report) = read_folder(folder.path(), &select(&["yurt", "cat"])).unwrap();
    assert_eq!(data.labels(), ["yurt", "cat"]);
    assert_eq!(data.class_counts(), [1, 1]);
    // Of a file that is named after another category only the first is looked at.
    assert_eq!((report.n_other_classes, report.n_bad_lines), (3, 1));
    assert!(report.to_string().contains("; 3 drawings of other classes passed over"), "{report}");
    let refused = error(&folder, &select(&["moon"]));
    assert!(refused.ends_with("no drawing is of the 1 classes asked for: moon"), "{refused}");
}
