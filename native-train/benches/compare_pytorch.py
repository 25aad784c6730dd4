#!/usr/bin/env python3
"""Trains the same network with native-train and with PyTorch on this machine, in turns, and prints both and the ratio.

    cargo build --release -p native-train
    pip install torch
    python3 native-train/benches/compare_pytorch.py

and on an NVIDIA GPU

    cargo build --release -p native-train --features cuda
    python3 native-train/benches/compare_pytorch.py --device cuda
    python3 native-train/benches/compare_pytorch.py --device cuda --precision bf16

The work is a step of training: forward, cross-entropy, backward, clipping by the global norm, Adam; the same network, batch
size and lengths. Where drawings have different lengths PyTorch may choose: padded (which computes the padding and lets
the backward direction start in it) or packed; the faster one counts.
"""

import argparse
import json
import platform
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

N_CLASSES = 345

# Preset, batch size, and rows of every drawing; None stands for the lengths of Quick, Draw!.
CPU_CASES = {
    "tutorial-64": ("tutorial", 64, 64),
    "tutorial-real": ("tutorial", 64, None),
    "fast-45": ("fast", 128, 45),
    "fast-real": ("fast", 128, None),
}
GPU_CASES = {
    f"{preset}-{batch_size}-{length or 'real'}": (preset, batch_size, length)
    for preset, lengths in [("tutorial", [64, None]), ("best", [45, None])]
    for batch_size in [256, 1024, 4096]
    for length in lengths
}

# Convolutions (channels, rows, stride), LSTM layers and their width, dropout, for each preset.
NETWORKS = {
    "tutorial": ([(48, 5, 1), (64, 5, 1), (96, 3, 1)], 3, 128, 0.3),
    "fast": ([(64, 5, 1), (96, 5, 2), (128, 5, 2)], 2, 144, 0.2),
    "best": ([(64, 5, 1), (96, 5, 2), (128, 5, 1)], 2, 144, 0.1),
}


class Network(nn.Module):
    """The network of a preset, as native-train's `ModelConfig` has it."""

    def __init__(self, preset):
        super().__init__()
        sizes, layers, nodes, self.dropout = NETWORKS[preset]
        # `fast` and `best` use ReLU, read absolute coordinates too, and pool by mean and maximum.
        self.relu = self.mean_max = preset != "tutorial"
        channels = 5 if self.mean_max else 3
        self.convs = nn.ModuleList()
        for width, length, stride in sizes:
            self.convs.append(nn.Conv1d(channels, width, length, stride, padding=(length - 1) // 2))
            channels = width
        self.lstm = nn.LSTM(
            channels, nodes, layers, batch_first=True, bidirectional=True, dropout=self.dropout
        )
        self.dense = nn.Linear(nodes * (4 if self.mean_max else 2), N_CLASSES)

    def forward(self, x, lengths, packed):
        x = x.transpose(1, 2)  # [B, C, T]
        for i, conv in enumerate(self.convs):
            if i > 0:
                x = nn.functional.dropout(x, self.dropout, self.training)
            x = conv(x)
            x = x.relu() if self.relu else x
            stride = conv.stride[0]
            lengths = (lengths + stride - 1) // stride
        x = x.transpose(1, 2)  # [B, T, C]
        n_steps = x.shape[1]
        if packed:
            x = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        x, _ = self.lstm(x)
        if packed:
            x, _ = pad_packed_sequence(x, batch_first=True, total_length=n_steps)
        x = nn.functional.dropout(x, self.dropout, self.training)
        mask = (torch.arange(n_steps, device=x.device)[None, :] < lengths[:, None])[:, :, None]
        total = (x * mask).sum(1)
        if not self.mean_max:
            return self.dense(total)
        highest = x.masked_fill(~mask, -1e4).amax(1)
        return self.dense(torch.cat([total / lengths[:, None], highest], 1))


class PyTorch:
    def __init__(self, preset, lengths, packed, arguments):
        torch.manual_seed(1)
        self.packed, self.on_gpu = packed, arguments.device == "cuda"
        self.dtype = {"f32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[arguments.precision]
        device = torch.device(arguments.device)
        self.network = Network(preset).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-4, fused=self.on_gpu)
        self.scaler = torch.amp.GradScaler(arguments.device, enabled=self.dtype == torch.float16)
        columns = self.network.convs[0].in_channels
        self.batches = [
            (
                torch.randn(len(of), max(of), columns).to(device),
                torch.tensor(of).to(device),
                torch.randint(0, N_CLASSES, (len(of),)).to(device),
            )
            for of in lengths
        ]
        self.repeat()

    def repeat(self):
        for x, lengths, labels in self.batches:
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast(x.device.type, self.dtype, enabled=self.dtype is not None):
                logits = self.network(x, lengths, self.packed)
            loss = nn.functional.cross_entropy(logits.float(), labels)
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), 9.0)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self.on_gpu:
            torch.cuda.synchronize()

    def drawings_per_s(self, seconds):
        times, started = [], time.perf_counter()
        while not times or time.perf_counter() - started < seconds:
            start = time.perf_counter()
            self.repeat()
            times.append(time.perf_counter() - start)
        return sum(len(of) for _, of, _ in self.batches) / statistics.median(times)


