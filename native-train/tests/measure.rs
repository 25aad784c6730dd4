//! What is measured and exported: figures against ones computed by hand, reports, weights, ONNX,
//! speeds.

mod python;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor};
use burn_flex::Flex;
use native_train::data::augment::redraw;
use native_train::data::synthetic::sample_set;
use native_train::data::{DataSet, for_each_part, read_folder};
use native_train::eval::{Confidences, Measurement, Network, Tally, compare, evaluate, report};
use native_train::export::onnx;
use native_train::model_folder;
use quickdraw_core::weights::WeightType;
use quickdraw_core::{
    CellType, Classifier, Drawing, IMAGE_SIDE, Ink, InkBatch, Model, ModelCard, ModelConfig, Pooling,
    QuantizedModel,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// What the program printed on standard output.
#[track_caller]
fn output(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The error message of a refusal.
#[track_caller]
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[track_caller]
fn json_output(folder: &Path, arguments: &[&str]) -> Value {
    let text = output(folder, arguments);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A folder with a model trained briefly on the sample drawings (`model`), and new ones (`data`).
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    // Not a temporary folder, which would stay: what is static is not dropped.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("measure");
    if place.exists() {
        fs::remove_dir_all(&place).unwrap();
    }
    fs::create_dir_all(place.join("data")).unwrap();
    let small = "train --out model --num-layers 1 --num-nodes 24 --num-conv 16,16 --conv-len 5,3 --conv-stride 2,2 \
                 --steps 250 --batch-size 32 --warmup-steps 20 --eval-every-steps 250 --device cpu --quiet";
    output(&place, &small.split_whitespace().collect::<Vec<_>>());
    write_ndjson(&place.join("data"), &sample_set(7, 3, 12));
    place
});

/// A file for each class, as Quick, Draw! publishes them.
fn write_ndjson(folder: &Path, data: &DataSet) {
    for (label, indices) in data.labels().iter().zip(data.indices_by_class()) {
        let lines: String = indices
            .iter()
            .map(|&index| {
                let drawing = data.drawing(index as usize);
                let axis =
                    |stroke: &[[f32; 2]], axis: usize| stroke.iter().map(|p| p[axis]).collect::<Vec<_>>();
                let strokes: Vec<[Vec<f32>; 2]> =
                    drawing.strokes().iter().map(|stroke| [axis(stroke, 0), axis(stroke, 1)]).collect();
                json!({ "word": label, "drawing": strokes }).to_string() + "\n"
            })
            .collect();
        fs::write(folder.join(format!("{label}.ndjson")), lines).unwrap();
    }
}

fn logarithms(probabilities: &[f32]) -> Vec<f32> {
    probabilities.iter().map(|probability| probability.ln()).collect()
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
}

#[test]
fn a_tally_gives_the_figures_that_are_computed_by_hand() {
    let mut tally = Tally::new(4);
    for (label, probabilities, guess) in [
        (0, [0.7, 0.1, 0.1, 0.1], 0),   // right
        (0, [0.1, 0.6, 0.2, 0.1], 1),   // its own ties for third: fourth
        (0, [0.3, 0.4, 0.2, 0.1], 1),   // second
        (1, [0.05, 0.9, 0.05, 0.0], 1), // right
        (2, [0.4, 0.1, 0.4, 0.1], 0),   // a tie for the first: second
    ] {
        assert_eq!(tally.add(label, &logarithms(&probabilities)), guess);
    }
    assert_eq!(tally.predictions(0), [1, 2, 0, 0]);
    assert_eq!(tally.predictions(2), [1, 0, 0, 0]);
    assert_eq!(tally.confusions_of(0), [(1, 2)]);
    let figures = tally.figures();
    assert_eq!(figures.n, 5);
    assert_near(figures.top1, 2.0 / 5.0);
    assert_near(figures.top3, 4.0 / 5.0);
    assert_near(figures.top5, 1.0);
    // Class 3 does not occur.
    assert_near(figures.balanced_top1, (1.0 / 3.0 + 1.0 + 0.0) / 3.0);
    assert_near(figures.balanced_top3, (2.0 / 3.0 + 1.0 + 1.0) / 3.0);
    let loss: f64 = [0.7f64, 0.1, 0.3, 0.9, 0.4].iter().map(|probability| -probability.ln()).sum();
    assert_near(figures.loss, loss / 5.0);
}

#[test]
fn the_calibration_error_is_the_one_that_is_computed_by_hand() {
    // Fifteenths: 0.95 and 1.0 lie in the last, 0.60 in the tenth (0.6 to 0.667), 0.55 in the
    // ninth.
    let mut tally = Tally::new(2);
    for (label, right) in [(0, 0.95), (0, 1.0), (1, 0.05), (0, 0.62), (1, 0.45)] {
        let probabilities = if label == 0 { [right, 1.0 - right] } else { [1.0 - right, right] };
        tally.add(label, &logarithms(&probabilities));
    }
    // The last: 3 drawings, 2 right, confidences 0.95 + 1 + 0.95; the tenth: 1 right, 0.62; the
    // ninth: none right, 0.55.
    let expected = ((2.0f64 - 2.9).abs() + (1.0f64 - 0.62).abs() + (0.0f64 - 0.55).abs()) / 5.0;
    assert_near(tally.expected_calibration_error(), expected);
    let filled: Vec<(usize, usize, usize)> = tally
        .bins()
        .iter()
        .enumerate()
        .filter(|(_, bin)| bin.n > 0)
        .map(|(i, bin)| (i, bin.n, bin.n_correct))
        .collect();
    assert_eq!(filled, [(8, 1, 0), (9, 1, 1), (14, 3, 2)]);
}

#[test]
fn a_measurement_agrees_with_a_plain_evaluation_and_with_the_parts_as_a_browser_sees_them() {
    let mut card =
        model_folder::open::<Flex>(&PLACE.join("model"), &Default::default()).unwrap().card().clone();
    card.config.pen_state = true;
    let weights = fs::read(PLACE.join("model/weights.safetensors")).unwrap();
    let card = serde_json::to_vec(&card).unwrap();
    let classifier = Classifier::<Flex>::from_bytes(&card, &weights, &Default::default()).unwrap();
    let folder = PLACE.join("data");
    let mut measurement = Measurement::new(classifier.labels().to_vec(), |_| 1.0);
    let read = measurement.add_folder(classifier.model(), &folder, &Default::default()).unwrap();
    let summary = measurement.summary();
    let (data, _) = read_folder(&folder, &Default::default()).unwrap();
    assert_eq!((read.n_drawings, summary.evaluation.n), (120, 120));
    assert_eq!(summary.evaluation, evaluate(classifier.model(), &data, &Default::default()).unwrap());

    let fractions: Vec<f64> = summary.by_fraction.iter().map(|part| part.fraction).collect();
    assert_eq!(fractions, [0.25, 0.5, 0.75, 1.0]);
    let mut with_pen_up = Measurement::new(classifier.labels().to_vec(), |_| 1.0).with_pen_up();
    with_pen_up.add(classifier.model(), &data, &Default::default()).unwrap();
    let with_pen_up = with_pen_up.summary();
    for (parts, tells_pen) in [(&summary.by_fraction, true), (&with_pen_up.by_fraction, false)] {
        for part in parts {
            // One drawing at a time, from strokes to the top-1 prediction, by the browser's
            // pipeline.
            let (mut n_correct, mut loss) = (0, 0.0);
            for index in 0..data.len() {
                let whole = data.drawing(index);
                let n_points = (part.fraction * whole.n_points() as f64).round() as usize;
                let seen = whole.first_points(n_points).simplify();
                let is_pen_down = tells_pen && seen.is_pen_down();
                let seen = seen.with_pen_down(is_pen_down);
                let best = classifier.classify(&seen, 1).unwrap().remove(0);
                n_correct += usize::from(best.label == data.labels()[data.label(index)]);
                loss -= f64::from(classifier.probabilities(&seen).unwrap()[data.label(index)].ln());
            }
            assert_eq!(part.figures.n, data.len());
            assert_near(part.figures.top1, n_correct as f64 / data.len() as f64);
            assert_near(part.figures.loss, loss / data.len() as f64);
        }
    }
    assert_ne!(summary.by_fraction[0].figures.loss, with_pen_up.by_fraction[0].figures.loss);
    assert_eq!(summary.by_fraction[3], with_pen_up.by_fraction[3]);
    let [first, .., last] = &summary.by_fraction[..] else { panic!("{summary:?}") };
    assert_eq!(last.figures, summary.evaluation.figures);
    assert!(first.figures.top1 < last.figures.top1, "{summary:?}");

    let mistakes = measurement.mistakes();
    let n_wrong = summary.evaluation.n as f64 * (1.0 - summary.evaluation.top1);
    assert_eq!(mistakes.len(), n_wrong.round() as usize);
    assert!(mistakes.is_sorted_by(|a, b| a.predictions[0].1 >= b.predictions[0].1), "most confident first");
    assert!(mistakes.iter().all(|mistake| mistake.predictions[0].0 != mistake.label));
}

#[test]
fn a_large_folder_is_evaluated_part_by_part() {
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
    for label in &labels {
        let line = format!("{{\"word\":\"{label}\",\"drawing\":[[[0,255],[20,0]]]}}\n");
        fs::write(folder.path().join(format!("{label}.ndjson")), line.repeat(5000) + "nonsense\n").unwrap();
    }
    let mut parts = Vec::new();
    let report = for_each_part(folder.path(), &labels, |part| {
        assert_eq!(part.labels(), labels);
        parts.push(part.class_counts());
        Ok(())
    });
    assert_eq!(parts, [[5000, 5000, 0], [0, 0, 5000]]);
    let report = report.unwrap();
    assert_eq!((report.n_files, report.n_drawings, report.n_bad_lines), (3, 15_000, 3));
    assert!(report.examples[2].contains("c.ndjson:5001: "), "{:?}", report.examples);
    let stopped = for_each_part(folder.path(), &labels, |_| anyhow::bail!("enough"));
    assert_eq!(stopped.unwrap_err().to_string(), "enough");
}

#[test]
fn a_measurement_keeps_a_limited_number_of_mistakes() {
    let data = sample_set(1, 4, 450);
    let config = ModelConfig {
        num_nodes: 2,
        num_layers: 1,
        num_conv: vec![2],
        conv_len: vec![1],
        conv_stride: vec![4],
        ..ModelConfig::fast(10)
    };
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let mut measurement = Measurement::new(data.labels().to_vec(), |_| 1.0);
    measurement.add(&model, &data, &Default::default()).unwrap();
    let all = measurement.tally();
    assert!(all.n() - (0..10).map(|label| all.hits_of(label)[0]).sum::<usize>() > 2000);
    assert_eq!(measurement.mistakes().len(), 2000);
    let fewest = |measurement: &Measurement| measurement.mistakes().last().unwrap().predictions[0].1;
    let before = fewest(&measurement);
    measurement.add(&model, &data, &Default::default()).unwrap();
    assert_eq!(measurement.mistakes().len(), 2000);
    assert!(fewest(&measurement) >= before, "the most confident ones stay");
}

#[test]
fn eval_prints_calibration_fractions_and_classes_as_json() {
    let found =
        json_output(&PLACE, &["eval", "--model", "model", "--data", "data", "--device", "cpu", "--json"]);
    assert_eq!(found["n"], 120);
    assert!(found["ece"].as_f64().is_some_and(|ece| (0.0..=1.0).contains(&ece)), "{found}");
    let fractions = found["by_fraction"].as_array().unwrap();
    assert_eq!(fractions.len(), 4);
    for part in fractions {
        for name in ["top1", "top3", "top5", "balanced_top1", "balanced_top3", "balanced_top5", "loss"] {
            assert!(part[name].is_f64(), "{name}: {part}");
        }
    }
    assert_eq!(fractions[3]["top1"], found["top1"]);
    let classes = found["classes"].as_array().unwrap();
    assert_eq!(classes.len(), 10);
    assert!(classes.iter().all(|class| class["n"] == 12), "{classes:?}");
    let mean = |name: &str| classes.iter().map(|class| class[name].as_f64().unwrap()).sum::<f64>() / 10.0;
    for (within, balanced) in
        [("top1", "balanced_top1"), ("top3", "balanced_top3"), ("top5", "balanced_top5")]
    {
        assert_near(mean(within), found[balanced].as_f64().unwrap());
    }
}

#[test]
fn a_report_is_one_self_contained_page_with_tables_and_pictures() {
    let arguments =
        ["eval", "--model", "model", "--data", "data", "--device", "cpu", "--json", "--report", "report"];
    let found = json_output(&PLACE, &arguments);
    let folder = PLACE.join("report");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();

    let page = text("report.html");
    for outside in ["http://", "https://", "src=", "url(", "@import", "<link", "<iframe", "<img"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for part in ["prefers-color-scheme: dark", "120 drawings", "triangle", "class=\"drawing\"", "id=\"heat\""]
    {
        assert!(page.contains(part), "{part}");
    }
    let n_wrong = 120 - (120.0 * found["top1"].as_f64().unwrap()).round() as usize;
    assert!(n_wrong > 0 && page.matches("class=\"drawing\"").count() > 0);

    let rows: Vec<Vec<String>> =
        text("confusion.csv").lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    assert_eq!((rows.len(), rows[0].len()), (11, 11));
    let mut n = 0;
    let mut n_correct = 0;
    for (row, cells) in rows.iter().enumerate().skip(1) {
        assert_eq!(cells[0], rows[0][row], "rows and columns are in one order");
        let counts: Vec<usize> = cells[1..].iter().map(|cell| cell.parse().unwrap()).collect();
        n += counts.iter().sum::<usize>();
        n_correct += counts[row - 1];
    }
    assert_eq!((n, n_correct), (120, 120 - n_wrong));

    let classes = text("classes.csv");
    let mut lines = classes.lines();
    assert_eq!(lines.next(), Some("label,n,top1,top3,top5,confused_with,n_confused"));
    let counts = lines.map(|line| line.split(',').nth(1).unwrap().parse::<usize>().unwrap());
    assert_eq!(counts.sum::<usize>(), 120);

    for name in ["confusion", "reliability"] {
        assert!(text(&format!("{name}.svg")).starts_with("<svg"), "{name}");
        let png = fs::read(folder.join(format!("{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG"), "{name}");
    }
}

#[test]
fn a_label_cannot_break_out_of_the_page() {
    let labels: Vec<String> = ["</script><b>", "a \"quoted\" & more", "plain"].map(str::to_owned).to_vec();
    let mut data = DataSet::new(labels.clone()).unwrap();
    for (label, y) in [(0, 20.0), (1, 90.0), (2, 255.0)] {
        let drawing = Drawing::from_strokes(vec![vec![[0.0, 0.0], [255.0, y]], vec![[7.0, 7.0]]]).unwrap();
        data.push(label, &drawing, &[]).unwrap();
    }
    let config = ModelConfig { num_nodes: 2, num_layers: 1, ..ModelConfig::fast(3) };
    let model: Model<Flex> = config.init(&Default::default()).unwrap();
    let mut measurement = Measurement::new(labels, |_| 1.0);
    measurement.add(&model, &data, &Default::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let subject = report::Subject { model: "<i>".to_owned(), data: "here & there".to_owned() };
    report::write(folder.path(), &subject, &measurement).unwrap();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(!page.contains("</script><b>") && !page.contains("<i>"));
    assert!(page.contains("&lt;i&gt;") && page.contains("here &amp; there"));
    assert_eq!(page.matches("</script>").count(), 2);
    let table = fs::read_to_string(folder.path().join("classes.csv")).unwrap();
    assert!(table.contains("\"a \"\"quoted\"\" & more\",1,"), "{table}");
}

#[test]
fn int8_weights_go_through_export_and_eval() {
    let arguments =
        ["export", "--model", "model", "--out", "int8", "--weights", "int8", "--test-data", "data"];
    let printed = output(&PLACE, &arguments);
    assert!(printed.contains("the same top-1 prediction for "), "{printed}");
    let bytes = |folder: &str| fs::read(PLACE.join(folder).join("weights.safetensors")).unwrap();
    let size = |folder: &str| bytes(folder).len();
    assert!(size("int8") < size("model") * 2 / 5, "{} of {}", size("int8"), size("model"));
    let eval = |model: &str| json_output(&PLACE, &["eval", "--model", model, "--data", "data", "--json"]);
    let (full, rounded) = (eval("model"), eval("int8"));
    let loss = |found: &Value| found["loss"].as_f64().unwrap();
    assert!((loss(&full) - loss(&rounded)).abs() < 0.02, "{} and {}", loss(&full), loss(&rounded));
    let card: Value = serde_json::from_slice(&fs::read(PLACE.join("int8/model.json")).unwrap()).unwrap();
    assert_eq!(card["figures"]["test"]["top1"], rounded["top1"]);

    let open = |name: &str| model_folder::open::<Flex>(&PLACE.join(name), &Default::default()).unwrap();
    let (model, int8) = (open("model"), open("int8"));
    let labels = model.labels();
    let against = |other: Network<'_, Flex>| {
        let before = Network::Float(model.model());
        compare(before, other, 1.0, labels, &PLACE.join("data"), &Default::default()).unwrap().0
    };
    assert_near(against(Network::Float(model.model())).agreement, 1.0);
    let (float, quantized) = (
        against(Network::Float(int8.model())),
        against(Network::Quantized(&QuantizedModel::load(int8.model().config(), &bytes("int8")).unwrap())),
    );
    assert!(float.agreement > 0.9 && quantized.agreement > 0.9);
    assert!((float.after.loss - quantized.after.loss).abs() < 1e-3);
}

#[test]
fn calibration_recovers_a_known_temperature() {
    let copy = |name: &str, card: &ModelCard, weights: &[u8]| {
        fs::create_dir_all(PLACE.join(name)).unwrap();
        fs::write(PLACE.join(name).join("model.json"), serde_json::to_vec(card).unwrap()).unwrap();
        fs::write(PLACE.join(name).join("weights.safetensors"), weights).unwrap();
    };
    let open = |name: &str| model_folder::open::<Flex>(&PLACE.join(name), &Default::default()).unwrap();
    let model = open("model");
    let weights = fs::read(PLACE.join("model/weights.safetensors")).unwrap();
    copy("calibrated", model.card(), &weights);
    let printed = output(&PLACE, &["calibrate", "--model", "calibrated", "--data", "data"]);
    assert!(
        printed.contains("expected calibration error")
            && printed.contains("correct in 95 of 100")
            && printed.contains("at which the pen was down"),
        "{printed}"
    );
    let first = open("calibrated").card().calibration.unwrap();

    // The last layer five times as large: five times the temperature, and the same probabilities.
    let mut spoilt = model.model().clone();
    spoilt = spoilt.map(&mut LastLayer(5.0));
    let weights = quickdraw_core::weights::save(&spoilt, quickdraw_core::weights::WeightType::F32).unwrap();
    copy("spoilt", model.card(), &weights);
    let found = json_output(&PLACE, &["calibrate", "--model", "spoilt", "--data", "data", "--json"]);
    let second = open("spoilt").card().calibration.unwrap();
    // What it prints is what it writes.
    let printed = |pen: &str, key: &str| found[pen]["calibration"][key].as_f64().unwrap() as f32;
    assert_eq!(printed("whole", "temperature"), second.temperature, "{found}");
    assert_eq!(printed("pen_down", "threshold"), second.pen_down.unwrap().threshold, "{found}");
    assert!(found["whole"]["ece"]["after"].is_number() && found["n"] == 120, "{found}");
    assert!((second.temperature / first.temperature / 5.0 - 1.0).abs() < 1e-2, "{first:?} {second:?}");
    assert!((second.threshold - first.threshold).abs() < 1e-2, "{first:?} {second:?}");
    let [first_down, second_down] = [first, second].map(|calibration| calibration.pen_down.unwrap());
    assert!((second_down.temperature / first_down.temperature / 5.0 - 1.0).abs() < 1e-2);
    assert!((second_down.threshold - first_down.threshold).abs() < 1e-2, "{first:?} {second:?}");
    // On unfinished drawings it is overconfident.
    assert!(first_down.temperature > first.temperature, "{first:?}");

    // No other temperature gives a lower loss.
    let loss = |temperature: f32| {
        let classifier: &Classifier<Flex> = &model;
        let mut measurement = Measurement::new(classifier.labels().to_vec(), |_| temperature);
        let (data, _) = read_folder(&PLACE.join("data"), &Default::default()).unwrap();
        measurement.add(classifier.model(), &data, &Default::default()).unwrap();
        measurement.summary().evaluation.figures.loss
    };
    let best = loss(first.temperature);
    for other in [0.5, 0.8, 0.95, 1.05, 1.25, 2.0] {
        assert!(loss(first.temperature * other) > best, "{other}");
    }
    // `eval` measures with it.
    let eval = json_output(&PLACE, &["eval", "--model", "calibrated", "--data", "data", "--json"]);
    assert_near(eval["loss"].as_f64().unwrap(), best);
    // Unfinished drawings are measured with theirs, unless the pen is up.
    let with_pen_up =
        json_output(&PLACE, &["eval", "--model", "calibrated", "--data", "data", "--json", "--pen-up"]);
    assert_eq!([&eval["tells_pen"], &with_pen_up["tells_pen"]], [true, false]);
    let ece = |summary: &Value| summary["by_fraction"][0]["ece"].as_f64().unwrap();
    assert!(ece(&eval) < ece(&with_pen_up), "{eval} {with_pen_up}");
    assert!(
        refusal(&PLACE, &["calibrate", "--model", "model", "--data", "nowhere"]).contains("no such folder")
    );
}

#[test]
fn class_biases_undo_a_last_layer_that_favours_a_category() {
    let folder = PLACE.join("favouring");
    let weights = |name: &str| fs::read(PLACE.join(name).join("weights.safetensors")).unwrap();
    let open = || model_folder::open::<Flex>(&folder, &Default::default()).unwrap();
    let model = model_folder::open::<Flex>(&PLACE.join("model"), &Default::default()).unwrap();
    let mut favour = vec![0.0; 10];
    favour[4] = 3.0;
    let favouring = model.model().clone().with_shifted_logits(&favour).unwrap();
    assert!(model.model().clone().with_shifted_logits(&favour[1..]).is_err());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("model.json"), serde_json::to_vec(model.card()).unwrap()).unwrap();
    let bytes = quickdraw_core::weights::save(&favouring, quickdraw_core::weights::WeightType::F32).unwrap();
    fs::write(folder.join("weights.safetensors"), &bytes).unwrap();

    let (data, _) = read_folder(&PLACE.join("data"), &Default::default()).unwrap();
    // How many drawings of each category the model expects among all, and their mean cross-entropy.
    let measured = |classifier: &Classifier<Flex>| {
        let (mut expected, mut loss) = (vec![0.0; 10], 0.0);
        for index in 0..data.len() {
            let probabilities = classifier.probabilities(&data.drawing(index)).unwrap();
            expected.iter_mut().zip(&probabilities).for_each(|(sum, p)| *sum += f64::from(*p));
            loss -= f64::from(probabilities[data.label(index)].ln()) / data.len() as f64;
        }
        (expected, loss)
    };
    let calibrate = |arguments: &[&str]| {
        output(&PLACE, &[&["calibrate", "--model", "favouring", "--data", "data"], arguments].concat())
    };
    calibrate(&[]);
    let off_by = |expected: &[f64]| expected.iter().map(|n| (n - 12.0).abs()).sum::<f64>();
    let (before, without) = measured(&open());
    assert!(before[4] > 20.0, "there are 12 drawings of each category: {before:?}");
    let printed = calibrate(&["--class-biases"]);
    assert!(printed.contains("biases of 10 categories"), "{printed}");
    // Its figures of drawings that the biases were not fitted on.
    let line = printed.lines().find(|line| line.starts_with("class-balanced top-1")).unwrap();
    let shares: Vec<f64> = line.split([' ', '(']).filter_map(|word| word.parse().ok()).collect();
    assert!(shares[0] > shares[1] + 5.0, "{line}");
    let (expected, with) = measured(&open());
    assert!(with < without - 0.1, "{with} {without}");
    assert!(expected[4] < 16.0 && off_by(&expected) < off_by(&before) / 2.0, "{before:?} {expected:?}");
    assert_eq!(open().labels(), model.labels());
    assert!(open().card().figures.is_empty(), "figures of other weights");
    let pen_down = open().card().calibration.unwrap().pen_down.unwrap();
    // They are stored: without the flag the weights stay as they are.
    let shifted = weights("favouring");
    assert_ne!(shifted, bytes);
    calibrate(&[]);
    assert_eq!(weights("favouring"), shifted);
    // Moments at which the pen was down have the biases, too: judged on others they ask for about
    // the same temperature.
    let again = open().card().calibration.unwrap().pen_down.unwrap();
    assert!((again.temperature / pen_down.temperature).ln().abs() < 0.2, "{pen_down:?} {again:?}");

    // A category without drawings would never be guessed again.
    fs::create_dir_all(PLACE.join("nine")).unwrap();
    for label in &model.labels()[1..] {
        let file = format!("{label}.ndjson");
        fs::copy(PLACE.join("data").join(&file), PLACE.join("nine").join(&file)).unwrap();
    }
    let refused = refusal(
        &PLACE,
        &["calibrate", "--model", "favouring", "--data", "nine", "--class-biases", "--again"],
    );
    assert!(refused.contains(&format!("nine: 0 drawings of {}", model.labels()[0])), "{refused}");
    assert_eq!(weights("favouring"), shifted);

    // Weights that are already rounded are not rounded again.
    output(&PLACE, &["export", "--model", "favouring", "--out", "favouring-int8", "--weights", "int8"]);
    let before = weights("favouring-int8");
    let refused =
        refusal(&PLACE, &["calibrate", "--model", "favouring-int8", "--data", "data", "--class-biases"]);
    assert!(refused.contains("weights.safetensors: these weights are int8"), "{refused}");
    assert_eq!(weights("favouring-int8"), before);
}

#[test]
fn class_biases_are_added_once_and_keep_the_type_of_the_weights() {
    let weights = || fs::read(PLACE.join("once/weights.safetensors")).unwrap();
    let calibrate = ["calibrate", "--model", "once", "--data", "data", "--class-biases"];
    for (name, weight_type) in [("f16", WeightType::F16), ("f32", WeightType::F32)] {
        output(&PLACE, &["export", "--model", "model", "--out", "once", "--weights", name]);
        output(&PLACE, &calibrate);
        let shifted = weights();
        assert_eq!(quickdraw_core::weights::weight_type(&shifted).unwrap(), weight_type);
        let model = model_folder::open::<Flex>(&PLACE.join("once"), &Default::default()).unwrap();
        assert_eq!(model.card().training["class_biases"]["drawings"], 120);
        let refused = refusal(&PLACE, &calibrate);
        assert!(
            refused.contains("once has class biases already") && refused.contains("--again"),
            "{refused}"
        );
        assert!(weights() == shifted);
        output(&PLACE, &[&calibrate[..], &["--again"]].concat());
        assert!(weights() != shifted);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_export_without_room_for_both_files_changes_neither() {
    output(&PLACE, &["export", "--model", "model", "--out", "neither", "--weights", "int8"]);
    let read = |name: &str| fs::read(PLACE.join("neither").join(name)).unwrap();
    let before = ["weights.safetensors", "model.json"].map(read);
    // Every write to this device fails as one to a full disk does.
    std::os::unix::fs::symlink("/dev/full", PLACE.join("neither/model.json.partial")).unwrap();
    let told = refusal(&PLACE, &["export", "--model", "model", "--out", "neither", "--weights", "f32"]);
    assert!(told.contains("model.json") && told.contains("No space left"), "{told}");
    assert!(["weights.safetensors", "model.json"].map(read) == before);
}

/// Multiplies the last layer.
struct LastLayer(f64);

impl<B: Backend> ModuleMapper<B> for LastLayer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        // The network's last parameters are the only ones with as many columns as there are
        // classes.
        match param.lazy_shape().to_vec().last() {
            Some(10) => param.map(|values| values * self.0),
            _ => param,
        }
    }
}

#[test]
fn the_area_under_the_curve_counts_pairs() {
    let of = |values: &[f32]| {
        let mut confidences = Confidences::default();
        values.iter().for_each(|&value| confidences.add(value));
        confidences
    };
    let known = of(&[0.9, 0.8, 0.3, 1.0]);
    assert_eq!(known.n(), 4);
    assert_near(known.auroc(&of(&[0.1, 0.2])), 1.0);
    assert_near(known.auroc(&of(&[0.85])), 0.5);
    assert_near(known.auroc(&of(&[0.8, 0.0])), (2.5 + 4.0) / 8.0);
    assert_near(known.auroc(&known), 0.5);
    assert!(known.auroc(&of(&[])).is_nan());
}

#[test]
fn drawings_re_rendered_as_pointer_events_are_nearly_the_same() {
    let data = sample_set(7, 3, 12);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for index in 0..data.len() {
        let drawing = data.drawing(index).simplify();
        let again = redraw(&drawing, &mut rng);
        assert_eq!(again.strokes().len(), drawing.strokes().len());
        for (stroke, again) in drawing.strokes().iter().zip(again.strokes()) {
            let ends = |stroke: &[[f32; 2]]| [stroke[0], stroke[stroke.len() - 1]];
            for (a, b) in ends(stroke).iter().zip(ends(again)) {
                assert!((a[0] - b[0]).hypot(a[1] - b[1]) < 12.0, "{a:?} {b:?}");
            }
        }
    }
    let found = json_output(&PLACE, &["eval", "--model", "model", "--data", "data", "--redraw", "--json"]);
    let (before, after) = (found["top1"].as_f64().unwrap(), found["redrawn"]["top1"].as_f64().unwrap());
    // The sample drawings have more points than simplified ones, which the model was not trained
    // on.
    assert!(after > 0.3 && after < before, "{before} {after}");
    assert_eq!(found["redrawn"]["n"], 120);
    let again = json_output(&PLACE, &["eval", "--model", "model", "--data", "data", "--redraw", "--json"]);
    assert_eq!(found, again);
}

#[test]
fn drawings_traced_from_pictures_are_measured() {
    let eval = ["eval", "--model", "model", "--data", "data", "--json", "--trace", "64:2"];
    let found = json_output(&PLACE, &eval);
    assert_eq!(found["traced"]["n"], 120);
    let (before, after) = (found["top1"].as_f64().unwrap(), found["traced"]["top1"].as_f64().unwrap());
    assert!(after > 0.3 && after <= before, "{before} {after}");
    assert_eq!(found, json_output(&PLACE, &eval));
}

#[test]
fn eval_reports_the_auroc_of_known_against_unknown_categories() {
    fs::create_dir_all(PLACE.join("unknown")).unwrap();
    let line = json!({ "word": "something else", "drawing": [[[0, 255], [0, 90]]] }).to_string();
    fs::write(PLACE.join("unknown/other.ndjson"), format!("{line}\n{line}\n")).unwrap();
    let found = json_output(
        &PLACE,
        &["eval", "--model", "model", "--data", "data", "--unknown", "unknown", "--json"],
    );
    let auroc = found["auroc_of_unknown"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&auroc));
    let without = json_output(&PLACE, &["eval", "--model", "model", "--data", "data", "--json"]);
    assert!(without.get("auroc_of_unknown").is_none());
    assert_eq!(found["n"], without["n"]);
}

#[test]
fn predict_prints_the_logits_of_all_classes() {
    let arguments = ["predict", "--model", "model", "--json", "--logits", "data/circle.ndjson"];
    let printed = output(&PLACE, &arguments);
    for line in printed.lines() {
        let found: Value = serde_json::from_str(line).unwrap();
        let logits: Vec<f64> = serde_json::from_value(found["logits"].clone()).unwrap();
        assert_eq!(logits.len(), 10);
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let best = logits.iter().copied().fold(f64::MIN, f64::max).exp() / sum;
        assert!((found["predictions"][0]["probability"].as_f64().unwrap() - best).abs() < 1e-5);
    }
    assert!(refusal(&PLACE, &["predict", "--model", "model", "--logits"]).contains("--json"));
}

#[test]
fn bench_prints_speeds_and_what_they_are_of() {
    let quick = ["bench", "--device", "cpu", "--batch-size", "2", "--seconds", "0", "--json"];
    let with = |more: &[&str]| json_output(&PLACE, &[&quick, more].concat());
    let both = with(&["--length", "8"]);
    for name in ["train_drawings_per_s", "infer_drawings_per_s"] {
        assert!(both[name].as_f64().is_some_and(|speed| speed > 0.0), "{name}: {both}");
    }
    assert_eq!((&both["batch_size"], &both["length"]), (&json!(2), &json!(8)));
    assert_eq!((&both["preset"], &both["device"]), (&json!("fast"), &json!("the processor")));
    assert!(both["threads"].as_u64().is_some_and(|threads| threads > 0));

    let infer = with(&["--infer", "--length", "3", "--preset", "tutorial", "--threads", "1"]);
    assert_eq!((&infer["train_drawings_per_s"], &infer["threads"]), (&Value::Null, &json!(1)));
    assert!(infer["infer_drawings_per_s"].is_f64());
    let real = with(&["--infer", "--real-lengths"]);
    assert_eq!(real["length"], Value::Null);
    assert!(refusal(&PLACE, &["bench", "--seconds=-1"]).contains("--seconds"));
}

#[test]
fn export_refuses_what_onnx_does_not_hold() {
    for (flags, part) in [(["--weights", "int8"], "f32"), (["--test-data", "data"], "--test-data")] {
        let onnx = ["export", "--model", "model", "--out", "refused", "--format", "onnx"];
        let found = refusal(&PLACE, &[&onnx[..], &flags].concat());
        assert!(found.contains(part), "{found}");
    }
    assert!(!PLACE.join("refused").exists(), "what is refused leaves no folder");
}

/// Gives every parameter a value that is neither zero nor one, so that a bias left out is noticed.
struct Scramble {
    name: String,
}

impl<B: Backend> ModuleMapper<B> for Scramble {
    fn enter_module(&mut self, name: &str, _: &str) {
        name.clone_into(&mut self.name);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let shape = param.dims();
        // A variance is above zero, a weight about as large as those of a trained network.
        let range = if self.name == "running_var" { (0.2, 1.5) } else { (-0.35, 0.35) };
        param.map(|tensor| Tensor::random(shape, Distribution::Uniform(range.0, range.1), &tensor.device()))
    }
}

fn variants() -> Vec<(&'static str, ModelConfig)> {
    let small = |config: ModelConfig| ModelConfig { num_nodes: 6, num_layers: 2, ..config };
    let no_convolutions =
        ModelConfig { num_conv: vec![], conv_len: vec![], conv_stride: vec![], ..ModelConfig::tutorial(7) };
    vec![
        ("tutorial", small(ModelConfig::tutorial(7))),
        ("fast", small(ModelConfig::fast(7))),
        ("batch_norm", small(ModelConfig { batch_norm: true, ..ModelConfig::fast(7) })),
        ("no_convolutions", small(no_convolutions)),
        (
            "odd_strides",
            small(ModelConfig {
                conv_stride: vec![3, 1, 2],
                conv_len: vec![4, 1, 6],
                pooling: Pooling::MeanMax,
                ..ModelConfig::tutorial(7)
            }),
        ),
        (
            "cudnn",
            small(ModelConfig {
                cell_type: CellType::CudnnLstm,
                batch_norm: true,
                ..ModelConfig::tutorial(7)
            }),
        ),
        (
            "image",
            small(ModelConfig {
                image_conv: vec![4, 5, 6],
                image_stride: vec![2, 1, 3],
                ..ModelConfig::fast(7)
            }),
        ),
        (
            "image_alone",
            ModelConfig {
                num_layers: 0,
                num_conv: vec![],
                conv_len: vec![],
                conv_stride: vec![],
                image_conv: vec![4, 5],
                image_stride: vec![2, 2],
                ..ModelConfig::fast(7)
            },
        ),
        ("cudnn_strided", small(ModelConfig { cell_type: CellType::CudnnLstm, ..ModelConfig::fast(7) })),
    ]
}

/// Writes model.onnx and what it must give for some drawings.
fn write_onnx_case(folder: &Path, model: &Model<Flex>, labels: &[String]) {
    let format = model.config().ink;
    let samples = sample_set(5, 1, 1);
    let mut drawings: Vec<Drawing> = (0..samples.len()).map(|index| samples.drawing(index)).collect();
    // One point alone, which has no row in the tutorial's format.
    drawings.push(Drawing::from_strokes(vec![vec![[3.0, 4.0]]]).unwrap());
    drawings.push(drawings[0].clone().first_points(2));
    let inks: Vec<Ink> = drawings.iter().map(|drawing| Ink::from_drawing(drawing, format)).collect();
    let batch: InkBatch<Flex> = model.config().batch(&inks, &Default::default()).unwrap();
    let logits = model.forward(&batch).unwrap();
    let rows = |tensor: Tensor<Flex, 2>| -> Vec<Vec<f32>> {
        let [_, columns] = tensor.dims();
        tensor.into_data().to_vec::<f32>().unwrap().chunks(columns).map(<[f32]>::to_vec).collect()
    };
    let [n_drawings, n_steps, n_columns] = batch.rows().dims();
    let mut ink: Vec<Vec<Vec<f32>>> = rows(batch.rows().reshape([n_drawings * n_steps, n_columns]))
        .chunks(n_steps)
        .map(<[_]>::to_vec)
        .collect();
    let lengths = batch.lengths().as_slice();
    if model.config().cell_type == CellType::Lstm {
        // The padding must have no effect.
        for (rows, &length) in ink.iter_mut().zip(lengths) {
            rows[length..].fill(vec![123.0; n_columns]);
        }
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("model.onnx"), onnx::to_bytes(model, labels).unwrap()).unwrap();
    let mut inputs = serde_json::Map::new();
    if model.config().num_layers > 0 {
        inputs.insert("ink".to_owned(), json!(ink));
        inputs.insert("lengths".to_owned(), json!(lengths));
    }
    if let Some(images) = batch.images() {
        let images = images.reshape([n_drawings * IMAGE_SIDE, IMAGE_SIDE]);
        let images: Vec<_> = rows(images).chunks(IMAGE_SIDE).map(|image| [image.to_vec()]).collect();
        inputs.insert("image".to_owned(), json!(images));
    }
    let expected = json!({ "inputs": inputs, "logits": rows(logits) });
    fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
}

#[test]
fn onnxruntime_gives_the_logits_of_every_kind_of_network_and_of_the_one_that_ships() {
    let folder = tempfile::tempdir().unwrap();
    let mut folders = Vec::new();
    for (name, config) in variants() {
        Flex::seed(&Default::default(), 3);
        let model: Model<Flex> = config.init(&Default::default()).unwrap();
        let model = model.map(&mut Scramble { name: String::new() });
        let labels: Vec<String> = (0..7).map(|class| format!("class {class}")).collect();
        folders.push(folder.path().join(name));
        write_onnx_case(&folder.path().join(name), &model, &labels);
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/model");
    let shipped = model_folder::open::<Flex>(&shipped, &Default::default()).unwrap();
    folders.push(folder.path().join("shipped"));
    write_onnx_case(&folder.path().join("shipped"), shipped.model(), shipped.labels());

    let Some(python) = python::with("numpy, onnxruntime") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx/check.py");
    let output = Command::new(python).arg(script).args(&folders).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(printed.lines().count(), folders.len(), "{printed}");
    print!("{printed}");
}

#[test]
fn export_writes_an_onnx_model_with_its_card() {
    let printed = output(&PLACE, &["export", "--model", "model", "--out", "onnx", "--format", "onnx"]);
    assert!(printed.contains("model.onnx: "), "{printed}");
    let bytes = fs::read(PLACE.join("onnx/model.onnx")).unwrap();
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for text in ["lengths", "logits", "native-train", "LSTM", "triangle"] {
        assert!(contains(text), "{text}");
    }
    let card: Value = serde_json::from_slice(&fs::read(PLACE.join("onnx/model.json")).unwrap()).unwrap();
    assert_eq!(card["labels"].as_array().unwrap().len(), 10);
}
