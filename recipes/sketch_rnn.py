#!/usr/bin/env python3
"""Samples drawings from the decoders of Sketch-RNN that were published with sketch-rnn-js.

    python3 recipes/sketch_rnn.py MODELS OUT [--count 3600]

MODELS holds one `<category>.gen.json` a decoder, as sketch-rnn-js has them ("A Neural Representation of
Sketch Drawings", Ha and Eck, 2017). OUT gets one `<category>.ndjson` of unsimplified drawings for each of
them whose name is a category of Quick, Draw!; `augment --augment off` simplifies them. A file that is there
is not made again. Needs numpy and torch; 500 drawings/s on a core with AMX.
"""

import argparse
import base64
import json
import os
from pathlib import Path

import numpy as np
import torch

N_UNITS = 512
N_MIXTURES = 20
# Temperatures are drawn uniformly from this range: the whole of one drawing has one.
COLDEST, HOTTEST = 0.4, 0.8
LABELS = Path(__file__).parent.parent / "wasm" / "model" / "model.json"


def load(path):
    """The decoder's settings and its five tensors: output weight and bias, input and recurrent weight, bias."""
    info, shapes, packed = json.loads(path.read_text())
    # 16-bit integers that stand for -10 to 10.
    values = [np.frombuffer(base64.b64decode(text), "<i2").astype(np.float32) / 32767 * 10 for text in packed]
    return info, [torch.tensor(value).reshape(shape) for value, shape in zip(values, shapes)]


def sample(path, count, seed):
    """Samples `count` drawings at once.

    Gives the pen's offsets and whether it lifts after them [count, T, 3], how many of the T time steps each
    drawing has, and whether it came to an end.
    """
    info, (out_weight, out_bias, in_weight, recurrent, bias) = load(path)
    n_steps, scale = info.get("max_seq_len", 200), info["scale_factor"]
    torch.manual_seed(seed)
    weight = torch.cat([in_weight, recurrent]).bfloat16()
    out_weight = out_weight.bfloat16()
    # Gates in the order input, candidate, forget, output; the forget gate's bias is 1 higher.
    bias = bias.clone()
    bias[2 * N_UNITS : 3 * N_UNITS] += 1
    temperatures = torch.rand(count) * (HOTTEST - COLDEST) + COLDEST
    active = torch.arange(count)
    hidden, cell = torch.zeros(count, N_UNITS), torch.zeros(count, N_UNITS)
    # The offset and one of: pen down, pen lifted, end of the drawing.
    step = torch.zeros(count, 5)
    step[:, 2] = 1
    offsets, lengths = torch.zeros(count, n_steps, 3), torch.zeros(count, dtype=torch.long)
    for t in range(n_steps):
        gates = (torch.cat([step, hidden], 1).bfloat16() @ weight).float() + bias
        input_gate, candidate, forget_gate, output_gate = gates.split(N_UNITS, 1)
        cell = cell * torch.sigmoid(forget_gate) + torch.sigmoid(input_gate) * torch.tanh(candidate)
        hidden = torch.tanh(cell) * torch.sigmoid(output_gate)
        output = (hidden.bfloat16() @ out_weight).float() + out_bias
        temperature = temperatures[active][:, None]
        pen = torch.multinomial(torch.softmax(output[:, :3] / temperature, 1), 1)[:, 0]
        logits, mean_x, mean_y, log_sd_x, log_sd_y, correlation = output[:, 3:].split(N_MIXTURES, 1)
        component = torch.multinomial(torch.softmax(logits / temperature, 1), 1)
        mean_x, mean_y, log_sd_x, log_sd_y, correlation = (
            values.gather(1, component)[:, 0] for values in (mean_x, mean_y, log_sd_x, log_sd_y, correlation)
        )
        rho = torch.tanh(correlation)
        noise = temperature[:, 0].sqrt()
        first, second = torch.randn(len(active)), torch.randn(len(active))
        dx = mean_x + torch.exp(log_sd_x) * noise * first
        dy = mean_y + torch.exp(log_sd_y) * noise * (rho * first + (1 - rho * rho).clamp(min=0).sqrt() * second)
        step = torch.cat([dx[:, None], dy[:, None], torch.nn.functional.one_hot(pen, 3).float()], 1)
        offsets[active, t] = torch.stack([dx, dy, (pen == 1).float()], 1)
        goes_on = pen != 2
        lengths[active[goes_on]] = t + 1
        active, hidden, cell, step = active[goes_on], hidden[goes_on], cell[goes_on], step[goes_on]
        if len(active) == 0:
            break
    ended = torch.ones(count, dtype=torch.bool)
    ended[active] = False
    return offsets.numpy() * np.array([scale, scale, 1], np.float32), lengths.numpy(), ended.numpy()


def strokes(offsets):
    """The strokes of one drawing, its larger side 1000 long; a stroke of one point is left out."""
    points = np.cumsum(offsets[:, :2], 0)
    points -= points.min(0)
    points *= 1000 / max(points.max(), 1e-6)
    points = np.round(points).astype(int)
    pieces = np.split(points, np.flatnonzero(offsets[:, 2]) + 1)
    return [[piece[:, 0].tolist(), piece[:, 1].tolist()] for piece in pieces if len(piece) > 1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=3600, help="drawings to sample of each category")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    labels = {label.replace(" ", "_").lower(): label for label in json.loads(LABELS.read_text())["labels"]}
    args.out.mkdir(parents=True, exist_ok=True)
    decoders = sorted(path for path in args.models.glob("*.gen.json") if path.name[: -len(".gen.json")] in labels)
    for path in decoders:
        name = path.name[: -len(".gen.json")]
        target = args.out / f"{name}.ndjson"
        if target.exists():
            continue
        lines = []
        for offsets, length, ended in zip(*sample(path, args.count, seed=sum(map(ord, name)))):
            drawing = strokes(offsets[:length]) if ended and length > 2 else []
            if drawing:
                lines.append(json.dumps({"word": labels[name], "drawing": drawing, "source": "sketch-rnn"}, separators=(",", ":")))
        partial = target.with_suffix(".partial")
        partial.write_text("".join(f"{line}\n" for line in lines))
        os.replace(partial, target)
        print(f"{name}: {len(lines)} of {args.count} came to an end", flush=True)


if __name__ == "__main__":
    main()