def ours(arguments, case):
    """One run of `native-train bench`; gives its JSON."""
    preset, batch_size, length = case
    command = [arguments.program, "bench", "--train", "--json", "--device", arguments.device, "--preset", preset]
    if arguments.precision != "f32":
        command += ["--precision", "bf16"]
    command += ["--batch-size", str(batch_size), "--seconds", str(arguments.seconds)]
    command += ["--threads", str(arguments.threads)]
    command += ["--real-lengths"] if length is None else ["--length", str(length)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/native-train")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, in turns")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--precision",
        choices=["f32", "bf16", "fp16"],
        default="f32",
        help="of the factors of products; fp16 is PyTorch's alone, beside bf16 of ours",
    )
    parser.add_argument("--case", action="append", help="again and again for several; default all of the device")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    # As our products of float32 are made.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    on_gpu = arguments.device == "cuda"
    machine = torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine()
    cases = GPU_CASES if on_gpu else CPU_CASES
    if unknown := set(arguments.case or []) - set(cases):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(cases)}")

    rows = []
    for case in (cases[name] for name in arguments.case or cases):
        lengths = ours(argparse.Namespace(**{**vars(arguments), "seconds": 0}), case)["lengths"]
        forms = {"padded": PyTorch(case[0], lengths, False, arguments)}
        if case[2] is None:
            forms["packed"] = PyTorch(case[0], lengths, True, arguments)
        mine, theirs = [], {name: [] for name in forms}
        for _ in range(arguments.rounds):
            mine.append(ours(arguments, case)["train_drawings_per_s"])
            for name, form in forms.items():
                theirs[name].append(form.drawings_per_s(arguments.seconds))
        best = max(theirs, key=lambda name: statistics.median(theirs[name]))
        rows.append(
            {
                "preset": case[0],
                "batch_size": case[1],
                "length": case[2] or "real",
                "native_train_drawings_per_s": statistics.median(mine),
                "pytorch_drawings_per_s": statistics.median(theirs[best]),
                "pytorch_form": best,
                "ratio": statistics.median(a / b for a, b in zip(mine, theirs[best])),
            }
        )
    found = {
        "machine": machine,
        "threads": arguments.threads,
        "precision": arguments.precision,
        "native_train_precision": "f32" if arguments.precision == "f32" else "bf16",
        "pytorch": torch.__version__,
        "rounds": arguments.rounds,
        "rows": rows,
    }
    if arguments.json:
        print(json.dumps(found))
        return
    print(
        f"{found['machine']}, {arguments.threads} threads, {arguments.precision}, PyTorch {torch.__version__}, "
        f"medians of {arguments.rounds} rounds, drawings/s"
    )
    print(f"{'preset':<10}{'batch':>6}{'rows':>6}{'native-train':>14}{'PyTorch':>10}  {'':<8}{'ratio':>6}")
    for row in rows:
        print(
            f"{row['preset']:<10}{row['batch_size']:>6}{row['length']:>6}{row['native_train_drawings_per_s']:>14.0f}"
            f"{row['pytorch_drawings_per_s']:>10.0f}  {row['pytorch_form']:<8}{row['ratio']:>6.2f}"
        )


if __name__ == "__main__":
    main()
