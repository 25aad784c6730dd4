#!/usr/bin/env python3
"""A generator of drawings for the categories that sketch-rnn-js has no decoder for.

    python3 recipes/stroke_generator.py ORIGINALS MODELS OUT [--count 450]

One decoder like those of Sketch-RNN ("A Neural Representation of Sketch Drawings", Ha and Eck, 2017) learns
all categories: a category has a bias of the gates and an initial state, everything else is shared. It begins
with the decoder MODELS/crab.gen.json. ORIGINALS is the `.ndjson.gz` of the recipe's first stage: simplified
drawings without those of the validation part. OUT/generator.pt is the generator, with which a run that was
interrupted goes on; OUT/generated.ndjson are drawings of the categories that MODELS has no decoder for.
Needs numpy and torch; 3,000 steps of 200 take an hour on a core with AMX.
"""

import argparse
import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from sketch_rnn import LABELS, N_MIXTURES, N_UNITS, load

BATCH_SIZE = 200
N_STEPS = 3000
# The learning rate falls along a cosine that would end here.
N_SCHEDULED_STEPS = 3200
LEARNING_RATE = 8e-4
# Of a category's own numbers, of which a batch has few.
CATEGORY_FACTOR = 3
DROPOUT = 0.1
# Longer drawings are left out.
MAX_POINTS = 109
MAX_SAMPLED_POINTS = 140
# Categories come as often as their number of drawings to this power.
BALANCE_POWER = 0.35
# Pixels of a drawing in 0..255 to the decoder's unit.
SCALE = 45.0
# Temperatures are drawn uniformly from this range; that of the pen is at least PEN_COLDEST.
COLDEST, HOTTEST, PEN_COLDEST = 0.35, 0.75, 0.7
# Standard deviations are limited to the exponentials of these.
MIN_LOG_SD, MAX_LOG_SD = -6, 3


def read(path, labels):
    """Drawings as [(category, [points [N, 2] of each stroke])]."""
    drawings = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            strokes = [np.array(stroke[:2], np.float32).T for stroke in record["drawing"]]
            if 3 <= sum(map(len, strokes)) <= MAX_POINTS:
                drawings.append((labels.index(record["word"]), strokes))
    return drawings


def steps_of(strokes, rng):
    """A varied drawing as the steps that the decoder makes: offset, and one of pen down, lifted, end. [N + 1, 5]"""
    points = np.concatenate(strokes)
    angle, stretch = rng.normal() * 0.08, np.exp(rng.normal(size=2) * 0.08).astype(np.float32)
    cos, sin = math.cos(angle), math.sin(angle)
    points = (points * stretch) @ np.array([[cos, sin], [-sin, cos]], np.float32) * np.exp(rng.normal() * 0.1)
    n = len(points)
    steps = np.zeros((n + 1, 5), np.float32)
    steps[1:n, :2] = np.diff(points, axis=0) / SCALE
    steps[:n, 2] = 1
    for end in np.cumsum([len(stroke) for stroke in strokes]) - 1:
        if 0 < end < n:
            steps[end, 2:4] = 0, 1
    steps[n] = 0, 0, 0, 0, 1
    return steps


def batches(drawings, seed):
    """Eight batches of drawings of similar lengths: steps [T, B, 5], which of them count [T, B], categories [B]."""
    rng = np.random.default_rng(seed)
    categories = np.array([category for category, _ in drawings])
    lengths = np.array([sum(map(len, strokes)) for _, strokes in drawings])
    weights = np.bincount(categories)[categories].astype(float) ** (BALANCE_POWER - 1)
    sums = np.cumsum(weights / weights.sum())
    chosen = np.sort(np.searchsorted(sums, rng.random(BATCH_SIZE * 8) * sums[-1]))
    chosen = chosen[np.argsort(lengths[chosen] + rng.random(len(chosen)), kind="stable")]
    for part in rng.permutation(8):
        indices = chosen[part * BATCH_SIZE : (part + 1) * BATCH_SIZE]
        all_steps = [steps_of(drawings[index][1], rng) for index in indices]
        n_steps = max(map(len, all_steps))
        steps = np.zeros((n_steps, BATCH_SIZE, 5), np.float32)
        steps[:, :, 4] = 1
        counts = np.zeros((n_steps, BATCH_SIZE), np.float32)
        for i, own in enumerate(all_steps):
            steps[: len(own), i] = own
            counts[1 : len(own), i] = 1
        yield torch.from_numpy(steps), torch.from_numpy(counts), torch.from_numpy(categories[indices])


