"""vela's performance estimate of the LSTM on an Ethos-U55 with 128 MACs a cycle."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tools.row import STEPS, Row
from tools.tflite_lstm import write

_ACCELERATOR = "ethos-u55-128"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def measure(folder: Path) -> list[Row]:
    """One row. vela unrolls the LSTM in time; its counts are of all steps, here of one.

    Weights are vela's compressed ones. Raises RuntimeError where vela refuses the file.
    """
    model = write(folder / "lstm.tflite")
    command = [sys.executable, "-m", "ethosu.vela", str(model), "--output-dir", str(folder)]
    command += ["--accelerator-config", _ACCELERATOR, "--verbose-performance"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr or done.stdout or f"vela ended with {done.returncode}")
    summary = _rows(next(folder.glob("lstm_summary_*.csv")))[0]
    macs = Counter[str]()
    operations = Counter[str]()
    for operation in _rows(folder / "lstm_per-layer.csv"):
        macs[operation["NNG Operator"]] += int(operation["MAC Count"])
        operations[operation["NNG Operator"]] += 1
    products = macs.pop("FullyConnected", 0)
    zeros = sorted(kind for kind, count in macs.items() if not count)
    weights = sum(float(v) for k, v in summary.items() if k.endswith("_weight_read_bytes"))
    encoded = float(summary["total_npu_encoded_weights"])
    vectors = sum(float(v) for k, v in summary.items() if "_feature_map_" in k and k.endswith("_bytes"))  # fmt: skip  # noqa: E501
    return [
        Row(
            "ethos-u-vela",
            f"TensorFlow Lite LSTM, {_ACCELERATOR}",
            macs=products / STEPS,
            other=sum(macs.values()) / STEPS,
            weight_bytes=weights / STEPS,
            vector_bytes=vectors / STEPS,
            cycles=float(summary["cycles_total"]) / STEPS,
            note=f"{operations.total()} operations for {STEPS} steps; 0 for {', '.join(zeros)}; "
            f"weights fetched {weights / encoded:g} times",
        )
    ]
