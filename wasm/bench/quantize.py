"""Writes an ONNX model with weights in 8 bits, whose activations are quantised as it runs.

    python quantize.py MODEL.onnx QUANTIZED.onnx

Needs the packages onnxruntime and onnx.
"""

import pathlib
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

source, target = map(pathlib.Path, sys.argv[1:])
prepared = target.with_suffix(".prepared.onnx")
quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
# Convolutions in 8 bits, and a scale for each column, make it slower in the browser.
quantize_dynamic(
    str(prepared), str(target), weight_type=QuantType.QInt8, op_types_to_quantize=["LSTM", "MatMul", "Gemm"]
)
prepared.unlink()
