//! The command line: what the program prints and writes, and how it rejects invalid input.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// Flags of a tiny network and a short run.
const SMALL: &str = "--num-layers 1 --num-nodes 4 --num-conv 4 --conv-len 3 --conv-stride 2 --steps 3 --batch-size 4 \
                     --device cpu --threads 1 --quiet";

const CIRCLE: &str =
    r#"{"word":"circle","drawing":[[[127,217,255,217,127,37,0,37,127],[0,37,127,217,255,217,127,37,0]]]}"#;
const LINE: &str = r#"{"word":"line","drawing":[[[0,255],[20,0]]]}"#;

/// What the program did.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn finished(output: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).expect("the program prints text");
    let run = Run {
        code: output.status.code().expect("the program ends by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run
}

fn program(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

/// Runs the program in `folder`.
fn run(folder: &Path, arguments: &str) -> Run {
    finished(program(folder, arguments).stdin(Stdio::null()).output().expect("the program starts"))
}

fn run_with_input(folder: &Path, arguments: &str, input: &[u8]) -> Run {
    let mut child = program(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(input).expect("the program reads its input");
    finished(child.wait_with_output().expect("the program ends"))
}

/// Runs the program, expects failure, and returns what it printed on standard error.
#[track_caller]
fn refusal(folder: &Path, arguments: &str, code: i32) -> String {
    let run = run(folder, arguments);
    assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "the error is told once: {}", run.stderr);
    run.stderr
}

/// A folder with a model (`model`), a folder of two categories that it knows (`data`) and one that
/// it does not (`others`).
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    // Not a temporary folder, which would stay: what is static is not dropped.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    if place.exists() {
        fs::remove_dir_all(&place).expect("the folder of the last time goes");
    }
    fs::create_dir_all(&place).expect("a new folder");
    let trained = run(&place, &format!("train --out model {SMALL}"));
    assert_eq!(trained.code, 0, "{}", trained.stderr);
    for (file, text) in [
        ("data/circle.ndjson", format!("{CIRCLE}\nnonsense\n{CIRCLE}\n")),
        ("data/line.ndjson", format!("{LINE}\n")),
        ("others/yurt.ndjson", LINE.replace("line", "yurt")),
    ] {
        let file = place.join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a new folder");
        fs::write(file, text).expect("a new file");
    }
    place
});

/// A copy of the model folder with one file changed.
fn damaged_model(name: &str, file: &str, change: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    let (from, to) = (PLACE.join("model"), PLACE.join(name));
    fs::create_dir_all(&to).expect("a new folder");
    for known in ["model.json", "weights.safetensors"] {
        fs::copy(from.join(known), to.join(known)).expect("a copied file");
    }
    match change(fs::read(to.join(file)).expect("a file of the model")) {
        Some(bytes) => fs::write(to.join(file), bytes).expect("a changed file"),
        None => fs::remove_file(to.join(file)).expect("a removed file"),
    }
}

#[test]
fn help_names_every_flag_of_the_tutorial() {
    let help = run(&PLACE, "train --help");
    assert_eq!(help.code, 0);
    for flag in [
        "training-data",
        "eval-data",
        "classes-file",
        "num-layers",
        "num-nodes",
        "num-conv",
        "conv-len",
        "cell-type",
        "batch-norm",
        "learning-rate",
        "gradient-clipping-norm",
        "dropout",
        "steps",
        "batch-size",
        "model-dir",
        "train-observations-per-class",
        "eval-observations-per-class",
    ] {
        assert!(help.stdout.contains(&format!("--{flag}")), "--{flag} is missing:\n{}", help.stdout);
    }
    let help = run(&PLACE, "--help");
    for command in ["train", "eval", "predict", "export"] {
        assert!(help.stdout.contains(&format!("  {command} ")), "{}", help.stdout);
    }
}

