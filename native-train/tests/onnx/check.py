"""Runs exported networks in onnxruntime and compares their logits with those of native-train.

    python check.py FOLDER...

Each folder holds model.onnx and expected.json: {"inputs": {name: values}, "logits": [B][K]}, where the
inputs are "ink" [B][T][C] and "lengths" [B], or "image" [B][1][S][S], or both.
Needs the packages numpy and onnxruntime; with the package onnx the model is checked against the standard as well.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime

TOLERANCE = 1e-4


def check(folder: pathlib.Path) -> float:
    """Gives the largest difference of a logit."""
    path = folder / "model.onnx"
    try:
        import onnx
    except ImportError:
        pass
    else:
        onnx.checker.check_model(str(path), full_check=True)
    case = json.loads((folder / "expected.json").read_text())
    types = {"lengths": np.int64}
    inputs = {name: np.array(values, types.get(name, np.float32)) for name, values in case["inputs"].items()}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert {i.name for i in session.get_inputs()} == set(inputs)
    assert "labels" in session.get_modelmeta().custom_metadata_map
    (logits,) = session.run(["logits"], inputs)
    expected = np.array(case["logits"], np.float32)
    assert logits.shape == expected.shape, f"{logits.shape}, expected {expected.shape}"
    # Not merely alike because all is zero.
    assert expected.std() > 1e-3, "the expected logits say nothing"
    # A maximum passes over NaN, so that it is asked for first.
    assert np.isfinite(logits).all(), "a logit is not finite"
    return float(np.abs(logits - expected).max())


def main() -> int:
    worst = 0.0
    for folder in map(pathlib.Path, sys.argv[1:]):
        difference = check(folder)
        print(f"{folder.name}: largest difference {difference:.2e}")
        worst = max(worst, difference)
    if worst > TOLERANCE:
        print(f"more than {TOLERANCE:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
