"""Writes simplify_reference.json: pen strokes, and their simplified form, computed without the Rust code.

The four steps of the data set's documentation, written for reading and not for speed: align to the top-left corner,
scale to 255, resample at 1 pixel, Ramer-Douglas-Peucker with epsilon 2; then whole numbers.

    python3 simplify_reference.py   (Python 3.9 or newer, nothing else)
"""

import bisect
import itertools
import json
import math
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent


def align_and_scale(drawing):
    xs = [x for stroke in drawing for x in stroke[0]]
    ys = [y for stroke in drawing for y in stroke[1]]
    larger = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
    return [
        [((x - min(xs)) * 255 / larger, (y - min(ys)) * 255 / larger) for x, y in zip(*stroke)]
        for stroke in drawing
    ]


def resample(stroke):
    """The points at 0, 1, 2, ... pixels along the stroke, and its end."""
    lengths = [math.dist(a, b) for a, b in zip(stroke, stroke[1:])]
    positions = [0.0, *itertools.accumulate(lengths)]
    samples = []
    for position in range(math.floor(positions[-1]) + 1):
        i = max(bisect.bisect_left(positions, position), 1)
        if i == len(stroke):
            samples.append(stroke[0])  # the only point
            continue
        part = (position - positions[i - 1]) / (lengths[i - 1] or 1.0)
        (ax, ay), (bx, by) = stroke[i - 1], stroke[i]
        samples.append((ax + (bx - ax) * part, ay + (by - ay) * part))
    return [*samples, stroke[-1]]


def distance_to_line(point, a, b):
    """Distance to the infinite line through a and b, or to a where they are the same."""
    (px, py), (ax, ay), (bx, by) = point, a, b
    if a == b:
        return math.dist(point, a)
    return abs((bx - ax) * (py - ay) - (by - ay) * (px - ax)) / math.dist(a, b)


def ramer_douglas_peucker(samples, epsilon=2.0):
    first, *inside, last = samples
    if not inside:
        return samples
    distances = [distance_to_line(point, first, last) for point in inside]
    farthest = max(distances)
    if farthest <= epsilon:
        return [first, last]
    i = distances.index(farthest) + 1
    return ramer_douglas_peucker(samples[: i + 1]) + ramer_douglas_peucker(samples[i:])[1:]


def simplify(drawing):
    strokes = [ramer_douglas_peucker(resample(stroke)) for stroke in align_and_scale(drawing)]
    # Python rounds halves to even, as the data set does.
    return [[[round(x) for x, _ in stroke], [round(y) for _, y in stroke]] for stroke in strokes]


def pen(n, x, y):
    """A stroke of n points from two functions of 0..1, on a raster of 1/8, which every number format holds exactly."""
    eighth = lambda value: round(value * 8) / 8
    parts = [i / (n - 1) for i in range(n)]
    return [[eighth(x(part)) for part in parts], [eighth(y(part)) for part in parts]]


def drawings():
    turn = 2 * math.pi
    circle = pen(60, lambda t: 200 + 90 * math.cos(turn * t), lambda t: 180 + 80 * math.sin(turn * t))
    yield "a circle", [circle]
    yield "a face", [
        circle,
        [[170.5], [150.25]],
        [[230.0, 230.0, 230.0], [150.5, 150.5, 150.5]],
        pen(25, lambda t: 160 + 80 * t, lambda t: 205 + 30 * math.sin(math.pi * t)),
    ]
    yield "a spiral", [pen(240, lambda t: 300 * t * math.cos(5 * turn * t), lambda t: 300 * t * math.sin(5 * turn * t))]
    yield "a zigzag of corners only", [[[3.5, 100.25, 211.0, 305.5, 420.0], [7.25, 160.5, 12.0, 150.75, 3.5]]]
    yield "a closed rectangle", [[[10.5, 410.5, 410.5, 10.5, 10.5], [20.25, 20.25, 250.75, 250.75, 20.25]]]
    yield "a trembling line", [pen(200, lambda t: 640 * t, lambda t: 2.5 * math.sin(23 * t) + math.sin(71 * t))]
    yield "a vertical line", [[[33.5, 33.5, 33.5], [0.0, 12.5, 300.0]]]
    yield "one dot", [[[512.5], [99.25]]]
    yield "a dot of several points", [[[512.5, 512.5, 512.5], [99.25, 99.25, 99.25]]]
    yield "two dots", [[[512.5], [99.25]], [[12.5], [400.25]]]
    yield "points that stand still for a while", [
        [[0.5, 0.5, 0.5, 90.0, 90.0, 180.25, 180.25], [0.5, 0.5, 0.5, 70.0, 70.0, 3.125, 3.125]]
    ]
    yield "left of and above the origin", [
        [[-400.5, -350.0, -300.125], [-20.5, -90.25, -15.75]],
        [[-380.0, -310.5], [-60.0, -61.5]],
    ]
    yield "ends on halves of a pixel", [[[0.0, 255.0], [0.0, 0.0]], [[10.5, 11.5], [20.5, 80.5]]]
    yield "many points equally far away", [[[0.5, 20.5, 235.5, 255.5], [0.0, 2.125, 2.125, 0.0]]]
    yield "in thousandths of a pixel", [[[0.0, 0.0078125, 0.015625], [0.0, 0.015625, 0.001953125]]]
    yield "in millions of pixels", [[[-5000000.0, 0.0, 5000000.0], [1000000.0, -4000000.0, 3000000.0]]]
    walk = random.Random(7)
    for index, n in enumerate((2, 3, 10, 100, 300)):
        strokes = []
        for _ in range(1 + index):
            x, y = walk.uniform(0, 800), walk.uniform(0, 600)
            stroke = [[], []]
            for _ in range(n):
                x, y = x + walk.gauss(0, 12), y + walk.gauss(0, 12)
                stroke[0].append(round(x * 8) / 8)
                stroke[1].append(round(y * 8) / 8)
            strokes.append(stroke)
        yield f"random walks of {n} points", strokes


def main():
    cases = [{"name": name, "drawing": drawing, "simplified": simplify(drawing)} for name, drawing in drawings()]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "simplify_reference.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
