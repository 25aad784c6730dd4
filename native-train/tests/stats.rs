//! Statistics of files of drawings that are made here.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use native_train::stats::{Oddity, Options, Stats, Summary, files_of, read};
use serde_json::Value;
use tempfile::TempDir;

/// A line of a file; `height` makes it different from others.
fn line(word: &str, height: u32, rest: &str) -> String {
    format!("{{\"word\":\"{word}\",\"drawing\":[[[0,255,255],[0,0,{height}]],[[7,7],[0,{height}]]]{rest}}}\n")
}

fn folder(files: &[(&str, String)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn stats(folder: &Path, options: Options) -> Stats {
    read(files_of(&[folder.to_owned()]).unwrap(), options).unwrap()
}

fn summary(folder: &TempDir) -> Summary {
    stats(folder.path(), Options::default()).summary()
}

fn lines(word: &str, heights: impl IntoIterator<Item = u32>) -> String {
    heights.into_iter().map(|height| line(word, height, "")).collect()
}

#[test]
fn sizes_shares_countries_and_times_are_counted_for_all_and_for_each_category() {
    let about = |country, time, recognized| {
        format!(",\"countrycode\":\"{country}\",\"timestamp\":\"{time}\",\"recognized\":{recognized}")
    };
    let cat = line("cat", 10, &about("DE", "2017-03-02 10:00:00.5 UTC", true))
        + &line("cat", 20, &about("KR", "2017-01-01 00:00:00.1 UTC", false))
        + &line("cat", 30, &about("KR", "2017-02-02 00:00:00.1 UTC", true));
    let dog = line("dog", 100, &about("US", "1496275200", true)) + &line("dog", 200, "");
    let found = summary(&folder(&[("cat.ndjson", cat), ("dog.ndjson", dog)]));
    assert_eq!((found.files, found.all.drawings, found.classes.len()), (2, 5, 2));
    assert_eq!((found.all.points.mean, found.all.points.median, found.all.points.max), (5.0, 5, 5));
    assert_eq!((found.all.strokes.p5, found.all.strokes.p95), (2, 2));
    // 255 across, and the height twice.
    assert_eq!(found.classes["cat"].length.mean, 255.0 + 40.0);
    assert_eq!((found.classes["dog"].length.mean, found.classes["dog"].length.max), (555.0, 655));
    assert_eq!(found.all.recognised, Some(0.75));
    assert_eq!(found.classes["dog"].recognised, Some(1.0));
    let countries: Vec<(&str, u64)> = found.countries.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    assert_eq!(countries, [("KR", 2), ("DE", 1), ("US", 1)]);
    assert_eq!(found.all.first.as_deref(), Some("2017-01-01 00:00:00 UTC"));
    assert_eq!(found.all.last.as_deref(), Some("2017-06-01 00:00:00 UTC"));
    assert_eq!(found.classes["cat"].last.as_deref(), Some("2017-03-02 10:00:00 UTC"));
    assert!(found.suspicious.is_empty() && found.suspicious_files.is_empty());
}

#[test]
fn quantiles_are_within_three_percent() {
    // One stroke of 2 to 2001 points.
    let mut text = String::new();
    for n in 2..=2001 {
        let zeros = vec!["0"; n].join(",");
        let x: Vec<String> = (0..n).map(|x| x.to_string()).collect();
        writeln!(text, "{{\"word\":\"line\",\"drawing\":[[[{}],[{zeros}]]]}}", x.join(",")).unwrap();
    }
    let found = summary(&folder(&[("line.ndjson", text)])).all.points;
    assert_eq!((found.mean, found.max), (1001.5, 2001));
    for (value, exact) in [(found.p5, 101.0), (found.median, 1001.0), (found.p95, 1901.0)] {
        assert!((value as f64 / exact - 1.0).abs() < 0.03, "{value} for {exact}");
    }
}

#[test]
fn duplicates_are_found_across_files_and_words() {
    let cat = lines("cat", [1, 2, 3, 1, 1]);
    let dog = lines("dog", [9, 3, 8, 8]);
    let folder = folder(&[("cat.ndjson", cat), ("dog.ndjson", dog)]);
    let found = summary(&folder).duplicates.unwrap();
    assert_eq!(found.estimated_from, 1.0);
    assert_eq!((found.different_drawings, found.repeated_drawings, found.surplus), (5, 3, 4));
    assert_eq!(found.with_several_words, 1);
    assert_eq!(found.most_frequent[0].n, 3);
    assert!(found.most_frequent[0].first.ends_with("cat.ndjson:1"), "{:?}", found.most_frequent);
    assert!(
        found.most_frequent[1].first.ends_with("cat.ndjson:3") && found.most_frequent[1].has_several_words
    );
}

#[test]
fn duplicates_beyond_the_limit_are_estimated() {
    // 4,000 drawings, every fourth of them twice.
    let text: String =
        (0..4000).map(|i| line("cat", i, "")).chain((0..1000).map(|i| line("cat", 4 * i, ""))).collect();
    let folder = folder(&[("cat.ndjson", text)]);
    let options = Options { max_distinct: 500, ..Options::default() };
    let found = stats(folder.path(), options).summary().duplicates.unwrap();
    assert!(found.estimated_from <= 0.125, "{found:?}");
    // Some 300 to 500 drawings are remembered: four standard deviations.
    for (value, exact) in
        [(found.different_drawings, 4000.0), (found.repeated_drawings, 1000.0), (found.surplus, 1000.0)]
    {
        assert!((value as f64 / exact - 1.0).abs() < 0.5, "{value} for {exact}");
    }
}

#[test]
fn suspicious_drawings_are_listed_with_their_lines() {
    let long: Vec<String> = (0..6000).map(|i| (i % 200).to_string()).collect();
    let long = long.join(",");
    let cat = lines("cat", 1..60)
        + "nonsense\n"
        + "{\"word\":\"cat\",\"drawing\":[]}\n"
        + "{\"word\":\"cat\",\"drawing\":[[[5],[5]]]}\n"
        + "{\"word\":\"cat\",\"drawing\":[[[5,5],[5,5]]]}\n"
        + "{\"word\":\"cat\",\"drawing\":[[[0,90000],[5,5]]]}\n"
        + &format!("{{\"word\":\"cat\",\"drawing\":[[[{long}],[{long}]]]}}\n")
        + &line("dog", 77, "");
    let folder = folder(&[
        ("cat.ndjson", cat),
        ("bat.ndjson", lines("dog", 100..110)),
        ("ant.ndjson", lines("dog", 100..110)),
        ("bee.ndjson", String::new()),
        ("bus.ndjson", "nonsense\n".to_owned()),
        ("mixed.ndjson", lines("cat", 300..305) + &lines("dog", 305..310)),
        ("part-1.ndjson", lines("cat", 400..410)),
        ("cow.ndjson.gz", "\u{1f}".to_owned()),
    ]);
    let found = summary(&folder);
    let places = |kind: Oddity| -> (u64, Vec<&str>) {
        let found = found.suspicious.iter().find(|found| found.kind == kind).expect("it was found");
        (found.n, found.first.iter().map(|text| text.rsplit('/').next().unwrap()).collect())
    };
    let (n, first) = places(Oddity::NoDrawing);
    assert_eq!(n, 4);
    assert!(first[0].starts_with("bus.ndjson:1: ") && first[1].starts_with("cat.ndjson:60: "), "{first:?}");
    assert_eq!(places(Oddity::OnePoint), (1, vec!["cat.ndjson:62: cat"]));
    assert_eq!(places(Oddity::NoExtent), (1, vec!["cat.ndjson:63: cat"]));
    assert_eq!(places(Oddity::Large), (1, vec!["cat.ndjson:64: cat, 90000 units"]));
    assert_eq!(places(Oddity::ManyPoints), (1, vec!["cat.ndjson:65: cat, 6000 points"]));
    assert_eq!(places(Oddity::WrongWord), (1, vec!["cat.ndjson:66: dog (1) among drawings of cat"]));
    let files: Vec<&str> =
        found.suspicious_files.iter().map(|text| text.rsplit('/').next().unwrap()).collect();
    for expected in [
        "ant.ndjson: is called ant, but holds drawings of dog",
        "bat.ndjson: is called bat, but holds drawings of dog",
        "bee.ndjson: is empty",
        "bus.ndjson: none of 1 lines is a drawing",
        "cat.ndjson: 2 of 66 lines are no drawings",
    ] {
        assert!(files.contains(&expected), "{expected}: {files:?}");
    }
    assert!(
        found.suspicious_files.iter().any(|text| text.contains("bat.ndjson: the same drawings as")),
        "{files:?}"
    );
    assert!(!files.iter().any(|text| text.starts_with("mixed") || text.starts_with("part")), "{files:?}");
}

#[test]
fn the_result_does_not_depend_on_the_order_of_files_and_threads() {
    let files: Vec<(String, String)> =
        (0..8).map(|i| (format!("{i}.ndjson"), lines("cat", i * 20..i * 20 + 30))).collect();
    let files: Vec<(&str, String)> = files.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
    let folder = folder(&files);
    let options = Options { samples_per_class: 5, max_distinct: 40, quiet: true };
    let result = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let out = folder.path().join(format!("out-{n_threads}"));
        pool.install(|| stats(folder.path(), options).write(&out)).unwrap();
        ["stats.json", "classes.csv", "sheets/cat.svg"]
            .map(|name| fs::read_to_string(out.join(name)).unwrap())
    };
    let one = result(1);
    assert_eq!(one, result(7));
    assert!(one[0].contains("\"drawings\": 240"), "{}", one[0]);
}

#[test]
fn plots_and_tables_are_written() {
    let folder = folder(&[
        ("cat.ndjson", lines("cat", 1..100)),
        ("alarm clock.ndjson", lines("alarm clock", 1..10)),
        ("strange.ndjson", lines("../strange", 1..3)),
    ]);
    let out = folder.path().join("out");
    let options = Options { samples_per_class: 12, ..Options::default() };
    stats(folder.path(), options).write(&out).unwrap();
    for name in ["histograms.svg", "histograms.png", "classes.svg", "classes.png", "sheets/alarm clock.png"] {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 500, "{name}");
    }
    let sheet = fs::read_to_string(out.join("sheets/cat.svg")).unwrap();
    assert_eq!(sheet.matches("<path ").count(), 12);
    assert!(sheet.contains("cat: 99 drawings"), "{sheet}");
    let names: Vec<PathBuf> =
        fs::read_dir(out.join("sheets")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 6, "no name leads out of the folder: {names:?}");
    let table = fs::read_to_string(out.join("classes.csv")).unwrap();
    assert!(table.starts_with("label,drawings,") && table.contains("\nalarm clock,9,5.00,"), "{table}");
}

