"""rnnhw's own counts of the LSTM: the row that the others are held against."""

from __future__ import annotations

from pathlib import Path

from rnnhw import LSTM, Design, Formats, Q, estimate
from tools.row import INPUTS, STEPS, UNITS, Row

LANES = 8


def measure(folder: Path) -> list[Row]:
    """One row, of one step; nothing is written to ``folder``."""
    words = Formats(
        input=Q(0, 7),
        weight=Q(0, 7),
        bias=Q(7, 24),
        sum=Q(3, 8),
        state=Q(0, 7),
        gate=Q(0, 15),
        cell=Q(4, 11),
    )
    design = Design(
        layers=[LSTM(UNITS, name="lstm")], formats=words, inputs=INPUTS, max_steps=STEPS
    )
    report = estimate(design, "ecp5-25", clock_mhz=50, lanes=LANES)
    layer = report.layers[0]
    counts, macs = layer.counts, layer.macs_per_step
    vectors = ("inputs", "state", "activations")
    bits = sum(counts[f"{kind}.{way}_bits"] for kind in vectors for way in ("read", "write"))
    cycles = layer.cycles_per_step.value
    assert isinstance(cycles, int)
    return [
        Row(
            "rnnhw",
            f"LSTM layer, {LANES} lanes",
            macs=macs,
            other=counts["multiplies"] + counts["adds"] - 2 * macs + counts["lookups"],
            weight_bytes=counts["weights.read_bits"] / 8,
            vector_bytes=bits / 8,
            cycles=cycles,
            note="intermediate results of a step stay in the post-processor",
        )
    ]
