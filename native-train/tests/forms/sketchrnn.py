"""Writes sketch-rnn files as NumPy does, in the protocols of pickle it has used: the same three drawings in each.

Run with NumPy 2: python3 sketchrnn.py. The output is committed beside it.
"""

import io
import pickle
import zipfile

import numpy as np

ROWS = [
    [[10, 0, 0], [5, 20, 1], [-15, 100, 0], [255, 135, 1]],
    [[0, 0, 0], [3, -4 + 4, 0], [0, 255, 1]],
    [[-20, -30, 0], [100, 0, 0], [0, 100, 0]],
]


def array(rows):
    drawings = np.empty(len(rows), dtype=object)
    for index, row in enumerate(rows):
        drawings[index] = np.array(row, dtype=np.int16)
    return drawings


def npy(drawings, protocol):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, np.lib.format.header_data_from_array_1_0(drawings))
    pickle.dump(drawings, out, protocol=protocol)
    return out.getvalue()


parts = {"train": array(ROWS[:1]), "valid": array(ROWS[1:2]), "test": array(ROWS[2:])}
for protocol in (2, 3, 4):
    method = zipfile.ZIP_STORED if protocol == 3 else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(f"protocol-{protocol}.npz", "w", method) as archive:
        for name, drawings in parts.items():
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = method
            archive.writestr(info, npy(drawings, protocol))
np.savez_compressed("numpy.npz", **parts)
np.savez_compressed("numbers.npz", train=np.zeros((2, 4, 3), dtype=np.int16))