fn program(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_native-train"))
        .current_dir(folder)
        .arg("stats")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (run.status.code().unwrap(), text(run.stdout), text(run.stderr))
}

#[test]
fn the_program_prints_text_or_one_json_object() {
    let folder = folder(&[("cat.ndjson", lines("cat", 1..30)), ("dog.ndjson", lines("dog", 40..50))]);
    let (code, out, err) = program(folder.path(), &["."]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("39 drawings of 2 categories in 2 files\n"), "{out}");
    assert!(out.contains("\ncat "), "{out}");
    let (_, out, _) = program(folder.path(), &["cat.ndjson", "--json"]);
    assert_eq!(out.lines().count(), 1);
    let found: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(found["classes"]["cat"]["drawings"], 29);
    let (code, _, err) = program(folder.path(), &[".", "--out", "report", "--samples-per-class", "6"]);
    assert_eq!(code, 0, "{err}");
    assert!(folder.path().join("report/sheets/dog.png").exists());
}

#[test]
fn unreadable_files_are_errors() {
    let folder = folder(&[("cat.ndjson", lines("cat", 1..30)), ("hollow.txt", String::new())]);
    // The beginning of a gzip file.
    fs::write(folder.path().join("dog.ndjson.gz"), [0x1f, 0x8b, 8, 0, 0]).unwrap();
    let (code, out, err) = program(folder.path(), &["."]);
    assert_eq!(code, 1);
    assert!(out.contains("29 drawings") && out.contains("dog.ndjson.gz: "), "{out}");
    assert!(err.contains("1 of 2 files could not be read"), "{err}");
    for (argument, message) in
        [("nowhere", "nowhere: there is no such file"), ("hollow.txt", "no drawing in 1 files")]
    {
        let (code, _, err) = program(folder.path(), &[argument]);
        assert_eq!(code, 1);
        assert!(err.contains(message), "{err}");
    }
    let (code, _, _) = program(folder.path(), &[]);
    assert_eq!(code, 2);
}
