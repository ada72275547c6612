"""What a profile can answer: the figures of a small network that it gives a value."""

from __future__ import annotations

from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Figure
from rnnhw.design.design import Design
from rnnhw.graph.builder import Formats
from rnnhw.layers.cells import Elman
from rnnhw.numerics.cast import Q
from rnnhw.profiles import Profile

__all__ = ["answers"]

_NETWORK = Design(
    layers=[Elman(8, name="rnn")],
    formats=Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), state=Q(0, 7)),
    inputs=8,
)


def answers(profile: Profile) -> dict[str, str]:
    """Whether cycles, time, energy and LUTs of a dense 8-bit layer are known on a profile.

    Each is "yes", "no", "a bound", or what to give beside.
    """
    report = estimate(_NETWORK, profile, lanes=1, tries_lanes=False)
    totals, points = report.totals, report.operating_points
    time = _known(points[0].steps_per_second) if points else "with --clock-mhz"
    return {
        "cycles": _known(totals.cycles_per_step),
        "time": time,
        "energy": _known(totals.energy_per_step_pj),
        "luts": _known(totals.luts),
    }


def _known(figure: Figure) -> str:
    if figure.status == "not used":
        return "-"
    if figure.value is None:
        return "no"
    return "a bound" if figure.bound else "yes"
