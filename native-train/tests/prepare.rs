//! `prepare`: drawings in, shards out, and back again through the loader.

mod python;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use native_train::data::{DataSet, ReadOptions, read_folder};
use native_train::prepare::{Format, Options, Summary, prepare};
use quickdraw_core::{Ink, InkFormat};
use serde_json::Value;
use tempfile::TempDir;

/// A drawing in simplified form that is different for each number below 65,536.
fn line(word: &str, key_id: &str, number: usize) -> String {
    let (low, high) = (number % 256, number / 256 % 256);
    let fields = format!(
        "\"word\":\"{word}\",\"countrycode\":\"{}\",\"timestamp\":\"2017-03-01 20:41:36.70725 UTC\",\"recognized\":{}",
        if number.is_multiple_of(3) { "KR" } else { "US" },
        !number.is_multiple_of(5)
    );
    format!(
        "{{{fields},\"key_id\":\"{key_id}\",\"drawing\":[[[0,{low},255],[0,{high},97]],[[12,{low}],[{high},31]],[[5],[6]]]}}\n"
    )
}

fn lines(word: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| line(word, &format!("{word}{number}"), number)).collect()
}

/// `n` cats, ants and dogs each, in three files.
fn animals(n: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    for word in ["cat", "ant", "dog"] {
        fs::write(folder.path().join(format!("{word}.ndjson")), lines(word, 0..n)).unwrap();
    }
    folder
}

fn small() -> Options {
    Options {
        train_observations_per_class: 1000,
        eval_observations_per_class: 250,
        output_shards: 3,
        ..Options::default()
    }
}

fn run(input: &Path, out: &Path, options: &Options) -> Summary {
    prepare(&[input.to_owned()], out, options, true).unwrap()
}

fn refusal(input: &Path, out: &Path, options: &Options) -> String {
    format!("{:#}", prepare(&[input.to_owned()], out, options, true).expect_err("this must be refused"))
}

/// Names and contents of the files of a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

fn read(pattern: &Path) -> DataSet {
    read_folder(pattern, &ReadOptions::default()).unwrap().0
}

/// Word and tutorial ink of each drawing.
fn inks(data: &DataSet) -> Vec<(String, Vec<u32>)> {
    let ink = |index| {
        let ink = Ink::from_drawing(&data.drawing(index), InkFormat::Tutorial);
        (data.labels()[data.label(index)].clone(), ink.rows().iter().map(|value| value.to_bits()).collect())
    };
    (0..data.len()).map(ink).collect()
}

fn sorted(mut inks: Vec<(String, Vec<u32>)>) -> Vec<(String, Vec<u32>)> {
    inks.sort();
    inks
}

/// The drawings of a side, by the value that makes them different.
fn numbers(out: &Path, side: &str) -> BTreeSet<(String, u8, u8)> {
    let data = read(&out.join(format!("{side}*.ndjson")));
    let number = |index| {
        let [x, y] = data.drawing(index).strokes()[0][1];
        (data.labels()[data.label(index)].clone(), x as u8, y as u8)
    };
    (0..data.len()).map(number).collect()
}

#[test]
fn every_format_gives_the_loader_the_same_inks() {
    let input = animals(300);
    let expected = sorted(inks(&read(input.path())));
    for format in [Format::Tfrecord, Format::Ndjson, Format::NdjsonGz] {
        let out = TempDir::new().unwrap();
        let summary = run(input.path(), out.path(), &Options { format, ..small() });
        assert_eq!((summary.train + summary.eval, summary.read), (900, 900), "{format:?}");
        let data = read(out.path());
        assert_eq!(data.labels(), ["ant", "cat", "dog"], "{format:?}");
        let found = inks(&data);
        assert_ne!(found, expected, "{format:?}: shuffled");
        assert_eq!(sorted(found), expected, "{format:?}: to the last bit");
    }
}

