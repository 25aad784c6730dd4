"""Writes ink_reference.json: drawings, and the ink they must become, computed without the Rust code.

The tutorial format follows parse_line of create_dataset.py in TensorFlow's tutorial "Recurrent Neural Networks for
Drawing Classification", whose arrays are float32: every operation is rounded to float32 here too, so the numbers are
exact. The absolute format is computed in double precision and compared with a tolerance.

    python3 ink_reference.py        (Python 3.9 or newer, nothing else)
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def points(drawing):
    """All points as [x, y, stroke_end]."""
    return [
        [float32(x), float32(y), 1.0 if i == len(stroke[0]) - 1 else 0.0]
        for stroke in drawing
        for i, (x, y) in enumerate(zip(stroke[0], stroke[1]))
    ]


def tutorial(drawing):
    ink = points(drawing)
    for axis in (0, 1):
        column = [row[axis] for row in ink]
        lower = min(column)
        scale = float32(max(column) - lower) or 1.0
        for row in ink:
            row[axis] = float32(float32(row[axis] - lower) / scale)
    return [
        [float32(row[0] - before[0]), float32(row[1] - before[1]), row[2]]
        for before, row in zip(ink, ink[1:])
    ]


def absolute(drawing):
    ink = points(drawing)
    boxes = [(min(row[axis] for row in ink), max(row[axis] for row in ink)) for axis in (0, 1)]
    half = max(upper - lower for lower, upper in boxes) / 2 or 1.0
    rows = []
    before = None
    for point in ink:
        x, y = ((point[axis] - sum(boxes[axis]) / 2) / half for axis in (0, 1))
        dx, dy = (x - before[0], y - before[1]) if before else (0.0, 0.0)
        rows.append([dx, dy, point[2], x, y])
        before = (x, y)
    return rows


DRAWINGS = {
    "the contract's example": [[[0, 10], [0, 20]], [[10, 5], [0, 10]]],
    "one point": [[[17], [4]]],
    "two dots": [[[3], [5]], [[9], [2]]],
    "the same point three times": [[[8, 8, 8], [1, 1, 1]]],
    "a first stroke of one point": [[[20], [30]], [[0, 40, 60], [0, 10, 90]]],
    "a later stroke of one point": [[[0, 40], [0, 10]], [[20], [30]], [[60, 55], [90, 80]]],
    "a vertical line": [[[7, 7, 7], [0, 100, 255]]],
    "a horizontal line": [[[0, 3, 255], [12, 12, 12]]],
    "times beside the points": [[[1, 2, 4], [9, 7, 8], [0, 16, 33]], [[6, 3], [2, 5], [410, 425]]],
    "decimals, and points left of the origin": [
        [[-12.5, 33.507999420166016, 44.75699996948242], [0.125, -7.75, 100.1]],
        [[52.5620002746582, 1e-3], [81.3, 3.3333333]],
    ],
    "far from the origin": [[[9999000, 9999001, 9999255], [-9999128, -9999000, -9999064]]],
    "much wider than high": [[[0, 100, 200, 255], [0, 2, 1, 3]]],
    "much higher than wide": [[[0, 1, 2], [255, 0, 101]], [[1, 3], [7, 250]]],
    "a square drawn twice": [
        [[0, 255, 255, 0, 0], [0, 0, 255, 255, 0]],
        [[64, 191, 191, 64, 64], [64, 64, 191, 191, 64]],
    ],
}


def main():
    drawings = dict(DRAWINGS)
    cat = HERE.parent / "fixtures" / "tutorial-cat.ndjson"
    drawings["the tutorial's cat"] = json.loads(cat.read_text())["drawing"]
    cases = [
        {"name": name, "drawing": drawing, "tutorial": tutorial(drawing), "absolute": absolute(drawing)}
        for name, drawing in drawings.items()
    ]
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "ink_reference.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
