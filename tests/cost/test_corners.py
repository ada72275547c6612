"""Designs at the edge of what there is: each gives a report, or an error that names the value."""

from types import SimpleNamespace

import pytest

from rnnhw import (
    LSTM,
    Design,
    DesignError,
    Elman,
    Formats,
    Max,
    Mean,
    Q,
    Target,
    UsageError,
    Window,
)
from rnnhw.cost.estimation import estimate
from rnnhw.cost.fpga import flip_flops
from rnnhw.cost.fpga.context import LowBits
from rnnhw.cost.fpga.technology import technology_of
from rnnhw.numerics.tables import SIGMOID, TANH, Table
from rnnhw.profiles import load_profile, profile_names
from rnnhw.report import to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.rtl.netlist import Instance, Net

FORMATS = Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), state=Q(0, 7), cell=Q(3, 4))


def shown(design, profile):
    """The report in every format."""
    report = estimate(design, profile)
    assert all(render(report) for render in (to_text, to_json, to_csv, to_markdown, to_html))
    return report


# --- products of several blocks ------------------------------------------------------------------
REGISTERS = [
    (17, 8, 18), (8, 17, 18), (17, 17, 52), (18, 17, 38), (20, 18, 28), (24, 17, 50), (32, 17, 66),
    (33, 8, 18), (33, 17, 84), (33, 33, 116), (18, 4, 12), (24, 24, 32), (20, 33, 58),
    (32, 32, 48), (12, 40, 0), (16, 32, 0),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "measured"), REGISTERS)
def test_flip_flops_of_a_wide_product_are_those_of_yosys(a, b, measured):
    """rnnhw_multiply by ``synth_ice40 -dsp`` of yosys 0.23."""
    widths = {"A_WIDTH": a, "B_WIDTH": b, "WIDTH": a + b}
    product = Instance("rnnhw_multiply", widths, {port: Net(port) for port in "aby"})
    context = SimpleNamespace(
        mapping=technology_of(load_profile("ice40up5k")),
        zeros={},
        low=LowBits({}, {}),
        lowest=lambda net: 0,
        gaps=lambda net, below: 0,
        high=lambda net, width: width,
    )
    assert flip_flops._multiply(product, context) == measured


@pytest.mark.parametrize("gate", [15, 16, 17, 20])
@pytest.mark.parametrize("state", [7, 16])
def test_products_of_17_bits_and_more_have_a_report(gate, state):
    formats = Formats(
        input=Q(0, 7), weight=Q(0, 7), sum=Q(3, 4), gate=Q(0, gate), state=Q(0, state), cell=Q(3, 4)
    )
    design = Design([LSTM(2, name="l")], formats, inputs=2, max_steps=9)
    assert isinstance(shown(design, "ice40up5k").totals.flip_flops.value, int)


# --- nothing to compute, nothing to store --------------------------------------------------------
@pytest.mark.parametrize("profile", profile_names())
def test_a_window_alone_is_a_report_or_an_error(profile):
    design = Design([Window(2)], FORMATS, inputs=2, max_steps=9)
    try:
        report = shown(design, profile)
    except DesignError as error:
        assert "\n" not in error.message
    else:
        assert report.target.kind == "microcontroller" and report.totals.macs_per_step.value == 0
        assert report.totals.cycles_per_step.value is None
        for point in report.operating_points:
            assert point.steps_per_second.value is None
            assert point.step_latency_us.value is None


@pytest.mark.parametrize("address", [Q(3, 4), Q(-9, 17)])
@pytest.mark.parametrize("function", [TANH, SIGMOID])
def test_a_table_of_zeros_has_words_of_a_bit(function, address):
    for format in (Q(0, 0), Q(1, 0, signed=False)):
        table = Table.sample(function, address, format)
        assert table.word_bits(table.unsigned) >= 1


@pytest.mark.parametrize(
    "profile", ["ice40up5k", "ecp5-25", "artix-7-35t", "asic-45nm", "cortex-m4"]
)
def test_a_design_with_a_table_of_zeros_has_a_report(profile):
    formats = Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(-8, 15), state=Q(0, 0))
    shown(Design([Elman(3)], formats, inputs=2, max_steps=9), profile)


# --- values that cannot be -----------------------------------------------------------------------
WRONG = [
    ({"lanes": 2.5}, "lanes=2.5 of the target"),
    ({"lanes": 0}, "lanes=0 of the target"),
    ({"lanes": True}, "lanes=True of the target"),
    ({"lanes": {"rnn": 1.5}}, "lanes=1.5 of the target"),
    ({"lanes": {"rnn": "auto"}}, "lanes='auto' of the target"),
    ({"lanes": "many"}, "lanes='many' of the target"),
    ({"clock_mhz": -3}, "clock_mhz=-3 of the target"),
    ({"clock_mhz": float("nan")}, "clock_mhz=nan of the target"),
    ({"clock_mhz": "fast"}, "clock_mhz='fast' of the target"),
    ({"profile": 5}, "profile=5 of the target"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_a_target_that_cannot_be_is_refused_where_it_is_written(arguments, message):
    with pytest.raises(DesignError) as caught:
        Target(**{"profile": "ecp5-25", **arguments})
    assert caught.value.message == message and caught.value.exit_code == 3


def test_a_profile_that_is_not_there_is_the_fault_of_who_names_it():
    design = Design([Elman(2)], FORMATS, inputs=2, max_steps=9, target=Target("ice40"))
    with pytest.raises(DesignError, match="design: target: unknown profile 'ice40'") as caught:
        estimate(design)
    assert caught.value.exit_code == 3
    with pytest.raises(Exception, match="unknown profile 'ice41'") as caught:
        estimate(design, "ice41")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"lanes=2\.5"):
        estimate(design, "ecp5-25", lanes=2.5)


def test_a_sequence_has_an_end():
    for steps in (10**30, (1 << 31) + 1):
        with pytest.raises(DesignError, match=r"max_steps=\d.*"):
            Design([Elman(2)], FORMATS, inputs=2, max_steps=steps)
    with pytest.raises(DesignError, match="steps_per_second=inf"):
        Design([Elman(2)], FORMATS, inputs=2, max_steps=9, steps_per_second=float("inf"))


@pytest.mark.parametrize("engines", ["per-layer", "shared"])
@pytest.mark.parametrize("profile", ["ice40up5k", "ecp5-25", "artix-7-35t"])
def test_lanes_are_chosen_where_no_layer_has_any(profile, engines):
    design = Design(
        [Mean()], FORMATS, inputs=3, max_steps=7, steps_per_second=1,
        target=Target(profile, lanes="auto", engines=engines, clock_mhz=20),
    )  # fmt: skip
    shown(design, profile)


def test_nothing_is_drawn_of_cycles_that_are_not_known():
    """No operation of a largest value over time has a figure on this core."""
    design = Design(layers=[Max()], formats=FORMATS, inputs=1, max_steps=2)
    report = shown(design, "atmega328p")
    assert report.totals.cycles_per_step.value is None
    assert report.timeline == ()
    assert [layer.cycles_basis for layer in report.layers] == ["not known"]
    assert "Timeline" not in to_html(report)