#[test]
fn names_and_layout_are_the_tutorials() {
    let input = animals(100);
    let out = TempDir::new().unwrap();
    let out = out.path().join("new");
    let summary = run(input.path(), &out, &small());
    let files = contents(&out);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "eval.tfrecord-00000-of-00003",
            "eval.tfrecord-00001-of-00003",
            "eval.tfrecord-00002-of-00003",
            "eval.tfrecord.classes",
            "manifest.json",
            "training.tfrecord-00000-of-00003",
            "training.tfrecord-00001-of-00003",
            "training.tfrecord-00002-of-00003",
            "training.tfrecord.classes",
        ]
    );
    assert_eq!(files["training.tfrecord.classes"], b"ant\ncat\ndog\n");
    assert_eq!(files["eval.tfrecord.classes"], b"ant\ncat\ndog\n");
    assert!(!out.with_file_name("new.partial").exists());

    // The manifest has size and hash of each file.
    let manifest = manifest(&out);
    assert_eq!(manifest["asked"]["options"]["seed"], 1);
    assert_eq!(manifest["asked"]["inputs"].as_array().unwrap().len(), 3);
    assert_eq!(manifest["summary"]["train"], summary.train);
    let mut n_records = 0;
    for file in manifest["files"].as_array().unwrap() {
        let content = &files[file["name"].as_str().unwrap()];
        assert_eq!(file["bytes"], content.len());
        let hash = <sha2::Sha256 as sha2::Digest>::digest(content);
        assert_eq!(file["sha256"], hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        n_records += file["records"].as_u64().unwrap();
    }
    assert_eq!(n_records, 300 + 2 * 3, "drawings, and classes twice");
    let [train, eval] = ["training", "eval"].map(|side| read(&out.join(format!("{side}.tfrecord-*"))).len());
    assert_eq!((train, eval), (summary.train, summary.eval));
}

#[test]
fn an_independent_reader_finds_what_was_written() {
    let Some(python) = python::with("google.protobuf") else { return };
    let input = animals(40);
    let out = TempDir::new().unwrap();
    run(input.path(), out.path(), &small());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms/read_tfrecord.py");
    for side in ["training", "eval"] {
        let shards = (0..3).map(|shard| out.path().join(format!("{side}.tfrecord-{shard:05}-of-00003")));
        let output = Command::new(&python).arg(&script).args(shards).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let data = read(&out.path().join(format!("{side}.tfrecord-*")));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), data.len());
        for (index, line) in text.lines().enumerate() {
            let found: Value = serde_json::from_str(line).unwrap();
            let ink = Ink::from_drawing(&data.drawing(index), InkFormat::Tutorial);
            let numbers: Vec<f32> = serde_json::from_value(found["ink"].clone()).unwrap();
            assert_eq!(numbers, ink.rows());
            assert_eq!(found["shape"], serde_json::json!([ink.n_rows(), 3]));
            assert_eq!(found["class_index"], serde_json::json!([data.label(index)]));
            assert_eq!(found["names"], serde_json::json!(["class_index", "ink", "shape"]));
        }
    }
}

#[test]
fn the_split_stays_when_the_data_grows_and_for_every_seed() {
    let options = Options { format: Format::Ndjson, ..small() };
    let (few, many) = (animals(200), animals(600));
    let out = TempDir::new().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| out.path().join(name));
    run(few.path(), &a, &options);
    run(many.path(), &b, &options);
    run(many.path(), &c, &Options { seed: 2, ..options.clone() });
    for side in ["training", "eval"] {
        assert!(numbers(&a, side).is_subset(&numbers(&b, side)), "{side}");
        assert_eq!(numbers(&b, side), numbers(&c, side), "{side}");
    }
    assert!(numbers(&b, "training").is_disjoint(&numbers(&b, "eval")));
    let share = numbers(&b, "eval").len() as f64 / 1800.0;
    assert!((share - 0.2).abs() < 0.03, "{share}");
    assert_ne!(inks(&read(&b)), inks(&read(&c)), "another order");
}

#[test]
fn equal_inputs_and_options_give_equal_bytes() {
    // Two files of a class, and one more form: neither threads nor the order of the files change
    // anything.
    let input = animals(100);
    fs::write(input.path().join("more.ndjson"), lines("cat", 100..150)).unwrap();
    let out = TempDir::new().unwrap();
    let [a, b] = ["a", "b"].map(|name| out.path().join(name));
    let files: Vec<PathBuf> =
        ["ant", "cat", "dog", "more"].map(|name| input.path().join(format!("{name}.ndjson"))).to_vec();
    let reversed: Vec<PathBuf> = files.iter().rev().cloned().collect();
    prepare(&files, &a, &small(), true).unwrap();
    prepare(&reversed, &b, &small(), true).unwrap();
    let (mut a, mut b) = (contents(&a), contents(&b));
    a.remove("manifest.json");
    b.remove("manifest.json");
    assert_eq!(a, b);
}