#[test]
fn unknown_flags_commands_and_values_are_usage_errors() {
    let place = PLACE.as_path();
    for (arguments, part) in [
        ("--bogus", "--bogus"),
        ("fly", "fly"),
        ("train --bogus", "--bogus"),
        ("train --device gpu", "expected auto, cpu, cuda, cuda:N or wgpu"),
        ("train --device cuda:0,x", "expected auto, cpu, cuda, cuda:N or wgpu"),
        ("train --device cuda:1,1", "device 1 is named twice"),
        ("train --device cpu:0", "expected auto, cpu, cuda, cuda:N or wgpu"),
        ("train --num-conv 48,x", "'x'"),
        ("train --cell-type gru", "cudnn_lstm"),
        ("train --resume", "--out"),
        ("eval --model model", "--data"),
        ("predict", "--model"),
        ("predict --model model --max-results 0", "--max-results"),
    ] {
        let message = refusal(place, arguments, 2);
        assert!(message.contains(part), "{arguments}: {message}");
    }
}

#[test]
fn invalid_values_of_network_and_run_are_named() {
    let place = PLACE.as_path();
    for (flags, name) in [
        ("--num-conv 48,64", "conv_len"),
        ("--dropout 1.5", "dropout"),
        ("--num-nodes 0", "num_nodes"),
        ("--steps 0", "steps"),
        ("--batch-size 0", "batch_size"),
        ("--learning-rate=-1", "learning_rate"),
        ("--gradient-clipping-norm 0", "gradient_clipping_norm"),
        ("--label-smoothing 2", "label_smoothing"),
        ("--soft-weight=-1", "soft_weight"),
        ("--balance-power nan", "balance_power"),
        ("--augment-prefix 2", "prefix"),
        ("--augment-rotate=-1", "rotate"),
        ("--augment-drop-strokes 1.5", "drop_strokes"),
        ("--ema 1", "ema"),
        ("--accumulate 0", "accumulate"),
        ("--device cpu:2 --accumulate 3", "3 batches per step do not spread evenly over 2 devices"),
    ] {
        let message = refusal(place, &format!("train --out refused {flags}"), 1);
        assert!(message.contains(name), "{flags}: {message}");
    }
}

#[test]
fn training_data_that_is_missing_or_empty_is_refused() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    fs::create_dir(place.join("empty")).unwrap();
    fs::create_dir(place.join("hollow")).unwrap();
    fs::write(place.join("hollow/cat.ndjson"), "").unwrap();
    fs::write(place.join("no-classes"), "\n").unwrap();
    for (flags, message) in [
        ("--data nowhere", "nowhere: there is no such folder"),
        ("--data empty", "no .ndjson, .csv or .bin file in this folder"),
        ("--data hollow", "cat.ndjson: the file is empty"),
        ("--data hollow --classes-file nowhere", "nowhere"),
        ("--data hollow --classes-file no-classes", "names no category"),
    ] {
        let found = refusal(place, &format!("train {flags}"), 1);
        assert!(found.contains(message), "{flags}: {found}");
    }
    assert!(!place.join("runs").exists(), "a refused run leaves no folder");
}

