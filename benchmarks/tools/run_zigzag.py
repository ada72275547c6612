"""zigzag's latency and energy of the LSTM on its own TPU-like machine."""

from __future__ import annotations

from pathlib import Path

import zigzag
from zigzag.api import get_hardware_performance_zigzag

from tools.onnx_lstm import write_operator, write_step
from tools.row import STEPS, Row

_INPUTS = Path(zigzag.__file__).parent / "inputs"


def measure(folder: Path) -> list[Row]:
    """The LSTM operator, and the step as equations, on zigzag's `tpu_like` machine and mapping."""
    rows = []
    for given, path, steps in (
        ("LSTM operator", write_operator(folder / "operator.onnx"), STEPS),
        ("a step as equations", write_step(folder / "step.onnx"), 1),
    ):
        energy, cycles, found = get_hardware_performance_zigzag(
            workload=str(path),
            accelerator=str(_INPUTS / "hardware" / "tpu_like.yaml"),
            mapping=str(_INPUTS / "mapping" / "tpu_like.yaml"),
            opt="energy",
            dump_folder=str(folder / "zigzag"),
            pickle_filename=str(folder / "zigzag" / "found.pickle"),
        )
        products = [layer for layer, _ in found[0][1]]
        rows.append(
            Row(
                "zigzag-dse",
                given,
                macs=sum(product.layer.total_mac_count for product in products) / steps,
                cycles=cycles / steps,
                note=f"{len(products)} layers, energy {energy / steps:,.0f} pJ",
            )
        )
    return rows