#[test]
fn soft_labels_go_through_every_format() {
    let input = TempDir::new().unwrap();
    let with_soft = |word: &str, number: usize| {
        // Every third has none; yurts have no drawing of their own.
        let soft = format!("\"soft\":{{\"cat\":0.{number:02}7,\"dog\":1e-6,\"yurt\":0.5}},\"drawing\"");
        let line = line(word, &format!("{word}{number}"), number);
        if number.is_multiple_of(3) { line } else { line.replace("\"drawing\"", &soft) }
    };
    for word in ["cat", "dog"] {
        let lines: String = (0..90).map(|number| with_soft(word, number)).collect();
        fs::write(input.path().join(format!("{word}.ndjson")), lines).unwrap();
    }
    let soft_of = |path: &Path| {
        let data = read(path);
        let soft =
            |index| data.soft(index).iter().map(|&(class, p)| (class, p.to_bits())).collect::<Vec<_>>();
        let mut all: Vec<_> = inks(&data).into_iter().zip((0..data.len()).map(soft)).collect();
        all.sort();
        all
    };
    let expected = soft_of(input.path());
    assert_eq!(expected.iter().filter(|(_, soft)| soft.len() == 2).count(), 120);
    for format in [Format::Tfrecord, Format::Ndjson, Format::NdjsonGz] {
        let out = TempDir::new().unwrap();
        let summary = run(input.path(), out.path(), &Options { format, ..small() });
        assert!(soft_of(out.path()) == expected, "{format:?}");
        let n_unknown = if format == Format::Tfrecord { 120 } else { 0 };
        assert_eq!(summary.unknown_soft, n_unknown, "{format:?}");
        assert_eq!(summary.to_string().contains("left out: 120 soft labels"), n_unknown > 0, "{summary}");
    }
}

#[test]
fn duplicates_that_are_kept_are_on_one_side_of_the_split() {
    let input = TempDir::new().unwrap();
    let copies = (0..40).flat_map(|number| (0..10).map(move |copy| (number, copy)));
    let lines: String =
        copies.map(|(number, copy)| line("cat", &format!("{number}-{copy}"), number)).collect();
    fs::write(input.path().join("cat.ndjson"), lines).unwrap();
    let out = TempDir::new().unwrap();
    let options = Options { format: Format::Ndjson, keep_duplicates: true, ..small() };
    let summary = run(input.path(), out.path(), &options);
    assert_eq!((summary.train + summary.eval, summary.left_out.duplicate), (400, 0));
    let [train, eval] = ["training", "eval"].map(|side| numbers(out.path(), side));
    assert!(train.len() > 20 && !eval.is_empty() && train.is_disjoint(&eval), "{train:?} {eval:?}");
}

#[test]
fn shards_are_of_similar_size_and_hold_all_classes_mixed() {
    let input = animals(1000);
    let out = TempDir::new().unwrap();
    let options = Options { train_observations_per_class: 800, eval_observations_per_class: 100, ..small() };
    let summary = run(input.path(), out.path(), &options);
    for class in &summary.classes {
        assert!(class.train == 800 && (80..=100).contains(&class.eval), "{class:?}");
    }
    assert!(summary.left_out.over_limit > 0);
    let manifest = manifest(out.path());
    for file in manifest["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        if let ("training", n) = (name.split('.').next().unwrap(), file["records"].as_u64().unwrap()) {
            assert!(name.ends_with("classes") || (700..900).contains(&n), "{name}: {n}");
        }
    }
    let data = read(&out.path().join("training.tfrecord-00000-of-00003"));
    let labels: Vec<usize> = (0..data.len()).map(|index| data.label(index)).collect();
    let n_changes = labels.windows(2).filter(|pair| pair[0] != pair[1]).count() as f64;
    assert!((n_changes / labels.len() as f64 - 2.0 / 3.0).abs() < 0.06, "{n_changes} of {}", labels.len());
}

