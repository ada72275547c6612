"""SCALE-Sim's cycles and accesses of the two products of a step, which is all it can be given."""

from __future__ import annotations

import csv
from pathlib import Path

from scalesim.scale_sim import scalesim

from tools.row import INPUTS, UNITS, Row

_SETTINGS = {
    "general": {"run_name": "lstm"},
    "architecture_presets": {
        "ArrayHeight": 32, "ArrayWidth": 32,
        "IfmapSramSzkB": 64, "FilterSramSzkB": 64, "OfmapSramSzkB": 64,
        "IfmapOffset": 0, "FilterOffset": 10_000_000, "OfmapOffset": 20_000_000,
        "Dataflow": "os", "Bandwidth": 10, "ReadRequestBuffer": 32, "WriteRequestBuffer": 32,
    },
    "layout": {
        "IfmapCustomLayout": False, "IfmapSRAMBankBandwidth": 10,
        "IfmapSRAMBankNum": 10, "IfmapSRAMBankPort": 2,
        "FilterCustomLayout": False, "FilterSRAMBankBandwidth": 10,
        "FilterSRAMBankNum": 10, "FilterSRAMBankPort": 2,
    },
    "sparsity": {
        "SparsitySupport": False, "SparseRep": "ellpack_block", "OptimizedMapping": False,
        "BlockSize": 8, "RandomNumberGeneratorSeed": 40,
    },
    "run_presets": {"InterfaceBandwidth": "CALC", "UseRamulatorTrace": False},
}  # fmt: skip
"""A 32 x 32 array, output stationary, one byte a word, with SCALE-Sim's other example values."""


def _column(path: Path, *names: str) -> float:
    """The sum of columns over all layers of a report."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    return sum(float(row[name]) for row in rows for name in names)


def measure(folder: Path) -> list[Row]:
    """One row. SCALE-Sim knows no LSTM: W x and U h are given as 1 x columns x rows products."""
    lines = [f"[{part}]\n" + "".join(f"{k}: {v}\n" for k, v in settings.items()) for part, settings in _SETTINGS.items()]  # fmt: skip  # noqa: E501
    (folder / "machine.cfg").write_text("\n".join(lines))
    rows = 4 * UNITS
    products = f"Layer,M,N,K,\nWx,1,{rows},{INPUTS},\nUh,1,{rows},{UNITS},\n"
    (folder / "products.csv").write_text(products)
    (folder / "layout.csv").write_text("Layer,\n")
    scalesim(
        save_disk_space=True,
        verbose=False,
        config=str(folder / "machine.cfg"),
        topology=str(folder / "products.csv"),
        layout=str(folder / "layout.csv"),
        input_type_gemm=True,
    ).run_scale(top_path=str(folder / "out"))
    reports = folder / "out" / "lstm"
    accesses = reports / "DETAILED_ACCESS_REPORT.csv"
    return [
        Row(
            "scalesim",
            "two products",
            weight_bytes=_column(accesses, "DRAM Filter Reads"),
            vector_bytes=_column(accesses, "DRAM IFMAP Reads", "DRAM OFMAP Writes"),
            cycles=_column(reports / "COMPUTE_REPORT.csv", "Total Cycles"),
            note="no recurrence: gates, cell and states cannot be described; bytes are DRAM's",
        )
    ]
