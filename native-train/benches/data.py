#!/usr/bin/env python3
"""Reads and prepares drawings with native-train, counts their lines with `wc -l`, and runs the tutorial's conversion in Python,
all on this machine and the same files, and prints times, ratios and the most memory as a table.

    cargo build --release -p native-train
    pip install numpy protobuf
    python3 native-train/benches/data.py FOLDER

FOLDER holds simplified files of the data set. From its drawings as many as asked for are made, each shaken by some pixels and with
a `key_id` of its own, in files of 100,000 lines; these are in the system's cache when the clock runs. "read" keeps the rarest category only,
so that nearly all of its time goes into reading; "prepare" is all of the work, and its output lies on the disk at the end. The
peer does what the tutorial's create_dataset does, line by line with json and NumPy, but for two things that only save it time: it writes no
CRC, and does not shuffle. Its share of the drawings is small, since its time grows with their number.
"""

import argparse
import collections
import json
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

LINES_A_FILE = 100_000

# Of a point's place, in pixels of 256.
SHAKE = 3

OUTPUT_SHARDS = 10

NUMBERS = [str(number) for number in range(256)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="simplified files of the data set (*.ndjson)")
    parser.add_argument("--program", default="target/release/native-train")
    parser.add_argument("--sizes", default="100000,1000000", help="numbers of drawings, with commas between")
    parser.add_argument("--peer-drawings", type=int, default=20_000, help="of the first size, for the conversion in Python")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turns; the median counts")
    parser.add_argument("--work", type=Path, help="folder for what is made and written (default: the system's temporary one)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    originals = Originals(sorted(arguments.folder.glob("*.ndjson")))
    rows = []
    for n_drawings in map(int, arguments.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=arguments.work) as work:
            rows.append(measure(arguments, originals, n_drawings, Path(work)))
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": rows}))
    else:
        print_table(rows)


class Originals:
    """The points of all drawings one after the other, and what their lines say beside."""

    def __init__(self, files):
        records = [json.loads(line) for file in files for line in file.open(encoding="utf-8")]
        if not records:
            sys.exit("error: no *.ndjson with drawings there")
        self.heads = [
            ",".join(
                f"{json.dumps(name)}:{json.dumps(record[name], ensure_ascii=False)}"
                for name in ("word", "countrycode", "timestamp", "recognized")
                if name in record
            )
            for record in records
        ]
        counts = collections.Counter(record["word"] for record in records)
        self.rarest = min(counts, key=lambda word: (counts[word], word))
        self.stroke_lengths = [[len(stroke[0]) for stroke in record["drawing"]] for record in records]
        numbers = [number for record in records for stroke in record["drawing"] for axis in stroke[:2] for number in axis]
        self.numbers = np.array(numbers, np.int16)

    def write(self, path, first, n_lines):
        """Variants as a file of the data set has them: those with the numbers from `first` on of an endless sequence."""
        rng = np.random.default_rng(first)
        n_originals = len(self.heads)
        at = ends = None
        with path.open("w", encoding="utf-8") as file:
            for number in range(first, first + n_lines):
                which = number % n_originals
                if at is None or which == 0:
                    shaken = self.numbers + rng.integers(-SHAKE, SHAKE, len(self.numbers), dtype=np.int16, endpoint=True)
                    texts = [NUMBERS[value] for value in np.clip(shaken, 0, 255).tolist()]
                    if ends is None:
                        ends = np.cumsum([2 * sum(lengths) for lengths in self.stroke_lengths])
                    at = int(ends[which - 1]) if which else 0
                strokes = []
                for length in self.stroke_lengths[which]:
                    x, y = texts[at : at + length], texts[at + length : at + 2 * length]
                    strokes.append(f"[[{','.join(x)}],[{','.join(y)}]]")
                    at += 2 * length
                file.write(f'{{{self.heads[which]},"key_id":"{10**15 + number}","drawing":[{",".join(strokes)}]}}\n')


def measure(arguments, originals, n_drawings, work):
    data = work / "data"
    data.mkdir()
    firsts = range(0, n_drawings, LINES_A_FILE)
    with multiprocessing.get_context("fork").Pool() as pool:
        tasks = [(data / f"{first:09}.ndjson", first, min(LINES_A_FILE, n_drawings - first)) for first in firsts]
        pool.starmap(originals.write, tasks, chunksize=1)
    files = sorted(data.iterdir())
    row = {"drawings": n_drawings, "bytes": sum(file.stat().st_size for file in files)}

    def prepare(*options):
        out = work / "prepared"
        command = [arguments.program, "prepare", str(data), "--out", str(out), "--train-observations-per-class", str(n_drawings)]
        command += ["--eval-observations-per-class", "1000", *options]
        seconds, peak = run(command)
        written = sum(file.stat().st_size for file in out.iterdir())
        classes = json.loads((out / "manifest.json").read_text())["summary"]["classes"]
        kept = sum(each["train"] + each["eval"] for each in classes)
        shutil.rmtree(out)
        return {"s": seconds, "peak_bytes": peak, "written_bytes": written, "kept": kept}

    counted, read, prepared = [], [], []
    run(["wc", "-l", *files])
    for _ in range(arguments.rounds):
        counted.append(run(["wc", "-l", *files])[0])
        read.append(prepare("--classes", originals.rarest))
        prepared.append(prepare())
    row["wc_s"] = statistics.median(counted)
    for name, runs in (("read", read), ("prepare", prepared)):
        row[f"{name}_s"] = statistics.median(each["s"] for each in runs)
        row[f"{name}_peak_bytes"] = max(each["peak_bytes"] for each in runs)
    row["kept"], row["written_bytes"] = prepared[0]["kept"], prepared[0]["written_bytes"]
    n_peer = min(n_drawings, arguments.peer_drawings)
    peer = statistics.median(create_dataset(files, n_peer, work / "peer") for _ in range(arguments.rounds))
    row["create_dataset_drawings_per_s"] = n_peer / peer
    return row


# Runs a command and prints its seconds and the most memory in KiB. In a process of its own, since what the parent has in memory at the fork
# would count as the command's.
TIMED = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - start, usage.ru_maxrss)
sys.exit(status != 0)
"""


def run(command):
    """Seconds, and the most memory in bytes, of a command that must succeed."""
    done = subprocess.run([sys.executable, "-S", "-c", TIMED, *command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {command[:3]} failed:\n{done.stderr}")
    seconds, kib = done.stdout.split()
    return float(seconds), int(kib) * 1024


def create_dataset(files, n_drawings, out):
    """Seconds that the tutorial's conversion takes in Python."""
    example = example_class()
    out.mkdir()
    classes, rng = [], random.Random(1)
    shards = [(out / f"training.tfrecord-{shard:05}-of-{OUTPUT_SHARDS:05}").open("wb") for shard in range(OUTPUT_SHARDS)]
    start, n_left = time.perf_counter(), n_drawings
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if n_left == 0:
                    break
                n_left -= 1
                ink, word = parse_line(line)
                if word not in classes:
                    classes.append(word)
                features = {"ink": ink.ravel(), "shape": ink.shape, "class_index": [classes.index(word)]}
                record = example()
                for name, values in features.items():
                    feature = record.features.feature[name]
                    (feature.float_list if name == "ink" else feature.int64_list).value.extend(values)
                payload = record.SerializeToString()
                shards[rng.randrange(OUTPUT_SHARDS)].write(struct.pack("<QI", len(payload), 0) + payload + bytes(4))
    for shard in shards:
        shard.close()
    seconds = time.perf_counter() - start
    shutil.rmtree(out)
    return seconds


