"""qonnx's inference cost of the LSTM."""

from __future__ import annotations

from pathlib import Path

from qonnx.util.inference_cost import inference_cost

from tools.onnx_lstm import write_operator, write_step
from tools.row import STEPS, Row


def measure(folder: Path) -> list[Row]:
    """The LSTM operator, and the step as equations; float32 stands for 8 bits, elements for bytes.

    qonnx counts each tensor of weights and of results once, which is one access of it.
    """
    rows = []
    for given, path, steps in (
        ("LSTM operator", write_operator(folder / "operator.onnx"), STEPS),
        ("a step as equations", write_step(folder / "step.onnx"), 1),
    ):
        cost = inference_cost(str(path), discount_sparsity=False)["total_cost"]
        # Element-wise operations have names of their own there, if they are counted at all.
        other = sum(n for key, n in cost.items() if key.startswith("op_") and "mac" not in key)
        rows.append(
            Row(
                "qonnx",
                given,
                macs=cost["total_macs"] / steps,
                other=other / steps,
                weight_bytes=cost["total_mem_w_elems"] / steps,
                vector_bytes=cost["total_mem_o_elems"] / steps,
                note=f"unsupported: {', '.join(sorted(names_in(cost.get('unsupported', ''))))}",
            )
        )
    return rows


def names_in(text: str) -> set[str]:
    """The names in qonnx's printed set, such as ``{'LSTM'}``."""
    return {name.strip(" '") for name in str(text).strip("{}").split(",") if name.strip(" '")}