#[test]
fn filters_keep_only_what_they_select() {
    let input = animals(300);
    let kept = |options: Options| {
        let out = TempDir::new().unwrap();
        run(input.path(), out.path(), &Options { format: Format::Ndjson, ..options })
    };
    let total = |summary: &Summary| summary.train + summary.eval;

    let recognized = kept(Options { recognized_only: true, ..small() });
    assert_eq!((total(&recognized), recognized.left_out.not_recognized), (3 * 240, 3 * 60));
    let korean = kept(Options { countries: Some(["KR".to_owned()].into()), ..small() });
    assert_eq!((total(&korean), korean.left_out.other_country), (3 * 100, 3 * 200));
    let limited = kept(Options { max_per_class: Some(50), ..small() });
    assert!(limited.classes.iter().all(|class| class.train + class.eval == 50), "{limited}");
    let no_eval = kept(Options { eval_observations_per_class: 0, ..small() });
    assert_eq!((no_eval.train, no_eval.eval), (900, 0));

    // In the order that was asked for, also if there is no drawing of one.
    let classes = ["yurt", "dog", "ant"].map(str::to_owned).to_vec();
    let out = TempDir::new().unwrap();
    let some = run(input.path(), out.path(), &Options { classes: Some(classes), ..small() });
    assert_eq!((total(&some), some.left_out.other_class), (600, 300));
    assert_eq!(fs::read_to_string(out.path().join("training.tfrecord.classes")).unwrap(), "yurt\ndog\nant\n");
    assert_eq!(some.classes[0].train + some.classes[0].eval, 0);
    assert_eq!(read(out.path()).labels(), ["ant", "dog"]);

    let out = TempDir::new().unwrap();
    let none = Options { countries: Some(["XX".to_owned()].into()), ..small() };
    let found = refusal(input.path(), &out.path().join("none"), &none);
    assert!(
        found.contains("no drawing is left to write") && found.contains("900 from other countries"),
        "{found}"
    );
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn duplicates_and_drawings_without_ink_are_left_out() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cat.ndjson");
    let dot = "{\"word\":\"cat\",\"drawing\":[[[3,3],[4,4]]]}\n";
    let numbers: Vec<String> = (0..9000).map(|i| (i * 83 % 256).to_string()).collect();
    let scribble = format!("{{\"word\":\"cat\",\"drawing\":[[[{0}],[{0}]]]}}\n", numbers.join(","));
    let raw = "{\"word\":\"cat\",\"drawing\":[[[100.5,400.5,700.5],[50.5,50.5,50.5],[0,10,20]]]}\n";
    let text = line("cat", "1", 1) + &line("cat", "2", 1) + &line("cat", "1", 2) + &line("dog", "1", 1);
    fs::write(&path, text + dot + &scribble + raw).unwrap();
    let out = TempDir::new().unwrap();
    let [a, b] = ["a", "b"].map(|name| out.path().join(name));
    let summary = run(&path, &a, &small());
    let left_out = &summary.left_out;
    assert_eq!((left_out.duplicate, left_out.empty, left_out.absurd), (2, 1, 1), "{summary}");
    assert_eq!((summary.train + summary.eval, summary.simplified), (3, 1));
    let summary = run(&path, &b, &Options { keep_duplicates: true, ..small() });
    assert_eq!(summary.train + summary.eval, 5);
}

#[test]
fn ndjson_keeps_the_metadata_of_drawings() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cat.ndjson");
    let original = "{\"word\":\"a \\\"cat\\\"\",\"countrycode\":\"KR\",\"timestamp\":\"2017-03-01 20:41:36.70725 UTC\",\
                    \"recognized\":true,\"key_id\":\"5201136883597312\",\"drawing\":[[[0,9,255],[0,1,2]],[[7],[8]]]}\n";
    fs::write(&path, original).unwrap();
    let out = TempDir::new().unwrap();
    let options =
        Options { format: Format::Ndjson, eval_observations_per_class: 0, output_shards: 1, ..small() };
    run(&path, out.path(), &options);
    assert_eq!(fs::read_to_string(out.path().join("training-00000-of-00001.ndjson")).unwrap(), original);
    assert_eq!(fs::read_to_string(out.path().join("classes.txt")).unwrap(), "a \"cat\"\n");
}