def initial(decoder, n_categories):
    """The parameters before the first step."""
    info, (out_weight, out_bias, in_weight, recurrent, bias) = load(decoder)
    bias = bias.clone()
    bias[2 * N_UNITS : 3 * N_UNITS] += 1
    in_weight = in_weight.clone()
    in_weight[:2] *= SCALE / info["scale_factor"]
    parameters = {
        "out_weight": out_weight.clone(),
        "out_bias": out_bias.clone(),
        "in_weight": in_weight,
        "recurrent": recurrent.clone(),
        "bias": bias,
        "category_bias": torch.zeros(n_categories, 4 * N_UNITS),
        "category_hidden": torch.zeros(n_categories, N_UNITS),
        "category_cell": torch.zeros(n_categories, N_UNITS),
    }
    return {name: value.requires_grad_() for name, value in parameters.items()}


def cell_step(gates, cell, drop=0.0):
    """Hidden state and cell after a step; gates in the order input, candidate, forget, output."""
    input_gate, candidate, forget_gate, output_gate = gates.split(N_UNITS, 1)
    candidate = torch.tanh(candidate)
    if drop > 0:
        candidate = F.dropout(candidate, drop)
    cell = cell * torch.sigmoid(forget_gate) + torch.sigmoid(input_gate) * candidate
    return torch.tanh(cell) * torch.sigmoid(output_gate), cell


def loss_of(p, steps, counts, categories):
    """The mean negative log-likelihood of a step."""
    hidden, cell = torch.tanh(p["category_hidden"][categories]), p["category_cell"][categories]
    recurrent = p["recurrent"].bfloat16()
    inputs = steps[:-1] @ p["in_weight"] + p["bias"] + p["category_bias"][categories]
    states = []
    for step in inputs.unbind(0):
        hidden, cell = cell_step(step + (hidden.bfloat16() @ recurrent).float(), cell, DROPOUT)
        states.append(hidden)
    outputs = (F.dropout(torch.stack(states), DROPOUT).bfloat16() @ p["out_weight"].bfloat16()).float() + p["out_bias"]
    target, counts = steps[1:], counts[1:]
    pen = -(F.log_softmax(outputs[..., :3], -1) * target[..., 2:]).sum(-1)
    logits, mean_x, mean_y, log_sd_x, log_sd_y, correlation = outputs[..., 3:].split(N_MIXTURES, -1)
    rho = torch.tanh(correlation).clamp(-0.99, 0.99)
    log_sd_x, log_sd_y = log_sd_x.clamp(MIN_LOG_SD, MAX_LOG_SD), log_sd_y.clamp(MIN_LOG_SD, MAX_LOG_SD)
    x = (target[..., 0:1] - mean_x) * torch.exp(-log_sd_x)
    y = (target[..., 1:2] - mean_y) * torch.exp(-log_sd_y)
    rest = 1 - rho * rho
    likelihoods = F.log_softmax(logits, -1) - log_sd_x - log_sd_y - 0.5 * torch.log(rest)
    likelihoods = likelihoods - (x * x + y * y - 2 * rho * x * y) / (2 * rest) - math.log(2 * math.pi)
    offset = -torch.logsumexp(likelihoods, -1) * (1 - target[..., 4])
    return ((pen + offset) * counts).sum() / counts.sum()


def train(drawings, decoder, n_categories, path):
    """Trains the generator, or goes on; gives its parameters."""
    p = initial(decoder, n_categories)
    of_categories = [name for name in p if name.startswith("category")]
    shared = [name for name in p if name not in of_categories]
    groups = [{"params": [p[name] for name in names], "lr": 0.0} for names in (shared, of_categories)]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98))
    step = 0
    if path.exists():
        stored = torch.load(path)
        step = stored["step"]
        optimizer.load_state_dict(stored["optimizer"])
        for name, value in stored["parameters"].items():
            p[name].data.copy_(value)
    while step < N_STEPS:
        for steps, counts, categories in batches(drawings, seed=step + 5):
            cosine = 0.5 * (1 + math.cos(math.pi * step / N_SCHEDULED_STEPS))
            rate = LEARNING_RATE * min(1, (step + 1) / 200) * cosine + 1e-6
            for group, factor in zip(optimizer.param_groups, (1, CATEGORY_FACTOR)):
                group["lr"] = rate * factor
            # What dropout drops depends on the step alone, also after an interruption.
            torch.manual_seed(step)
            loss = loss_of(p, steps, counts, categories)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(p.values()), 1.0)
            optimizer.step()
            step += 1
            if step % 100 == 0:
                print(f"step {step}: {loss.item():.4f}", flush=True)
            if step % 500 == 0:
                stored = {"step": step, "optimizer": optimizer.state_dict()}
                stored["parameters"] = {name: value.data for name, value in p.items()}
                partial = path.with_suffix(".partial")
                torch.save(stored, partial)
                os.replace(partial, path)
            if step == N_STEPS:
                break
    return {name: value.detach() for name, value in p.items()}


