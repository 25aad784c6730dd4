//! Runs that are killed, run out of disk or lose their data: nothing is lost, and the error says
//! what and where.
#![cfg(unix)]

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use native_train::train::checkpoint::Checkpoint;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::tempdir;

/// A run of a small network on the built-in drawings.
const RUN: &str = "train --num-layers 1 --num-nodes 8 --num-conv 8 --conv-len 3 --conv-stride 2 --batch-size 8 \
                   --threads 1 --device cpu --quiet --seed 5";

fn program(folder: &Path, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    command.current_dir(folder).args(RUN.split_whitespace()).args(flags.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(child: Child) -> Output {
    child.wait_with_output().expect("the program ends")
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn fails(output: &Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("error: ") && !message.contains("panicked"), "{message}");
    message
}

/// The evaluations in a run's metrics.
fn evaluations(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("metrics.jsonl")).expect("metrics");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a whole line"));
    lines.filter(|line| line.get("validation").is_some()).collect()
}

/// Waits until there is such a file, while the program runs.
fn wait_for(path: &Path, child: &mut Child) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "{} does not appear", path.display());
        assert!(child.try_wait().expect("a child").is_none(), "the program ended before {}", path.display());
        sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_run_killed_at_random_moments_ends_with_the_weights_of_an_undisturbed_one() {
    let folder = tempdir().unwrap();
    let flags = "--steps 600 --ema 0.9 --eval-every-steps 50 --checkpoint-every-steps 7";
    let start = Instant::now();
    succeeds(&program(folder.path(), &format!("{flags} --out whole")).output().unwrap());
    let whole_run = start.elapsed();

    let out = folder.path().join("killed");
    // Other moments at each run of the test; should one fail, its seed is told.
    let seed = RandomState::new().hash_one(0);
    eprintln!("moments by seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut n_kills, mut n_attempts) = (0, 0);
    loop {
        n_attempts += 1;
        assert!(n_attempts < 200, "it never comes to its end: {n_kills} kills");
        let resume = Checkpoint::newest(&out).expect("a checkpoint that has its name is whole").is_some();
        let resume = if resume { "--resume" } else { "" };
        let mut child = program(folder.path(), &format!("{flags} --out killed {resume}")).spawn().unwrap();
        if n_kills < 12 {
            sleep(whole_run.mul_f64(rng.random_range(0.01..0.15)));
            child.kill().expect("it can be killed, or has ended");
        }
        let output = finish(child);
        match output.status.code() {
            Some(0) => break,
            Some(code) => panic!("exit status {code}: {}", String::from_utf8_lossy(&output.stderr)),
            None => n_kills += 1,
        }
    }
    assert!(n_kills >= 3, "it was killed {n_kills} times in {n_attempts} starts");
    let same = || {
        let [whole, killed] = ["whole", "killed"]
            .map(|run| fs::read(folder.path().join(run).join("weights.safetensors")).unwrap());
        assert!(whole == killed, "the weights differ after {n_kills} kills");
    };
    same();
    assert_eq!(evaluations(&folder.path().join("whole")), evaluations(&out));
    assert!(!out.join("weights.safetensors.partial").exists());
    // The optimizer's moments are those of the undisturbed run as well: so are the next steps.
    for run in ["whole", "killed"] {
        let more = flags.replace("600", "650");
        succeeds(&program(folder.path(), &format!("{more} --out {run} --resume")).output().unwrap());
    }
    same();
}

#[test]
fn an_interrupt_saves_a_checkpoint_and_says_how_to_resume() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let mut child =
        program(folder.path(), "--steps 1000000 --checkpoint-every-steps 5 --out run").spawn().unwrap();
    wait_for(&out.join("checkpoints/step-000000005"), &mut child);
    // The shell's own `kill`: a bare machine may have no program of that name.
    let signalled = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(signalled.success());
    let output = finish(child);
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--out run --resume"));
    assert!(Checkpoint::newest(&out).unwrap().is_some());
    assert!(out.join("model.json").exists());
}

#[test]
fn a_run_with_init_from_is_resumed_by_the_same_command() {
    let folder = tempdir().unwrap();
    let run = |flags: &str| succeeds(&program(folder.path(), flags).output().unwrap());
    let weights = |out: &str| fs::read(folder.path().join(out).join("weights.safetensors")).unwrap();
    run("--steps 2 --out first");
    run("--steps 5 --schedule constant --init-from first --out whole");
    run("--steps 3 --schedule constant --init-from first --out pieces");
    run("--steps 5 --schedule constant --init-from first --out pieces --resume");
    assert!(weights("pieces") == weights("whole"));
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    succeeds(&program(folder.path(), "--steps 3 --out run").output().unwrap());
    // No file may grow beyond one block of 512 or 1024 bytes. The signal that comes with the error
    // is ignored, so that the write fails as it does on a full disk.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 1; exec '{}' {RUN} --steps 6 --out run --resume",
        env!("CARGO_BIN_EXE_native-train")
    );
    let output = Command::new("sh").arg("-c").arg(limited).current_dir(folder.path()).output().unwrap();
    let message = fails(&output);
    assert!(message.contains("cannot write") && message.contains("run/"), "{message}");
    assert_eq!(Checkpoint::newest(&out).unwrap().unwrap().state.step, 3);
    succeeds(&program(folder.path(), "--steps 6 --out run --resume").output().unwrap());
    assert_eq!(Checkpoint::newest(&out).unwrap().unwrap().state.step, 6);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_the_model_before_is_kept() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    succeeds(&program(folder.path(), "--steps 3 --out run").output().unwrap());
    let before = fs::read(out.join("weights.safetensors")).unwrap();
    // Every write to this device fails as one to a full disk does.
    std::os::unix::fs::symlink("/dev/full", out.join("weights.safetensors.partial")).unwrap();
    let message = fails(&program(folder.path(), "--steps 6 --out run --resume").output().unwrap());
    assert!(message.contains("weights.safetensors") && message.contains("No space left"), "{message}");
    assert!(fs::read(out.join("weights.safetensors")).unwrap() == before);
    assert_eq!(Checkpoint::newest(&out).unwrap().unwrap().state.step, 3);
}

#[test]
fn a_run_folder_that_cannot_be_made_is_named() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let message = fails(&program(folder.path(), "--steps 3 --out file/run").output().unwrap());
    assert!(message.contains("file/run"), "{message}");
}

#[test]
fn training_survives_the_removal_of_its_data() {
    let folder = tempdir().unwrap();
    let (out, data) = (folder.path().join("run"), folder.path().join("data"));
    fs::create_dir(&data).unwrap();
    for (word, end) in [("line", 255), ("dot", 3)] {
        let line = |n| format!("{{\"word\":\"{word}\",\"drawing\":[[[0,{end}],[{n},0]]]}}\n");
        fs::write(data.join(format!("{word}.ndjson")), (0..20).map(line).collect::<String>()).unwrap();
    }
    let mut child = program(folder.path(), "--data data --steps 300 --checkpoint-every-steps 5 --out run")
        .spawn()
        .unwrap();
    wait_for(&out.join("checkpoints/step-000000005"), &mut child);
    fs::remove_dir_all(&data).unwrap();
    succeeds(&finish(child));
    assert_eq!(Checkpoint::newest(&out).unwrap().unwrap().state.step, 300);
    // To go on with it needs the data again, and says so.
    let message =
        fails(&program(folder.path(), "--data data --steps 400 --out run --resume").output().unwrap());
    assert!(message.contains("data: there is no such folder"), "{message}");
}