#[test]
fn bad_lines_are_reported_and_fatal_only_with_strict() {
    let input = animals(20);
    let path = input.path().join("bad.ndjson");
    let mut text = line("cat", "x", 999).into_bytes();
    text.extend(b"{\"word\":\"cat\",\"drawing\":[[[0,\xff],[0,1]]]}\n{\"word\":7}\n{\"word\":\"cat\",\"drawing\":\"none\"}\n[1\n");
    fs::write(&path, text).unwrap();
    let out = TempDir::new().unwrap();
    let out = out.path().join("out");
    let strict = refusal(input.path(), &out, &Options { strict: true, ..small() });
    assert!(strict.contains("bad.ndjson:2: not UTF-8"), "{strict}");
    assert!(!out.exists() && !out.with_file_name("out.partial").exists());

    let summary = run(input.path(), &out, &small());
    assert_eq!((summary.train + summary.eval, summary.left_out.bad_lines), (61, 4), "{summary}");
    for (example, number) in summary.examples.iter().zip(2..) {
        assert!(example.starts_with(&format!("{}:{number}: ", path.display())), "{example}");
    }
    assert!(summary.to_string().contains("bad lines left out: 4"), "{summary}");
    assert_eq!(manifest(&out)["summary"]["examples"].as_array().unwrap().len(), 4);
}

/// A file is read in parts of 256 KiB; their borders have no effect.
#[test]
fn line_numbers_count_from_the_start_of_the_file() {
    let mut text = String::new();
    let mut bad = Vec::new();
    for number in 1..=6000_usize {
        match number {
            // Longer than a part, and good.
            1200 => text += &line("cat", "long", 1200).replacen(',', &format!(",{}", " ".repeat(700_000)), 1),
            // Longer than any line may be, and longer than that by a little.
            2500 | 2501 => {
                bad.push(number);
                text += &("[".repeat((8 << 20) + 1 + (number - 2500) * 300_000) + "\n");
            }
            _ if number % 997 == 0 => {
                bad.push(number);
                text += "{\"word\":\"cat\"}\r\n";
            }
            // Empty ones are none, and count.
            3000 => text += "\n \r\n".repeat(100).as_str(),
            _ => text += &line("cat", &format!("cat{number}"), number),
        }
    }
    let expected: Vec<usize> =
        bad.iter().map(|&number| if number > 3000 { number + 199 } else { number }).collect();
    let text = text.trim_end();
    assert!(text.len() > 16 << 20 && expected.len() <= 10);

    let place = TempDir::new().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for (name, bytes) in [("plain", text.as_bytes()), ("packed", &gzip.finish().unwrap())] {
        let path = place.path().join(format!("{name}.ndjson"));
        fs::write(&path, bytes).unwrap();
        let summary = run(&path, &place.path().join(name), &small());
        let prefix = format!("{}:", path.display());
        let number = |place: &String| place.strip_prefix(&prefix)?.split(':').next()?.parse().ok();
        let found: Vec<usize> = summary.examples.iter().filter_map(number).collect();
        assert_eq!(found, expected, "{name}: {summary}");
        assert_eq!(summary.read, 6000 - 1, "{name}");
        assert_eq!(summary.left_out.bad_lines, expected.len(), "{name}");
        assert!(summary.examples[2].contains("the line is longer than 8 MiB"), "{name}: {summary}");
    }
}