def parse_line(line):
    """A line -> rows of (dx, dy, stroke's end), scaled to the drawing's extent, and the word."""
    record = json.loads(line)
    lengths = [len(stroke[0]) for stroke in record["drawing"]]
    ink, at = np.zeros((sum(lengths), 3), np.float32), 0
    for stroke in record["drawing"]:
        for axis in range(2):
            ink[at : at + len(stroke[0]), axis] = stroke[axis]
        at += len(stroke[0])
        ink[at - 1, 2] = 1
    low, high = ink[:, :2].min(0), ink[:, :2].max(0)
    extent = high - low
    extent[extent == 0] = 1
    ink[:, :2] = (ink[:, :2] - low) / extent
    ink[1:, :2] -= ink[:-1, :2].copy()
    return ink[1:], record["word"]


def example_class():
    """`tensorflow.train.Example`."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")

    def message(name, *fields, of=None):
        new = (of.nested_type if of else file.message_type).add(name=name)
        for number, (field_name, kind, repeated, type_name) in enumerate(fields, 1):
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            new.field.add(name=field_name, number=number, type=kind, label=label, type_name=type_name)
        return new

    message("BytesList", ("value", field.TYPE_BYTES, True, None))
    message("FloatList", ("value", field.TYPE_FLOAT, True, None))
    message("Int64List", ("value", field.TYPE_INT64, True, None))
    lists = [(name.lower() + "_list", field.TYPE_MESSAGE, False, f".tensorflow.{name}List") for name in ("Bytes", "Float", "Int64")]
    one_of = message("Feature", *lists)
    one_of.oneof_decl.add(name="kind")
    for each in one_of.field:
        each.oneof_index = 0
    features = message("Features", ("feature", field.TYPE_MESSAGE, True, ".tensorflow.Features.FeatureEntry"))
    entry = ("key", field.TYPE_STRING, False, None), ("value", field.TYPE_MESSAGE, False, ".tensorflow.Feature")
    message("FeatureEntry", *entry, of=features).options.map_entry = True
    message("Example", ("features", field.TYPE_MESSAGE, False, ".tensorflow.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


def print_table(rows):
    print(f"{machine()}\n")
    print("| drawings | MB | `wc -l` | read | prepare | most memory | create_dataset in Python | read, of `wc -l` | read, of Python | prepare, of Python |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        python = row["create_dataset_drawings_per_s"]

        def cell(name):
            per_s, mb_per_s = row["drawings"] / row[name], row["bytes"] / row[name] / 1e6
            return f"{row[name]:.2f} s, {per_s:,.0f}/s, {mb_per_s:,.0f} MB/s"

        cells = [f"{row['drawings']:,}", f"{row['bytes'] / 1e6:,.0f}", f"{row['wc_s']:.2f} s", cell("read_s"), cell("prepare_s")]
        cells += [f"{max(row['read_peak_bytes'], row['prepare_peak_bytes']) / 1e6:.0f} MB", f"{python:,.0f}/s"]
        cells += [f"{row['read_s'] / row['wc_s']:.1f} x its time"]
        cells += [f"{row['drawings'] / row[name] / python:.0f} x as fast" for name in ("read_s", "prepare_s")]
        print(f"| {' | '.join(cells)} |")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
