//! Runs on several machines, here processes that talk over the loopback interface.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use native_train::train::checkpoint::Checkpoint;
use tempfile::tempdir;

/// A run of a small network, with batch normalisation in both branches, on the built-in drawings.
const RUN: &str = "train --num-layers 1 --num-nodes 8 --num-conv 8 --conv-len 3 --conv-stride 2 --batch-norm on \
                   --image-conv 4,6 --image-stride 2,2 --batch-size 8 --threads 1 --device cpu --seed 5";

fn program(folder: &Path, flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-train"));
    command.current_dir(folder).args(RUN.split_whitespace()).args(flags.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Rank 0, and the address on which it listens.
struct RankZero {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl RankZero {
    fn start(folder: &Path, flags: &str) -> Self {
        let flags = format!("{flags} --rank 0 --coordinator 127.0.0.1:0 --node-timeout 60");
        let mut child = program(folder, &flags).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let line = next_line_with(&mut stderr, "listens on ");
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { child, stderr, address }
    }

    fn node(&self, folder: &Path, flags: &str, rank: usize) -> Child {
        let flags = format!("{flags} --rank {rank} --coordinator {} --node-timeout 60", self.address);
        program(folder, &flags).spawn().unwrap()
    }

    /// Whether it succeeded, and what it told since it was started.
    fn finish(mut self) -> (bool, String) {
        let mut told = String::new();
        self.stderr.read_to_string(&mut told).unwrap();
        (self.child.wait().unwrap().success(), told)
    }
}

/// Reads until a line has such a text.
fn next_line_with(reader: &mut impl BufRead, text: &str) -> String {
    let mut all = String::new();
    loop {
        let begin = all.len();
        assert!(reader.read_line(&mut all).unwrap() > 0, "no line has {text:?}: {all}");
        if all[begin..].contains(text) {
            return all[begin..].to_owned();
        }
    }
}

fn finish(child: Child) -> (bool, String) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.success(), String::from_utf8_lossy(&stderr).into_owned())
}

#[track_caller]
fn succeeds((success, told): (bool, String)) {
    assert!(success, "{told}");
}

#[track_caller]
fn fails((success, told): (bool, String)) -> String {
    assert!(!success && told.contains("error: ") && !told.contains("panicked"), "{told}");
    told
}

fn weights(out: &Path) -> Vec<u8> {
    fs::read(out.join("weights.safetensors")).unwrap()
}

/// Waits for a checkpoint.
fn wait_for_checkpoint(out: &Path) {
    let started = Instant::now();
    while Checkpoint::newest(out).unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "no checkpoint appears in {}", out.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn several_nodes_end_with_the_weights_of_one_process() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let flags = "--steps 9 --accumulate 6 --eval-every-steps 4 --quantized-steps 3";
    succeeds(finish(program(folder, &format!("{flags} --out one")).spawn().unwrap()));
    for n_nodes in [2, 3] {
        let out = format!("of-{n_nodes}");
        let flags = format!("{flags} --nodes {n_nodes} --out {out}");
        let zero = RankZero::start(folder, &flags);
        // The last connects first.
        let others: Vec<Child> = (1..n_nodes).rev().map(|rank| zero.node(folder, &flags, rank)).collect();
        others.into_iter().for_each(|child| succeeds(finish(child)));
        succeeds(zero.finish());
        assert!(weights(&folder.join("one")) == weights(&folder.join(out)), "{n_nodes} nodes");
    }
}

#[test]
fn a_killed_node_ends_the_run_and_nothing_is_lost() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let flags = "--steps 400 --nodes 3 --eval-every-steps 100";
    succeeds(finish(
        program(folder, "--steps 400 --accumulate 3 --eval-every-steps 100 --out one").spawn().unwrap(),
    ));

    let with_out = format!("{flags} --out several --checkpoint-every-steps 5");
    let zero = RankZero::start(folder, &with_out);
    let stays = zero.node(folder, &with_out, 1);
    let mut killed = zero.node(folder, &with_out, 2);
    let out = folder.join("several");
    wait_for_checkpoint(&out);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let at_zero = fails(zero.finish());
    assert!(at_zero.contains("a node has failed after step ") && at_zero.contains("rank 2 ("), "{at_zero}");
    let at_other = fails(finish(stays));
    assert!(at_other.contains("rank 0 (") && at_other.contains("rank 2 ("), "{at_other}");
    // What was done until then is saved, not only until the last regular checkpoint.
    let step = Checkpoint::newest(&out).unwrap().unwrap().state.step;
    assert!(at_zero.contains(&format!("after step {step}, which is saved")), "{at_zero}");

    // The others take the options of the run from rank 0.
    let resumed = "--resume --nodes 3 --out several";
    let zero = RankZero::start(folder, resumed);
    let others = [1, 2].map(|rank| zero.node(folder, resumed, rank));
    others.into_iter().for_each(|child| succeeds(finish(child)));
    succeeds(zero.finish());
    assert!(weights(&folder.join("one")) == weights(&out));
}