/// The most memory that preparing needs, in kB.
#[cfg(target_os = "linux")]
fn peak(input: &Path, out: &Path) -> u64 {
    let arguments = ["prepare", input.to_str().unwrap(), "--quiet", "--out", out.to_str().unwrap()];
    let mut child = program(&arguments).args(["--train-observations-per-class", "1000000"]).spawn().unwrap();
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = peak.max(line.map_or(0, |kb| kb.parse().unwrap()));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_does_not_grow_with_drawings_and_files() {
    let place = TempDir::new().unwrap();
    let peak_of = |name: &str, n_files: usize| {
        let input = place.path().join(name);
        fs::create_dir(&input).unwrap();
        for file in 0..n_files {
            let lines: String =
                (0..10_000).map(|i| line("cat", &format!("{file}-{i}"), 10_000 * file + i)).collect();
            fs::write(input.join(format!("{file}.ndjson")), lines).unwrap();
        }
        peak(&input, &place.path().join(format!("{name}-out")))
    };
    let (few, many) = (peak_of("few", 2), peak_of("many", 16));
    assert!(few > 5_000, "{few} kB");
    assert!(many < few + few / 2, "{few} kB for 20,000 drawings, and {many} kB for 160,000");
}

#[test]
fn a_truncated_file_is_an_error_and_leaves_nothing() {
    let input = animals(200);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines("yurt", 0..500).as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    fs::write(input.path().join("yurt.ndjson.gz"), &bytes[..bytes.len() - 20]).unwrap();
    let out = TempDir::new().unwrap();
    let found = refusal(input.path(), &out.path().join("out"), &small());
    assert!(found.contains("yurt.ndjson.gz: cannot be read to its end"), "{found}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn resuming_after_an_error_keeps_what_was_read() {
    let input = animals(11_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(lines("yurt", 0..500).as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    let last = input.path().join("yurt.ndjson.gz");
    fs::write(&last, &bytes[..bytes.len() - 20]).unwrap();
    let options = Options { train_observations_per_class: 9000, ..Options::default() };
    let place = TempDir::new().unwrap();
    let (out, partial) = (place.path().join("out"), place.path().join("out.partial"));
    let found = refusal(input.path(), &out, &options);
    assert!(found.contains("yurt.ndjson.gz: cannot be read to its end"), "{found}");
    assert!(found.contains("out.partial; the same command goes on from there with --resume"), "{found}");
    let kept: BTreeSet<String> = fs::read_dir(&partial)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(kept, ["prepare.lock", "progress.json", "spool"].map(str::to_owned).into());

    // The file is repaired, and so has another size.
    fs::write(&last, bytes).unwrap();
    let undisturbed = place.path().join("undisturbed");
    run(input.path(), &undisturbed, &options);
    let summary = native_train::prepare::resume(&[input.path().to_owned()], &out, &options, true).unwrap();
    assert!(summary.n_resumed > 0, "{summary}");
    assert_eq!(contents(&out), contents(&undisturbed));
    assert!(!partial.exists());
}

#[test]
fn existing_output_is_never_overwritten() {
    let input = animals(20);
    let place = TempDir::new().unwrap();
    let out = place.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("thesis.txt"), "years of work").unwrap();
    let found = refusal(input.path(), &out, &small());
    assert!(
        found.contains("the folder holds something else") && found.contains("not overwritten"),
        "{found}"
    );
    assert_eq!(fs::read_to_string(out.join("thesis.txt")).unwrap(), "years of work");
    fs::remove_file(out.join("thesis.txt")).unwrap();

    // An empty folder is taken, the same again is nothing to do, other options or data are refused.
    let first = run(input.path(), &out, &small());
    let before = contents(&out);
    let again = run(input.path(), &out, &small());
    assert!(!first.was_there && again.was_there && again.train == first.train);
    assert!(again.to_string().contains("they were there already"), "{again}");
    let found = refusal(input.path(), &out, &Options { seed: 9, ..small() });
    assert!(found.contains("was made with other options or of other files"), "{found}");
    fs::write(input.path().join("yurt.ndjson"), lines("yurt", 0..5)).unwrap();
    assert!(refusal(input.path(), &out, &small()).contains("was made with other options or of other files"));
    assert_eq!(contents(&out), before);

    // An existing work folder is not overwritten either.
    let other = place.path().join("other");
    fs::create_dir(place.path().join("other.partial")).unwrap();
    fs::write(place.path().join("other.partial/thesis.txt"), "more work").unwrap();
    assert!(
        refusal(input.path(), &other, &small()).contains("other.partial: the folder holds something else")
    );
    assert!(place.path().join("other.partial/thesis.txt").exists());
    // A file of this name.
    assert!(
        refusal(input.path(), &input.path().join("cat.ndjson"), &small())
            .contains("there is a file of this name")
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let input = animals(5);
    let out = input.path().join("out");
    for (options, message) in [
        (Options { output_shards: 0, ..small() }, "--output-shards is 0"),
        (Options { train_observations_per_class: 0, ..small() }, "--train-observations-per-class is 0"),
        (Options { classes: Some(vec![]), ..small() }, "--classes names none"),
        (Options { classes: Some(vec!["cat".into(), "cat".into()]), ..small() }, "\"cat\" is listed twice"),
    ] {
        let found = refusal(input.path(), &out, &options);
        assert!(found.contains(message), "{message}: {found}");
    }
    assert!(!out.exists());
}

#[test]
fn many_shards_of_few_drawings_are_read_again() {
    let input = animals(4);
    for format in [Format::Tfrecord, Format::Ndjson, Format::NdjsonGz] {
        let out = TempDir::new().unwrap();
        run(input.path(), out.path(), &Options { format, output_shards: 40, ..small() });
        assert_eq!(read(out.path()).len(), 12, "{format:?}");
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn the_format_of_standard_input_is_detected() {
    let place = TempDir::new().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all((lines("cat", 0..30) + &lines("dog", 0..30)).as_bytes()).unwrap();
    let out = place.path().join("out");
    let mut child =
        program(&["prepare", "-", "--quiet", "--classes", "dog,cat", "--out", out.to_str().unwrap()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
    child.stdin.take().unwrap().write_all(&gzip.finish().unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("to train on") && told.contains("of 2 classes"), "{told}");
    assert_eq!(read(&out).len(), 60);
    assert_eq!(fs::read_to_string(out.join("eval.tfrecord.classes")).unwrap(), "dog\ncat\n");
}

#[test]
fn a_file_that_is_truncated_while_it_is_read_is_an_error() {
    let place = TempDir::new().unwrap();
    let [file, out] = ["cat.ndjson", "out"].map(|name| place.path().join(name));
    let whole = lines("cat", 0..100);
    fs::write(&file, &whole).unwrap();
    let mut child = program(&["prepare", "-", file.to_str().unwrap(), "--quiet", "--out"])
        .arg(&out)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // By then the sizes of the files are noted; the first waits for its drawings.
    while !place.path().join("out.partial/prepare.lock").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    let half = lines("cat", 0..50);
    fs::write(&file, &half).unwrap();
    child.stdin.take().unwrap().write_all(lines("dog", 0..10).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected =
        format!("cat.ndjson: has {} bytes, and had {} before it was read", half.len(), whole.len());
    assert!(!output.status.success() && told.contains(&expected), "{told}");
    assert!(!out.exists());
}

#[test]
fn a_run_after_a_kill_starts_from_scratch() {
    let input = animals(5000);
    let place = TempDir::new().unwrap();
    let undisturbed = place.path().join("undisturbed");
    let options = |seed| Options { seed, format: Format::NdjsonGz, ..Options::default() };
    let started = Instant::now();
    run(input.path(), &undisturbed, &options(1));
    let duration = started.elapsed();
    let out = place.path().join("out");
    let [source, target] = [input.path().to_str().unwrap(), out.to_str().unwrap()];
    let mut n_killed = 0;
    for attempt in 0..6_u32 {
        // Another seed: what it leaves behind must not be used.
        let mut child =
            program(&["prepare", source, "--out", target, "--format", "ndjson-gz", "--seed", "2"])
                .spawn()
                .unwrap();
        std::thread::sleep(duration * attempt / 6 + Duration::from_millis(5));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if out.exists() {
            // It finished before the kill; then it is complete.
            assert_eq!(contents(&out).len(), 22);
            fs::remove_dir_all(&out).unwrap();
        } else {
            n_killed += 1;
        }
    }
    assert!(n_killed > 0, "none was killed in time");
    run(input.path(), &out, &options(1));
    assert_eq!(contents(&out), contents(&undisturbed));
    assert!(!place.path().join("out.partial").exists());
}

#[test]
fn a_kill_after_the_rename_leaves_a_complete_folder() {
    let input = animals(20);
    let place = TempDir::new().unwrap();
    let out = place.path().join("out");
    run(input.path(), &out, &small());
    let finished = contents(&out);
    // The folder has its name, and only the lock is still to be removed.
    fs::write(out.join("prepare.lock"), "").unwrap();
    assert!(run(input.path(), &out, &small()).was_there);
    assert_eq!(contents(&out), finished);
}

#[test]
fn two_runs_cannot_share_a_folder() {
    let input = animals(20);
    let place = TempDir::new().unwrap();
    let partial = place.path().join("out.partial");
    fs::create_dir(&partial).unwrap();
    let lock = fs::File::create(partial.join("prepare.lock")).unwrap();
    lock.lock().unwrap();
    let out = place.path().join("out");
    assert!(refusal(input.path(), &out, &small()).contains("another run is at work there"));
    drop(lock);
    run(input.path(), &out, &small());
}

#[test]
fn a_killed_run_is_resumed() {
    let input = animals(11_000);
    let place = TempDir::new().unwrap();
    let undisturbed = place.path().join("undisturbed");
    // Duplicates on both sides of the interruption, and a limit that is reached before and after
    // it.
    fs::write(input.path().join("aaa.ndjson"), lines("dog", 0..500)).unwrap();
    let options = Options { train_observations_per_class: 9000, ..Options::default() };
    let expected = run(input.path(), &undisturbed, &options);
    assert!(expected.left_out.over_limit > 0 && expected.left_out.duplicate > 0, "{expected}");

    let out = place.path().join("out");
    let partial = place.path().join("out.partial");
    let arguments = ["prepare", input.path().to_str().unwrap(), "--out", out.to_str().unwrap()];
    let limit = ["--train-observations-per-class", "9000", "--quiet"];
    let mut child = program(&arguments).args(limit).spawn().unwrap();
    while !partial.join("progress.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it was over before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists());

    let resume =
        |options: &Options| native_train::prepare::resume(&[input.path().to_owned()], &out, options, true);
    let other = resume(&Options { seed: 9, ..options.clone() }).expect_err("other options");
    assert!(
        format!("{other:#}").contains("the interrupted run had other options or other files"),
        "{other:#}"
    );
    let summary = resume(&options).unwrap();
    assert!((1..4).contains(&summary.n_resumed), "{summary}");
    assert_eq!(Summary { n_resumed: 0, ..summary }, expected);
    assert_eq!(contents(&out), contents(&undisturbed));
    assert!(!partial.exists());
}

#[test]
fn the_state_of_an_interrupted_run_is_verified() {
    let input = animals(11_000);
    let place = TempDir::new().unwrap();
    let out = place.path().join("out");
    let partial = place.path().join("out.partial");
    let mut child =
        program(&["prepare", input.path().to_str().unwrap(), "--quiet", "--out"]).arg(&out).spawn();
    let child = child.as_mut().unwrap();
    while !partial.join("progress.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it was over before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let spool = partial.join("spool");
    let mut bytes = fs::read(&spool).unwrap();
    bytes[100] ^= 1;
    fs::write(&spool, bytes).unwrap();
    let files = [input.path().to_owned()];
    let error = native_train::prepare::resume(&files, &out, &Options::default(), true);
    let error = format!("{:#}", error.expect_err("a bit is wrong"));
    assert!(error.contains("spool: is damaged") && error.contains("without --resume"), "{error}");
    assert!(!out.exists());

    let standard_input = program(&["prepare", "-", "--resume", "--out"]).arg(&out).output().unwrap();
    let told = String::from_utf8_lossy(&standard_input.stderr).into_owned();
    assert!(told.contains("--resume cannot read standard input again"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let input = animals(3000);
    let place = TempDir::new().unwrap();
    let out = place.path().join("out");
    // A file size limit simulates a full disk: writing fails in the middle.
    for n_blocks in [1, 16, 600] {
        let script = format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$0\" \"$@\"");
        let arguments =
            ["prepare", input.path().to_str().unwrap(), "--quiet", "--output-shards", "1", "--out"];
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_native-train")]).args(arguments).arg(&out);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("cannot be written"), "{n_blocks}: {told}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "{n_blocks}");
    }
    run(input.path(), &out, &small());
}
