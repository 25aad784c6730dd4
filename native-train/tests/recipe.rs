//! The commands that reproduce the shipped model: `augment`, `label`, `average`, and `train` on
//! several data sets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use burn_flex::Flex;
use native_train::cli::weighted::{Weighted, weights};
use native_train::data::synthetic::sample_set;
use native_train::data::{DataSet, ReadOptions, read_folder};
use native_train::model_folder;
use quickdraw_core::{Classifier, Drawing, Record};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Flags of a tiny network and a short run.
const SMALL: &str = "--num-layers 1 --num-nodes 4 --num-conv 4 --conv-len 3 --conv-stride 2 --batch-norm --steps 4 \
                     --batch-size 4 --device cpu --threads 1 --quiet";

fn program(folder: &Path, arguments: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    command.current_dir(folder).args(arguments.split_whitespace()).stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program prints text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().expect("the program ends by itself"), stdout, stderr)
}

/// Runs the program; returns what it printed on both outputs.
#[track_caller]
fn run(folder: &Path, arguments: &str) -> String {
    let (code, stdout, stderr) = program(folder, arguments);
    assert_eq!(code, 0, "{arguments}: {stderr}");
    stdout + &stderr
}

#[track_caller]
fn refusal(folder: &Path, arguments: &str) -> String {
    let (code, _, stderr) = program(folder, arguments);
    assert_ne!(code, 0, "{arguments} is refused");
    stderr
}

fn line_of(word: &str, drawing: &Drawing, more: &str) -> String {
    let axis =
        |stroke: &Vec<[f32; 2]>, axis: usize| stroke.iter().map(|point| point[axis]).collect::<Vec<_>>();
    let strokes: Vec<Value> =
        drawing.strokes().iter().map(|stroke| json!([axis(stroke, 0), axis(stroke, 1)])).collect();
    // As the data set writes them: integers.
    let strokes = Value::from(strokes).to_string().replace(".0", "");
    format!("{{\"word\":\"{word}\",\"key_id\":\"7\",{more}\"drawing\":{strokes}}}\n")
}

/// A folder with sample drawings (`data`, `more`), a run with checkpoints (`run`) and a second
/// model of the same network (`other`).
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipe");
    if place.exists() {
        fs::remove_dir_all(&place).expect("the folder of the last time goes");
    }
    for (name, seed) in [("data", 1), ("more", 2)] {
        let data = sample_set(seed, 0, 12);
        fs::create_dir_all(place.join(name)).expect("a new folder");
        for (class, label) in data.labels().iter().enumerate() {
            let own = (0..data.len()).filter(|&index| data.label(index) == class);
            let lines: String = own.map(|index| line_of(label, &data.drawing(index), "")).collect();
            fs::write(place.join(name).join(format!("{label}.ndjson")), lines).expect("a new file");
        }
    }
    run(&place, &format!("train --out run {SMALL} --ema 0.5 --checkpoint-every-steps 2"));
    run(&place, &format!("train --out other {SMALL} --seed 2"));
    place
});

/// The text of a file of the place, unpacked where its name says so.
fn text(path: impl AsRef<Path>) -> String {
    let path = PLACE.join(path);
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip"),
        false => bytes.as_slice().read_to_string(&mut text).expect("text"),
    };
    text
}