#[test]
fn a_run_on_a_folder_trains_and_reports_the_bad_line() {
    let place = PLACE.as_path();
    let mut text = String::new();
    for size in 100..120 {
        text += &format!("{{\"word\":\"line\",\"drawing\":[[[0,255],[0,{size}]]]}}\n");
    }
    fs::create_dir_all(place.join("lines")).unwrap();
    fs::write(place.join("lines/line.ndjson"), &text).unwrap();
    fs::write(place.join("lines/zigzag.ndjson"), text.replace("line", "zigzag") + "broken\n").unwrap();
    let flags = SMALL.replace(" --quiet", "");
    let run =
        run(place, &format!("train --data lines --out trained {flags} --eval-observations-per-class 5"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("zigzag.ndjson:21: "), "{}", run.stderr);
    assert!(
        run.stderr.contains("30 drawings of 2 categories to train on, 10 to validate on"),
        "{}",
        run.stderr
    );
    let card: Value = serde_json::from_slice(&fs::read(place.join("trained/model.json")).unwrap()).unwrap();
    assert_eq!(card["labels"], serde_json::json!(["line", "zigzag"]));
    assert!(place.join("trained/weights.safetensors").exists());
}

#[test]
fn a_folder_to_validate_on_is_taken_in_full_unless_it_is_limited() {
    let place = TempDir::new().unwrap();
    let lines = |n: usize, word: &str| -> String {
        (0..n).map(|y| format!("{{\"word\":\"{word}\",\"drawing\":[[[0,255],[0,{y}]]]}}\n")).collect()
    };
    for (folder, n) in [("data", 4), ("held-out", 20)] {
        fs::create_dir(place.path().join(folder)).unwrap();
        for word in ["line", "zigzag"] {
            fs::write(place.path().join(folder).join(format!("{word}.ndjson")), lines(n, word)).unwrap();
        }
    }
    let flags = SMALL.replace(" --quiet", "");
    for (limit, n) in [("", 40), ("--eval-observations-per-class 3", 6)] {
        let command = format!("train --data data --eval-data held-out --out run-{n} {flags} {limit}");
        let run = run(place.path(), &command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let told = format!("8 drawings of 2 categories to train on, {n} to validate on");
        assert!(run.stderr.contains(&told), "{}", run.stderr);
    }
}

#[test]
fn a_closed_pipe_neither_ends_a_run_nor_panics() {
    let place = TempDir::new().unwrap();
    let model = PLACE.join("model");
    let data = PLACE.join("data");
    let (model, data) = (model.display(), data.display());
    let started = |arguments: &str| {
        let mut command = program(place.path(), arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    };
    let mut training = started(&format!("train --out run {}", SMALL.replace(" --quiet", "")));
    drop((training.stdout.take(), training.stderr.take()));
    assert_eq!(training.wait().unwrap().code(), Some(0));
    assert!(place.path().join("run/checkpoints/step-000000003").exists());
    for (arguments, written) in [
        (format!("export --model {model} --out exported --test-data {data}"), "exported/model.json"),
        (format!("export --model {model} --out onnx --format onnx"), "onnx/model.onnx"),
        (format!("calibrate --model run --data {data}"), "run/model.json"),
        (format!("prepare {data} --out shards --quiet"), "shards/manifest.json"),
    ] {
        let mut child = started(&arguments);
        drop(child.stdout.take());
        let ended = finished(child.wait_with_output().unwrap());
        assert!(!ended.stderr.contains("error: "), "{arguments}: {}", ended.stderr);
        assert!(place.path().join(written).exists(), "{arguments}");
    }
    let card = fs::read_to_string(place.path().join("exported/model.json")).unwrap();
    assert!(card.contains("\"test\""), "the figures are written: {card}");
}

#[test]
fn folders_that_cannot_be_used_are_refused_before_the_data_is_read() {
    let message = |flags: &str| refusal(&PLACE, &format!("train --data nowhere {flags}"), 1);
    let found = message("--out model");
    assert!(found.contains("model already holds a run (at step 3)"), "{found}");
    let found = message("--out new --resume");
    assert!(found.contains("new holds no checkpoint to resume from"), "{found}");
    let found = message("--out new --init-from nobody");
    assert!(found.contains("nobody: there is no such folder"), "{found}");
    assert!(!PLACE.join("new").exists());
}

#[test]
fn a_resumed_run_keeps_its_options_and_tells_what_flags_change() {
    let place = TempDir::new().unwrap();
    let own = "--preset best --learning-rate 0.003 --soft-weight 0.4 --augment-prefix 0.1 --accumulate 2";
    let started = run(place.path(), &format!("train --out run {SMALL} {own}"));
    assert_eq!(started.code, 0, "{}", started.stderr);
    let config = || -> Value {
        serde_json::from_slice(&fs::read(place.path().join("run/config.json")).unwrap()).unwrap()
    };
    let before = config();
    let resume = "train --out run --resume --device cpu --threads 1";
    let changes = |told: &str| -> Vec<String> {
        let line = told.lines().filter(|line| line.starts_with("changed from this step on: "));
        line.map(str::to_owned).collect()
    };
    let resumed = run(place.path(), &format!("{resume} --steps 4"));
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(changes(&resumed.stderr), ["changed from this step on: steps 3 -> 4"]);
    let mut expected = before.clone();
    expected["options"]["steps"] = 4.into();
    assert_eq!(config(), expected);

    // All flags of the start once more change nothing.
    let flags = SMALL.replace(" --quiet", "").replace("--steps 3", "--steps 4");
    let resumed =
        run(place.path(), &format!("{resume} {own} {flags}").replacen("--device cpu --threads 1", "", 1));
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(changes(&resumed.stderr), Vec::<String>::new());
    assert_eq!(config(), expected);

    let resumed =
        run(place.path(), &format!("{resume} --steps 5 --learning-rate 0.001 --augment-prefix 0.2"));
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let line = "changed from this step on: augmentation.prefix 0.1 -> 0.2, learning_rate 0.003 -> 0.001, steps 4 -> 5";
    assert_eq!(changes(&resumed.stderr), [line]);
    let resumed = run(place.path(), &format!("{resume} --preset tutorial"));
    assert!(resumed.stderr.contains("not changed by --preset tutorial: "), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("learning_rate 0.001 -> 0.0001"), "{}", resumed.stderr);

    for (flags, message) in [
        ("--seed 9", "begun with --seed 1, asked for 9"),
        ("--batch-size 8", "begun with --batch-size 4, asked for 8"),
        ("--accumulate 4", "begun with --accumulate 2, asked for 4"),
        ("--optimizer muon", "begun with --optimizer adamw, asked for muon"),
        ("--num-nodes 9", "another network: num_nodes is 4, asked for 9"),
    ] {
        let told = refusal(place.path(), &format!("{resume} {flags}"), 1);
        assert!(told.contains(message), "{flags}: {told}");
    }
}

#[test]
fn flags_of_augmentation_override_the_preset_one_by_one() {
    let options = |name: &str, flags: &str| -> Value {
        let small =
            if flags.contains("--device") { SMALL.replace("--device cpu", "") } else { SMALL.to_owned() };
        let run = run(&PLACE, &format!("train --out {name} {small} {flags}"));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let config = fs::read(PLACE.join(name).join("config.json")).expect("a configuration");
        serde_json::from_slice::<Value>(&config).expect("JSON")["options"].clone()
    };
    let usual = &options("usual", "")["augmentation"];
    let off = &options("off", "--augment off")["augmentation"];
    assert!(off.as_object().unwrap().values().all(|value| value.as_f64() == Some(0.0)), "{off}");
    assert_eq!(&options("to-the-letter", "--preset tutorial")["augmentation"], off);
    let best = options("best", "--preset best --augment-borrow-strokes 0");
    assert_eq!(best["augmentation"]["borrow_strokes"], 0.0);
    assert_eq!(best["augmentation"]["redraw"], 0.5);
    assert_eq!((&best["schedule"], &best["quantized_steps"]), (&Value::from("trapezoid"), &Value::from(80)));
    for (name, kind) in [
        ("rotate", "rotate"),
        ("scale", "scale"),
        ("shear", "shear"),
        ("flip", "flip"),
        ("elastic", "elastic"),
        ("jitter", "jitter"),
        ("drop-strokes", "drop_strokes"),
        ("reverse-strokes", "reverse_strokes"),
        ("reverse-order", "reverse_order"),
        ("loosen-strokes", "loosen_strokes"),
        ("borrow-strokes", "borrow_strokes"),
        ("prefix", "prefix"),
        ("redraw", "redraw"),
        ("trace", "trace"),
    ] {
        let found = &options(&format!("only-{name}"), &format!("--augment-{name} 0.5"))["augmentation"];
        for (other, value) in usual.as_object().unwrap() {
            let expected = if other == kind { &Value::from(0.5) } else { value };
            assert_eq!(&found[other], expected, "--augment-{name}: {other}");
        }
    }
    // A network trained on unfinished drawings reads the pen's state.
    let knows_pen = |name: &str| {
        let card = fs::read(PLACE.join(name).join("model.json")).expect("a model");
        serde_json::from_slice::<Value>(&card).expect("JSON")["config"].get("pen_state").cloned()
    };
    assert_eq!([knows_pen("best"), knows_pen("only-prefix")], [Some(true.into()), Some(true.into())]);
    assert_eq!([knows_pen("usual"), knows_pen("to-the-letter")], [None, None]);
    let muon = options("muon", "--optimizer muon");
    assert_eq!((&best["optimizer"], &muon["optimizer"]), (&Value::from("adamw"), &Value::from("muon")));
    let two = options("two", "--device cpu:2");
    assert_eq!(two["accumulate"], 2);
    assert_eq!(options("four", "--device cpu:2 --accumulate 4")["accumulate"], 4);
}

#[test]
fn eval_prints_one_json_object() {
    let run = run(&PLACE, "eval --model model --data data --json --device cpu");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    let found: Value = serde_json::from_str(&run.stdout).expect("one JSON object");
    assert_eq!(found["n"], 3);
    for name in ["top1", "top3", "top5", "balanced_top1", "balanced_top3", "balanced_top5"] {
        let share = found[name].as_f64().unwrap_or_else(|| panic!("{name} is missing: {found}"));
        assert!((0.0..=1.0).contains(&share), "{name}: {share}");
    }
    assert!(
        found["top1"].as_f64() <= found["top3"].as_f64() && found["top3"].as_f64() <= found["top5"].as_f64()
    );
    assert!(found["loss"].as_f64().is_some_and(|loss| loss > 0.0));
    assert!(found["confusions"].as_array().is_some_and(|confusions| confusions.len() <= 10));
    assert!(run.stderr.contains("circle.ndjson:2: "), "the bad line is told: {}", run.stderr);
}

#[test]
fn eval_refuses_words_that_the_model_does_not_know() {
    let message = refusal(&PLACE, "eval --model model --data others", 1);
    assert!(message.contains("yurt.ndjson:1: the word \"yurt\" is not one of the 10 classes"), "{message}");
}

#[test]
fn a_damaged_model_folder_is_refused_with_the_reason() {
    let cut = |bytes: Vec<u8>| Some(bytes[..bytes.len() - 10].to_vec());
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("model.json is text");
            assert!(text.contains(from), "{text}");
            Some(text.replacen(from, to, 1).into_bytes())
        }
    };
    damaged_model("cut", "weights.safetensors", cut);
    damaged_model("cut-card", "model.json", cut);
    damaged_model("no-weights", "weights.safetensors", |_| None);
    damaged_model("no-card", "model.json", |_| None);
    damaged_model("format", "model.json", replace("\"format\": 1", "\"format\": 9"));
    damaged_model("shape", "model.json", replace("\"num_nodes\": 4", "\"num_nodes\": 8"));
    damaged_model("labels", "model.json", replace("\"circle\",", ""));
    for (model, part) in [
        ("nowhere", "nowhere"),
        ("cut", "weights.safetensors"),
        ("cut-card", "model.json"),
        ("no-weights", "no-weights/weights.safetensors"),
        ("no-card", "no-card/model.json"),
        ("format", "format 9"),
        ("shape", "weights.safetensors"),
        ("labels", "labels"),
    ] {
        for command in ["eval --data data", "predict data/line.ndjson"] {
            let message = refusal(&PLACE, &format!("{command} --model {model}"), 1);
            assert!(message.contains(part), "{model}: {message}");
        }
    }
}

#[test]
fn predict_reads_lines_and_bare_strokes_from_standard_input() {
    let bare = "[[[0,255],[20,0]]]";
    let input = format!("{CIRCLE}\n\n{bare}\n");
    let run = run_with_input(&PLACE, "predict --model model --json --max-results 3", input.as_bytes());
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!([&lines[0]["line"], &lines[1]["line"]], [1, 3]);
    assert_eq!(lines[0]["word"], "circle");
    assert_eq!(lines[1]["word"], Value::Null);
    for line in &lines {
        let probabilities: Vec<f64> = line["predictions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|prediction| prediction["probability"].as_f64().expect("a number"))
            .collect();
        assert_eq!(probabilities.len(), 3);
        assert!(probabilities.is_sorted_by(|a, b| a >= b), "best first: {probabilities:?}");
    }
}

#[test]
fn predict_accepts_byte_order_marks_and_white_space() {
    // A byte order mark and what is white space to JSON may stand around it.
    let bare = "[[[0,255],[20,0]]]";
    let good = format!("\u{feff}{bare}\n \t{bare} \r\n");
    let run = run_with_input(&PLACE, "predict --model model", good.as_bytes());
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{}", run.stderr);
    for bad in [
        r#"[[[0,255],[0,255]]],"key_id":"1""#.to_owned(),
        format!("{bare}]"),
        format!("{bare} {bare}"),
        format!("\u{a0}{bare}"),
        format!("{bare}\u{2003}"),
        format!("\u{b}{CIRCLE}"),
    ] {
        let run = run_with_input(&PLACE, "predict --model model", format!("{CIRCLE}\n{bad}\n").as_bytes());
        assert_eq!((run.code, run.stdout.lines().count()), (1, 1), "{bad:?}: {}", run.stdout);
        assert!(run.stderr.contains("standard input:2: "), "{bad:?}: {}", run.stderr);
    }
}

#[test]
fn train_selects_the_classes_of_a_file() {
    let place = PLACE.as_path();
    fs::write(place.join("two-words"), "line\ncircle\n").unwrap();
    fs::create_dir_all(place.join("mixed")).unwrap();
    let mixed = format!("{CIRCLE}\n{LINE}\n{}\n", LINE.replace("line", "yurt")).repeat(3);
    fs::write(place.join("mixed/all.ndjson"), &mixed).unwrap();
    let run = run(
        place,
        &format!("train --data mixed --eval-data mixed --classes-file two-words --out two-classes {SMALL}"),
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    let card: Value =
        serde_json::from_slice(&fs::read(place.join("two-classes/model.json")).unwrap()).unwrap();
    assert_eq!(card["labels"], serde_json::json!(["line", "circle"]));
}

#[test]
fn predict_goes_on_after_a_bad_line_and_fails_at_the_end() {
    let place = PLACE.as_path();
    let mut text = format!("{CIRCLE}\nnonsense\n").into_bytes();
    text.extend_from_slice(b"\xff\n{\"word\":\"line\",\"drawing\":[]}\n");
    text.extend_from_slice(LINE.as_bytes());
    fs::write(place.join("mixed.ndjson"), text).unwrap();
    let run = run(place, "predict --model model mixed.ndjson");
    assert_eq!(run.code, 1);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    assert!(run.stdout.starts_with("1 (circle): "), "{}", run.stdout);
    for number in [2, 3, 4] {
        assert!(run.stderr.contains(&format!("mixed.ndjson:{number}: ")), "{}", run.stderr);
    }
    assert!(run.stderr.ends_with("error: 3 of 5 lines of mixed.ndjson are no drawings\n"), "{}", run.stderr);
}

#[test]
fn predict_skips_an_endless_line() {
    let mut input = vec![b'['; 9 << 20];
    input.push(b'\n');
    input.extend_from_slice(CIRCLE.as_bytes());
    let run = run_with_input(&PLACE, "predict --model model", &input);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("standard input:1: the line is longer than 8 MiB"), "{}", run.stderr);
    assert!(run.stdout.starts_with("2 (circle): "), "{}", run.stdout);
}

#[test]
fn predict_reads_what_train_reads() {
    let place = TempDir::new().unwrap();
    let text = format!("{CIRCLE}\n{LINE}\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstandard =
        ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let strokes = |line: &str| line.split_once("\"drawing\":").unwrap().1.trim_end_matches('}').to_owned();
    let table =
        format!("word,drawing\ncircle,\"{}\"\nline,\"{}\"\n", strokes(CIRCLE), strokes(LINE)).into_bytes();
    let model = PLACE.join("model");
    let guesses = |name: &str, bytes: &[u8]| {
        fs::write(place.path().join(name), bytes).unwrap();
        let run = run(place.path(), &format!("predict --model {} {name}", model.display()));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{name}");
        run.stdout
    };
    let expected = guesses("plain.ndjson", text.as_bytes());
    assert!(expected.starts_with("1 (circle): ") && expected.contains("\n2 (line): "), "{expected}");
    // The name does not matter.
    for (name, bytes) in [("a.ndjson.gz", &gzip), ("b.ndjson", &gzip), ("c.ndjson.zst", &zstandard)] {
        assert_eq!(guesses(name, bytes), expected, "{name}");
    }
    // Lines of a CSV file are counted from its header.
    let of_table = expected.replace("2 (line)", "3 (line)").replace("1 (circle)", "2 (circle)");
    assert_eq!(guesses("d.csv", &table), of_table);
    let run = run_with_input(&PLACE, "predict --model model", &gzip);
    assert_eq!((run.code, run.stdout), (0, expected), "{}", run.stderr);

    fs::write(place.path().join("e.ndjson.gz"), &gzip[..gzip.len() - 9]).unwrap();
    let cut = refusal(place.path(), &format!("predict --model {} e.ndjson.gz", model.display()), 1);
    assert!(cut.contains("cannot read e.ndjson.gz"), "{cut}");
}

#[test]
fn predict_answers_each_line_before_the_next_arrives() {
    let mut child = program(&PLACE, "predict --model model")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("piped");
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    for (number, line) in [CIRCLE, "[[[0,255],[20,0]]]"].into_iter().enumerate() {
        writeln!(input, "{line}").expect("the program reads its input");
        let mut answer = String::new();
        output.read_line(&mut answer).expect("the program prints text");
        assert!(answer.starts_with(&(number + 1).to_string()), "{answer}");
    }
    drop(input);
    assert!(child.wait().expect("the program ends").success());
}

#[test]
fn predict_refuses_empty_and_missing_files() {
    let place = PLACE.as_path();
    let empty = run_with_input(place, "predict --model model", b"");
    assert_eq!(empty.code, 1);
    assert!(empty.stderr.contains("standard input is empty"), "{}", empty.stderr);
    let missing = refusal(place, "predict --model model nowhere.ndjson", 1);
    assert!(missing.contains("nowhere.ndjson"), "{missing}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_says_how_to_get_it() {
    let message = refusal(&PLACE, "train --device cuda:1", 1);
    assert!(message.contains("--features cuda"), "{message}");
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_build_without_wgpu_says_how_to_get_it() {
    let message = refusal(&PLACE, "train --device wgpu", 1);
    assert!(message.contains("--features wgpu"), "{message}");
}

#[test]
fn the_processor_refuses_bf16_unless_it_has_instructions_for_it() {
    let command = "bench --train --preset fast --batch-size 2 --seconds 0.01 --device cpu --precision bf16";
    if quickdraw_core::ops::host::Instructions::fastest().is_some() {
        let run = run(&PLACE, command);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stdout.contains("train_drawings_per_s"), "{}", run.stdout);
    } else {
        let message = refusal(&PLACE, command, 1);
        assert!(message.contains("AVX512-BF16") && message.contains("--precision f32"), "{message}");
    }
}