def sample(p, category, count):
    """Drawings of a category that came to an end, each as strokes of points in 0..255."""
    categories = torch.full((count,), category)
    temperatures = torch.rand(count) * (HOTTEST - COLDEST) + COLDEST
    recurrent, out_weight = p["recurrent"].bfloat16(), p["out_weight"].bfloat16()
    active = torch.arange(count)
    hidden, cell = torch.tanh(p["category_hidden"][categories]), p["category_cell"][categories]
    step = torch.zeros(count, 5)
    step[:, 2] = 1
    offsets, lengths = torch.zeros(count, MAX_SAMPLED_POINTS, 3), torch.zeros(count, dtype=torch.long)
    for t in range(MAX_SAMPLED_POINTS):
        gates = step @ p["in_weight"] + p["bias"] + p["category_bias"][category] + (hidden.bfloat16() @ recurrent).float()
        hidden, cell = cell_step(gates, cell)
        outputs = (hidden.bfloat16() @ out_weight).float() + p["out_bias"]
        temperature = temperatures[active][:, None]
        pen = torch.multinomial(torch.softmax(outputs[:, :3] / temperature.clamp(min=PEN_COLDEST), 1), 1)[:, 0]
        logits, mean_x, mean_y, log_sd_x, log_sd_y, correlation = outputs[:, 3:].split(N_MIXTURES, 1)
        component = torch.multinomial(torch.softmax(logits / temperature, 1), 1)
        mean_x, mean_y, log_sd_x, log_sd_y, correlation = (
            values.gather(1, component)[:, 0] for values in (mean_x, mean_y, log_sd_x, log_sd_y, correlation)
        )
        sd_x, sd_y = (torch.exp(log_sd.clamp(MIN_LOG_SD, MAX_LOG_SD)) for log_sd in (log_sd_x, log_sd_y))
        rho = torch.tanh(correlation).clamp(-0.99, 0.99)
        noise = temperature[:, 0].sqrt()
        first, second = torch.randn(len(active)), torch.randn(len(active))
        dx = mean_x + sd_x * noise * first
        dy = mean_y + sd_y * noise * (rho * first + (1 - rho * rho).sqrt() * second)
        offsets[active, t] = torch.stack([dx, dy, (pen == 1).float()], 1)
        step = torch.cat([dx[:, None], dy[:, None], F.one_hot(pen, 3).float()], 1)
        goes_on = pen != 2
        lengths[active[goes_on]] = t + 1
        active, hidden, cell, step = active[goes_on], hidden[goes_on], cell[goes_on], step[goes_on]
        if len(active) == 0:
            break
    ended = torch.ones(count, dtype=torch.bool)
    ended[active] = False
    for drawing, length, has_ended in zip(offsets.numpy(), lengths.tolist(), ended.tolist()):
        if has_ended and length >= 2:
            points = np.concatenate([np.zeros((1, 2)), np.cumsum(drawing[:length, :2], 0)])
            points -= points.min(0)
            points = np.round(points * 255 / max(points.max(), 1e-6)).astype(int)
            pieces = np.split(points, np.flatnonzero(drawing[:length, 2]) + 2)
            yield [[piece[:, 0].tolist(), piece[:, 1].tolist()] for piece in pieces if len(piece) > 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("originals", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=450, help="drawings to sample of each category")
    args = parser.parse_args()
    torch.set_num_threads(1)
    labels = json.loads(LABELS.read_text())["labels"]
    args.out.mkdir(parents=True, exist_ok=True)
    decoder = args.models / "crab.gen.json"
    p = train(read(args.originals, labels), decoder, len(labels), args.out / "generator.pt")
    torch.manual_seed(5)
    target = args.out / "generated.ndjson"
    partial = target.with_suffix(".partial")
    with torch.no_grad(), partial.open("w") as lines:
        for category, label in enumerate(labels):
            if (args.models / f"{label.replace(' ', '_').lower()}.gen.json").exists():
                continue
            for drawing in sample(p, category, args.count):
                record = {"word": label, "drawing": drawing, "source": "stroke_generator"}
                lines.write(json.dumps(record, separators=(",", ":")) + "\n")
    os.replace(partial, target)


if __name__ == "__main__":
    main()
