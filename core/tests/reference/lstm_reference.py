"""Writes lstm_reference.json: a bidirectional LSTM and its gradients, computed by PyTorch.

All weights differ, so another order of the gates or of the directions gives other numbers. Layouts are those of
quickdraw_core::ops::LstmWeights; PyTorch has the same order of gates and the transposed matrices.

    python3 lstm_reference.py   (needs torch)
"""

import json
import pathlib

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

HERE = pathlib.Path(__file__).resolve().parent
LENGTHS = [7, 2, 5, 1]
N_STEPS, D_INPUT, D_HIDDEN = 8, 3, 4


def main():
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(D_INPUT, D_HIDDEN, bidirectional=True, batch_first=True).double()
    with torch.no_grad():
        for name, parameter in lstm.named_parameters():
            parameter.zero_() if name.startswith("bias_hh") else parameter.normal_()
    x = torch.randn(len(LENGTHS), N_STEPS, D_INPUT, dtype=torch.double, requires_grad=True)
    d_output = torch.randn(len(LENGTHS), N_STEPS, 2 * D_HIDDEN, dtype=torch.double)
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    output, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True, total_length=N_STEPS)
    (output * d_output).sum().backward()

    def layout(values):
        """x, input [I, D * 4H], recurrent [D, H, 4H] and bias [D * 4H] of the parameters that `values` gives."""
        by_direction = lambda name: [values(getattr(lstm, f"{name}_l0{suffix}")) for suffix in ("", "_reverse")]
        return {
            "x": values(x),
            "input": torch.cat([weight.T for weight in by_direction("weight_ih")], 1),
            "recurrent": torch.stack([weight.T for weight in by_direction("weight_hh")]),
            "bias": torch.cat(by_direction("bias_ih")),
        }

    reference = {
        **layout(lambda parameter: parameter.detach()),
        "d_output": d_output,
        "output": output.detach(),
        **{f"d_{name}": gradient for name, gradient in layout(lambda parameter: parameter.grad).items()},
    }
    tensors = {
        name: {"shape": list(tensor.shape), "values": [round(value, 7) for value in tensor.flatten().tolist()]}
        for name, tensor in reference.items()
    }
    text = json.dumps({"lengths": LENGTHS, "tensors": tensors})
    (HERE / "lstm_reference.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