#[cfg(unix)]
#[test]
fn an_interrupted_node_interrupts_the_run() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let flags = "--steps 100000 --nodes 2 --out run --checkpoint-every-steps 1";
    let zero = RankZero::start(folder, flags);
    let other = zero.node(folder, flags, 1);
    wait_for_checkpoint(&folder.join("run"));
    assert!(Command::new("kill").args(["-INT", &other.id().to_string()]).status().unwrap().success());
    let status = other.wait_with_output().unwrap().status;
    assert_eq!(status.code(), Some(130));
    let (success, told) = zero.finish();
    assert!(!success && !told.contains("error: "), "{told}");
}

#[test]
fn other_options_or_data_are_refused_before_the_first_step() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    for (name, labels, y) in
        [("a", ["square", "kite"], 200), ("b", ["square", "kite"], 199), ("c", ["square", "door"], 200)]
    {
        let line = |label: &str, x: usize| {
            format!("{{\"word\":\"{label}\",\"drawing\":[[[{x},200,200,0],[0,0,{y},200]]]}}\n")
        };
        let lines: Vec<String> =
            labels.into_iter().flat_map(|label| (0..4).map(move |x| line(label, x))).collect();
        fs::write(folder.join(format!("{name}.ndjson")), lines.concat()).unwrap();
    }
    for (at_zero, here, message) in [
        (
            "",
            "--nodes 2 --learning-rate 0.5",
            "rank 0 has other options: learning_rate is 0.002 there and 0.5 here",
        ),
        ("", "--nodes 2 --dropout 0.4", "rank 0 has other options: dropout is 0.2 there and 0.4 here"),
        ("", "--nodes 3 --accumulate 3", "it has --nodes 3, rank 0 has 2"),
        ("", "--nodes 2 --data nowhere", "nowhere"),
        ("--data a.ndjson", "--nodes 2 --data b.ndjson", "the data to train on are others: fingerprint "),
        ("--data a.ndjson", "--nodes 2 --data c.ndjson", "2 other classes than the data here, which has 2"),
    ] {
        let zero = RankZero::start(folder, &format!("--nodes 2 --steps 5 --out run {at_zero}"));
        let other = zero.node(folder, &format!("--steps 5 {here}"), 1);
        let at_other = fails(finish(other));
        let at_zero = fails(zero.finish());
        assert!(at_other.contains(message) && at_zero.contains(message), "{here}: {at_other} {at_zero}");
        assert!(at_zero.contains("rank 1 ("), "{at_zero}");
        assert!(Checkpoint::newest(&folder.join("run")).unwrap().is_none(), "no step was made");
    }
}

#[test]
fn equal_ranks_are_refused_and_strangers_ignored() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let flags = "--nodes 3 --steps 5 --out run";
    let mut zero = RankZero::start(folder, flags);
    let mut stranger = TcpStream::connect(&zero.address).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    next_line_with(&mut zero.stderr, "is no node of a run");
    let first = zero.node(folder, flags, 1);
    next_line_with(&mut zero.stderr, "has connected");
    let second = zero.node(folder, flags, 1);
    for told in [fails(finish(second)), fails(finish(first)), fails(zero.finish())] {
        assert!(told.contains("there is another node of rank 1"), "{told}");
    }
}

#[test]
fn wrong_addresses_and_missing_nodes_are_told() {
    let folder = tempdir().unwrap();
    let told = |flags: &str| {
        let flags = format!("--nodes 2 --node-timeout 1 --steps 5 {flags}");
        fails(finish(program(folder.path(), &flags).spawn().unwrap()))
    };
    let nobody = told("--rank 1 --coordinator 127.0.0.1:9");
    assert!(nobody.contains("cannot reach rank 0 at 127.0.0.1:9"), "{nobody}");
    let no_port = told("--rank 1 --coordinator localhost");
    assert!(
        no_port.contains("rank 0 at localhost") && no_port.contains("invalid socket address"),
        "{no_port}"
    );
    // An address that is kept for documents, and none of this machine.
    let elsewhere = told("--rank 0 --coordinator 192.0.2.1:4000");
    assert!(elsewhere.contains("cannot listen on 192.0.2.1:4000"), "{elsewhere}");
    let alone = told("--rank 0 --coordinator 127.0.0.1:0");
    assert!(alone.contains("1 of 1 other nodes have not connected within 1 s"), "{alone}");
    let beyond = told("--rank 2 --coordinator 127.0.0.1:9");
    assert!(beyond.contains("--rank is 2; 0 to 1 was expected"), "{beyond}");
}