fn lines(path: impl AsRef<Path>) -> Vec<Value> {
    text(path).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn read(path: &str) -> DataSet {
    read_folder(&PLACE.join(path), &ReadOptions::default()).expect("drawings").0
}

/// The drawings of a data set by their words.
fn drawings(data: &DataSet) -> Vec<(String, Drawing)> {
    (0..data.len()).map(|index| (data.labels()[data.label(index)].clone(), data.drawing(index))).collect()
}

const KINDS: &str = "--between 0.3 --borrow 0.2 --mix 0.2";

#[test]
fn augment_writes_simplified_drawings_and_says_how_each_was_made() {
    run(&PLACE, &format!("augment data --copies 10 --seed 3 {KINDS} --out made/kinds.ndjson"));
    let lines = lines("made/kinds.ndjson");
    assert_eq!(lines.len(), 1200);
    let known = read("data");
    let mut counts = BTreeMap::<String, usize>::new();
    for line in &lines {
        let record = Record::parse(&line.to_string()).expect("a record");
        assert!(known.labels().contains(&record.word));
        assert_eq!(record.drawing.simplify(), record.drawing, "{line}");
        assert!(line["drawing"].to_string().bytes().all(|byte| byte != b'.'), "whole numbers: {line}");
        let source = line["source"].as_str().expect("a source");
        let kind = source.strip_suffix(", augmented").expect("all are varied");
        *counts.entry(kind.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
        match kind.split_once(' ') {
            Some(("between", place)) => {
                assert!((0.2..=0.8).contains(&place.parse::<f32>().expect("a number")), "{source}");
            }
            Some(("mix", with)) => {
                let with = with.strip_prefix("with ").expect("another category");
                assert!(known.labels().iter().any(|label| label == with) && with != record.word, "{source}");
            }
            _ => assert!(["copy", "borrow"].contains(&kind), "{source}"),
        }
    }
    // Where no other drawing fits, as for drawings of one stroke borrowing may fail, a copy is
    // made.
    for (kind, expected) in
        [("between", 260..=400), ("borrow", 130..=280), ("mix", 190..=290), ("copy", 330..=560)]
    {
        assert!(expected.contains(&counts[kind]), "{kind}: {counts:?}");
    }
}

#[test]
fn augment_gives_the_same_bytes_with_any_number_of_threads_and_others_with_another_seed() {
    let make = |name: &str, flags: &str| {
        run(&PLACE, &format!("augment data --copies 80 {KINDS} {flags} --out {name}"));
        text(name)
    };
    // More than one part.
    let one = make("threads/1.ndjson", "--threads 1");
    assert_eq!(one.lines().count(), 9600);
    assert!(one == make("threads/3.ndjson", "--threads 3"));
    assert!(one == make("threads/packed.ndjson.gz", "--threads 2"));
    assert!(one != make("threads/other.ndjson", "--seed 2"));
    let names: BTreeSet<_> =
        fs::read_dir(PLACE.join("threads")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "nothing partial is left: {names:?}");
}

#[test]
fn augment_without_variation_splits_a_folder_into_its_parts() {
    run(&PLACE, "augment data --augment off --skip-last 4 --out parts/train.ndjson");
    run(&PLACE, "augment data --augment off --only-last 4 --out parts/validation.ndjson.gz");
    let [all, train, validation] =
        ["data", "parts/train.ndjson", "parts/validation.ndjson.gz"].map(|path| drawings(&read(path)));
    assert_eq!([train.len(), validation.len()], [80, 40]);
    for label in read("data").labels() {
        let of = |drawings: &[(String, Drawing)]| -> Vec<Drawing> {
            drawings.iter().filter(|(word, _)| word == label).map(|(_, drawing)| drawing.clone()).collect()
        };
        assert_eq!([of(&train), of(&validation)].concat(), of(&all), "{label}");
    }
    assert!(lines("parts/train.ndjson").iter().all(|line| line["source"] == "copy"));
    // Never more than half.
    run(&PLACE, "augment data --augment off --only-last 100 --out parts/half.ndjson");
    assert_eq!(lines("parts/half.ndjson").len(), 60);
}

#[test]
fn augment_balances_categories_where_it_is_asked_to() {
    let few = read("data");
    let mut text = String::new();
    for index in
        (0..few.len()).filter(|&index| few.label(index) == 0 || index % 12 == 0 && few.label(index) == 1)
    {
        text += &line_of(&few.labels()[few.label(index)], &few.drawing(index), "");
    }
    fs::write(PLACE.join("uneven.ndjson"), text).unwrap();
    let shares = [("", 100), ("--balance-power 1", 100), ("--balance-power 0", 650)].map(|(flags, most)| {
        run(&PLACE, &format!("augment uneven.ndjson --copies 100 {flags} --out balance.ndjson"));
        let lines = lines("balance.ndjson");
        assert_eq!(lines.len(), 1300);
        (lines.iter().filter(|line| line["word"] == few.labels()[1].as_str()).count(), most)
    });
    assert_eq!(shares[0].0, 100);
    assert!((70..130).contains(&shares[1].0) && (590..710).contains(&shares[2].0), "{shares:?}");
}

#[test]
fn augment_keeps_soft_labels_only_where_it_is_asked_to() {
    let data = read("data");
    let mut text = String::new();
    for index in 0..24 {
        // Half of the drawings have some.
        let more = if index % 2 == 0 { "\"soft\":{\"circle\":0.6,\"square\":0.2}," } else { "" };
        text += &line_of(&data.labels()[data.label(index)], &data.drawing(index), more);
    }
    text += &line_of("square", &data.drawing(119), "");
    fs::write(PLACE.join("soft.ndjson"), text).unwrap();
    run(&PLACE, "augment soft.ndjson --copies 4 --mix 0.5 --out soft-none.ndjson");
    assert!(lines("soft-none.ndjson").iter().all(|line| line.get("soft").is_none()));
    run(&PLACE, "augment soft.ndjson --copies 4 --mix 0.5 --keep-soft --out soft-kept.ndjson");
    let (mut n_kept, mut n_mixed) = (0, 0);
    for line in lines("soft-kept.ndjson") {
        let Some(soft) = line.get("soft").and_then(Value::as_object) else { continue };
        let sum: f64 = soft.values().map(|value| value.as_f64().expect("a number")).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{line}");
        match line["source"].as_str() {
            Some("copy, augmented") => {
                n_kept += 1;
                assert_eq!(line["soft"], json!({ "circle": 0.75, "square": 0.25 }));
            }
            _ => n_mixed += 1,
        }
    }
    assert!(n_kept >= 20 && n_mixed >= 10, "{n_kept} {n_mixed}");
}

#[test]
fn augment_refuses_what_it_cannot_use() {
    for (flags, part) in [
        ("data --between 1.5 --out x.ndjson", "--between is 1.5"),
        ("data --between 0.6 --mix 0.5 --out x.ndjson", "add up to 1.1"),
        ("data --borrow 0.1 --augment-borrow-strokes 0.1 --out x.ndjson", "cannot be used with"),
        ("data --skip-last 1 --only-last 1 --out x.ndjson", "cannot be used with"),
        ("data --copies 0 --out x.ndjson", "--copies is 0"),
        ("data --balance-power nan --out x.ndjson", "--balance-power is NaN"),
        ("data --augment-flip 2 --out x.ndjson", "flip is 2"),
        ("data --out x.csv", "x.csv: the name of a file of lines ends with .ndjson or .ndjson.gz"),
        ("nowhere --out x.ndjson", "nowhere: there is no such folder"),
        ("data", "--out"),
    ] {
        let message = refusal(&PLACE, &format!("augment {flags}"));
        assert!(message.contains(part), "{flags}: {message}");
    }
    assert!(!PLACE.join("x.ndjson").exists() && !PLACE.join("x.ndjson.partial").exists());
}

fn open(model: &str) -> Classifier<Flex> {
    model_folder::open(&PLACE.join(model), &Default::default()).expect("a model")
}

fn soft(line: &Value) -> BTreeMap<String, f64> {
    let soft = line["soft"].as_object().unwrap_or_else(|| panic!("soft labels: {line}"));
    soft.iter().map(|(name, value)| (name.clone(), value.as_f64().expect("a number"))).collect()
}

/// The probabilities that models give a drawing, by category.
fn teacher_probabilities(model: &str, drawing: &Drawing) -> BTreeMap<String, f64> {
    let model = open(model);
    let probabilities = model.probabilities(drawing).expect("probabilities");
    model.labels().iter().cloned().zip(probabilities.into_iter().map(f64::from)).collect()
}

#[track_caller]
fn assert_close(found: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, value) in found {
        assert!((value - expected[name]).abs() < 2e-5, "{name}: {found:?} {expected:?}");
    }
}

#[test]
fn label_writes_the_calibrated_probabilities_of_a_teacher() {
    run(&PLACE, "average run --out calibrated");
    let path = PLACE.join("calibrated/model.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    card["calibration"] = json!({ "temperature": 0.05, "threshold": 0.5 });
    fs::write(path, card.to_string()).unwrap();
    let told = run(&PLACE, "label data --teacher calibrated --floor 0 --out labelled.ndjson --device cpu");
    assert!(told.contains("120 drawings labelled"), "{told}");
    let found = lines("labelled.ndjson");
    let data = read("data");
    assert_eq!(found.len(), 120);
    for index in [0, 50, 119] {
        let expected = teacher_probabilities("calibrated", &data.drawing(index));
        let found = soft(&found[index]);
        let expected =
            expected.into_iter().filter(|(name, p)| *p > 1e-6 || found.contains_key(name)).collect();
        assert_close(&found, &expected);
    }
}

#[test]
fn label_combines_teachers_by_their_weights_in_either_mean() {
    let data = read("data");
    let drawing = data.drawing(30);
    let [a, b] = ["run", "other"].map(|model| teacher_probabilities(model, &drawing));
    for (mean, weights) in
        [("geometric", [0.5, 0.5]), ("geometric", [0.75, 0.25]), ("arithmetic", [0.75, 0.25])]
    {
        let flags = match weights {
            [0.5, _] => "--teacher run --teacher other",
            _ => "--teacher run=3 --teacher other=1",
        };
        run(
            &PLACE,
            &format!("label data {flags} --mean {mean} --floor 0 --out mean.ndjson --quiet --device cpu"),
        );
        let combined = a.iter().map(|(name, p)| {
            let q = b[name];
            let value = match mean {
                "geometric" => p.powf(weights[0]) * q.powf(weights[1]),
                _ => weights[0] * p + weights[1] * q,
            };
            (name.clone(), value)
        });
        let mut combined: BTreeMap<String, f64> = combined.collect();
        let sum: f64 = combined.values().sum();
        combined.values_mut().for_each(|value| *value /= sum);
        assert_close(&soft(&lines("mean.ndjson")[30]), &combined);
    }
}

#[test]
fn label_counts_soft_labels_that_are_there_as_one_more_teacher() {
    let data = read("data");
    let with = line_of("circle", &data.drawing(0), "\"soft\":{\"circle\":1.5,\"star\":0.5,\"yurt\":1},");
    let without = line_of("circle", &data.drawing(0), "");
    fs::write(PLACE.join("one-more.ndjson"), format!("{with}{without}")).unwrap();
    let label = |flags: &str| {
        run(
            &PLACE,
            &format!(
                "label one-more.ndjson --teacher run=2 --floor 0.01 --out kept.ndjson {flags} --device cpu"
            ),
        );
        lines("kept.ndjson").iter().map(soft).collect::<Vec<_>>()
    };
    let teacher = teacher_probabilities("run", &data.drawing(0));
    // Without the flag they are replaced.
    assert_close(&label("")[0], &teacher);
    let kept = |name: &str, missing: f64| match name {
        "circle" => 0.75,
        "star" => 0.25,
        _ => missing,
    };
    let found = label("--keep-soft 1 --mean arithmetic");
    let expected =
        teacher.iter().map(|(name, p)| (name.clone(), (2.0 * p + kept(name, 0.0)) / 3.0)).collect();
    assert_close(&found[0], &expected);
    assert_close(&found[1], &teacher);
    let found = label("--keep-soft 1 --mean geometric");
    let product = |(name, p): (&String, &f64)| (name.clone(), (p * p * kept(name, 0.01)).cbrt());
    let mut expected: BTreeMap<String, f64> = teacher.iter().map(product).collect();
    let sum: f64 = expected.values().sum();
    expected.values_mut().for_each(|value| *value /= sum);
    assert_close(&found[0], &expected);
}

#[test]
fn label_keeps_lines_as_they_are_in_their_order_and_reports_the_bad_ones() {
    let data = read("data");
    let mut text = String::new();
    // Of different lengths and words that the teacher does not know; spaces, numbers and other
    // fields stay.
    for index in (0..120).rev() {
        let more = format!("\"colour\" : [1.50, {{\"soft\": {index}}}], ");
        text += &line_of(if index % 3 == 0 { "yurt" } else { "circle" }, &data.drawing(index), &more);
    }
    fs::create_dir_all(PLACE.join("odd")).unwrap();
    fs::write(PLACE.join("odd/a.ndjson"), format!("nonsense\n{text}\n")).unwrap();
    fs::write(
        PLACE.join("odd/b.csv"),
        "word,drawing,countrycode\nline,\"[[[0,255],[20,0]]]\",KR\nline,broken,KR\n",
    )
    .unwrap();
    let told = run(&PLACE, "label odd --teacher run --top 3 --floor 0 --out odd.ndjson.gz --device cpu");
    assert!(told.contains("121 drawings from 2 files") && told.contains("2 bad lines left out"), "{told}");
    assert!(told.contains("a.ndjson:1: ") && told.contains("b.csv:3: "), "{told}");
    let labelled = crate::text("odd.ndjson.gz");
    let labelled: Vec<&str> = labelled.lines().collect();
    assert_eq!(labelled.len(), 121);
    for (before, after) in text.lines().zip(&labelled) {
        let kept = after
            .strip_prefix(before.strip_suffix('}').unwrap())
            .unwrap_or_else(|| panic!("{before}\n{after}"));
        assert!(kept.starts_with(",\"soft\":{"), "{after}");
        assert_eq!(soft(&serde_json::from_str(after).unwrap()).len(), 3);
    }
    assert!(
        labelled[120].starts_with(r#"{"word":"line","countrycode":"KR","drawing":[[[0,255],[20,0]]]"#),
        "{}",
        labelled[120]
    );
    // What is labelled again has one `soft` field, and the loader takes it.
    run(&PLACE, "label odd.ndjson.gz --teacher other --top 2 --floor 0.9 --out again.ndjson --device cpu");
    let again = lines("again.ndjson");
    assert!(
        again.iter().all(|line| soft(line).len() == 1),
        "the most probable category is kept below the floor"
    );
    let labels = Some(open("run").labels().iter().cloned().chain(["yurt".to_owned()]).collect());
    let options = ReadOptions { labels, ..ReadOptions::default() };
    let (data, report) = read_folder(&PLACE.join("again.ndjson"), &options).expect("drawings");
    assert!(data.has_soft() && report.n_bad_lines + report.n_unknown_soft == 0, "{report}");
}

#[test]
fn label_refuses_what_it_cannot_use() {
    let names = fs::read_to_string(PLACE.join("run/model.json")).unwrap().replace("\"circle\"", "\"round\"");
    fs::create_dir_all(PLACE.join("renamed")).unwrap();
    fs::write(PLACE.join("renamed/model.json"), names).unwrap();
    fs::copy(PLACE.join("run/weights.safetensors"), PLACE.join("renamed/weights.safetensors")).unwrap();
    fs::write(PLACE.join("bad.ndjson"), "nonsense\n").unwrap();
    for (flags, part) in [
        ("data --teacher run --teacher renamed", "renamed knows the category \"round\""),
        ("data --teacher run=0", "a number above 0 was expected"),
        ("data --teacher run=2 --teacher other", "--teacher other: expected a weight"),
        ("data --teacher nowhere", "nowhere: there is no such folder"),
        ("data", "--teacher"),
        ("data --teacher run --top 0", "--top is 0"),
        ("data --teacher run --floor 1", "--floor is 1"),
        ("data --teacher run --keep-soft=-1", "--keep-soft is -1"),
        ("bad.ndjson --teacher run", "there are no drawings to label"),
    ] {
        let message = refusal(&PLACE, &format!("label {flags} --out refused.ndjson --device cpu"));
        assert!(message.contains(part), "{flags}: {message}");
    }
    assert!(!PLACE.join("refused.ndjson").exists() && !PLACE.join("refused.ndjson.partial").exists());
}

/// All tensors of a model folder.
fn tensors(model: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = fs::read(PLACE.join(model).join("weights.safetensors")).expect("weights");
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors").tensors();
    tensors.into_iter().map(|(name, view)| (name, view.data().chunks(4).map(float).collect())).collect()
}

#[test]
fn average_weighs_networks_and_their_batch_norm_statistics() {
    run(&PLACE, "average run=3 other=1 --out averaged");
    let [a, b, found] = ["run", "other", "averaged"].map(tensors);
    assert!(found.keys().any(|name| name.contains("running_var")), "{:?}", found.keys());
    let mut farthest = 0.0f32;
    for (name, values) in &found {
        for ((found, a), b) in values.iter().zip(&a[name]).zip(&b[name]) {
            assert!((0.75 * a + 0.25 * b - found).abs() < 1e-6, "{name}");
            farthest = farthest.max((a - b).abs());
        }
    }
    assert!(farthest > 0.1, "the two differ: {farthest}");
    let card = open("averaged").card().clone();
    assert!(card.calibration.is_none() && card.figures.is_empty());
    let sources = card.training["averaged_from"].as_array().expect("a list");
    assert_eq!((&sources[0]["model"], &sources[0]["weight"]), (&json!("run"), &json!(0.75)));
    assert_eq!((&sources[1]["model"], &sources[1]["training"]["steps"]), (&json!("other"), &json!(4)));
    // One alone is what it was.
    run(&PLACE, "average other --out alone");
    assert_eq!(tensors("alone"), b);
}

#[test]
fn average_takes_the_averaged_weights_of_checkpoints() {
    run(&PLACE, "average run/checkpoints/step-000000004 --out last");
    assert_eq!(tensors("last"), tensors("run"), "the last step was evaluated and kept");
    run(&PLACE, "average run/checkpoints/step-000000002 run/checkpoints/step-000000004 --out soup");
    run(&PLACE, "average run/checkpoints/step-000000002 --out before");
    let [before, last, soup] = ["before", "last", "soup"].map(tensors);
    for (name, values) in &soup {
        for ((found, a), b) in values.iter().zip(&before[name]).zip(&last[name]) {
            assert!(((a + b) / 2.0 - found).abs() < 1e-6, "{name}");
        }
    }
    let card = open("soup").card().clone();
    assert_eq!(card.labels, open("run").labels());
    let sources = json!([
        { "model": "run/step-000000002", "weight": 0.5, "training": { "steps": 2 } },
        { "model": "run/step-000000004", "weight": 0.5, "training": { "steps": 4 } },
    ]);
    assert_eq!(card.training["averaged_from"], sources);
}

#[test]
fn average_names_the_first_difference_and_refuses_int8() {
    let place = PLACE.as_path();
    run(place, &format!("train --out wider {}", SMALL.replace("--num-nodes 4", "--num-nodes 5")));
    run(place, &format!("train --out dropout {SMALL} --dropout 0.5"));
    run(place, "export --model run --out int8 --weights int8");
    fs::create_dir_all(place.join("relabelled")).unwrap();
    let names =
        fs::read_to_string(place.join("run/model.json")).unwrap().replace("\"envelope\"", "\"letter\"");
    fs::write(place.join("relabelled/model.json"), names).unwrap();
    fs::copy(place.join("run/weights.safetensors"), place.join("relabelled/weights.safetensors")).unwrap();
    run(place, "average run dropout --out mixed-dropout");
    for (models, part) in [
        ("run wider", "wider: another network than run: num_nodes is 5, expected 4"),
        (
            "run relabelled",
            "relabelled: other labels than run: label 1 (counted from 0) is \"letter\", expected \"envelope\"",
        ),
        ("run int8", "int8/weights.safetensors: these weights are int8"),
        ("run=0.5 other", "MODEL other: expected a weight"),
        ("run nowhere", "nowhere: there is no such folder"),
    ] {
        let message = refusal(place, &format!("average {models} --out refused"));
        assert!(message.contains(part), "{models}: {message}");
    }
    assert!(!place.join("refused").exists());
    assert!(refusal(place, "average run other --out other").contains("--out is the folder of other"));
}

#[test]
fn a_run_on_several_folders_knows_the_categories_of_all_and_validates_on_the_first() {
    let place = TempDir::new().unwrap();
    let place = place.path();
    let data = read("data");
    for (folder, classes) in [("first", [0, 1]), ("second=2", [1, 2])] {
        fs::create_dir(place.join(folder)).unwrap();
        for class in classes {
            let own = (0..data.len()).filter(|&index| data.label(index) == class);
            let more = "\"soft\":{\"circle\":0.5,\"ladder\":0.5},";
            let lines: String =
                own.map(|index| line_of(&data.labels()[class], &data.drawing(index), more)).collect();
            fs::write(place.join(folder).join(format!("{}.ndjson", data.labels()[class])), lines).unwrap();
        }
    }
    let flags = SMALL.replace(" --quiet", "") + " --eval-observations-per-class 5";
    let told = run(place, &format!("train --data first=3 --data second=2=1 --out run {flags}"));
    assert!(told.contains("38 drawings of 3 categories to train on, 10 to validate on"), "{told}");
    assert!(!told.contains("soft labels of unknown classes"), "{told}");
    let card: Value = serde_json::from_slice(&fs::read(place.join("run/model.json")).unwrap()).unwrap();
    assert_eq!(card["labels"], json!(["circle", "envelope", "ladder"]));
    let sets = json!([
        { "data": "first", "drawings": 14, "share": 0.75 },
        { "data": "second=2", "drawings": 24, "share": 0.25 },
    ]);
    assert_eq!(card["training"]["data"], sets);
    // A path that exists as it stands has no share.
    let told = run(place, &format!("train --data second=2 --out plain {flags}"));
    assert!(told.contains("14 drawings of 2 categories to train on, 10 to validate on"), "{told}");
    for (asked, part) in [
        ("--data first --data second=2=1", "--data first: expected a weight"),
        ("--data first=0 --data second=2=1", "a number above 0 was expected"),
        ("--data first=1 --data second=3", "second: there is no such folder"),
    ] {
        let message = refusal(place, &format!("train --out refused {asked} {flags}"));
        assert!(message.contains(part), "{asked}: {message}");
    }
    let longer = flags.replace("--steps 4", "--steps 6");
    let message =
        refusal(place, &format!("train --data first=1 --data second=2=1 --out run --resume {longer}"));
    assert!(message.contains("asked for several data sets: 14 drawings (share 0.5000)"), "{message}");
    run(place, &format!("train --data first=6 --data second=2=2 --out run --resume {longer}"));
}

#[test]
fn a_weight_stands_behind_the_last_equals_sign() {
    let parse = |text: &str| Weighted::parse(text.into()).unwrap();
    for (text, path, weight) in [
        ("nowhere", "nowhere", None),
        ("nowhere=0.25", "nowhere", Some(0.25)),
        ("no=where=2", "no=where", Some(2.0)),
        ("no=where", "no=where", None),
        ("no=1*.ndjson", "no=1*.ndjson", None),
        ("=3", "=3", None),
    ] {
        assert_eq!(parse(text), Weighted { path: path.into(), weight }, "{text}");
    }
    for text in ["a=0", "a=-1", "a=nan", "a=inf"] {
        assert!(Weighted::parse(text.into()).unwrap_err().contains("above 0"), "{text}");
    }
    assert_eq!(weights(&[parse("a"), parse("b")], "--data").unwrap(), [1.0, 1.0]);
    assert_eq!(weights(&[parse("a=3"), parse("b=1")], "--data").unwrap(), [3.0, 1.0]);
}
