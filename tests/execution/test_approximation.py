"""A sub-graph that stands for a real function: the float reference takes the function, the
integers the sub-graph, and every source of error together is the integers again."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from rnnhw import Design, DesignError, Elman, Formats, Linear, Q
from rnnhw.design.tasks import Samples
from rnnhw.execution.reference import SOURCES, run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import verify
from rnnhw.graph.builder import FormatScope, StepBuilder


@dataclass(frozen=True)
class SoftSign:
    """``z / (1 + |z|)`` on -2..2 as a cubic in integers: no table, no divider."""

    def apply(self, g, z, role, name=""):
        low = g.clamp(z, -2, 2, f"{name or role}.low")
        size = g.select(low, low, g.subtract(g.literal("zero", [0] * z.units), low), "size")
        square = g.cast(g.multiply(low, size), name="square", format=Q(2, 6))
        # 0.86 z - 0.27 z |z|, raw numbers of 1/64.
        first = g.multiply(low, g.literal("first", [55] * z.units, 6))
        second = g.multiply(square, g.literal("second", [17] * z.units, 6))
        value = g.cast(g.subtract(first, second), role, name)
        return g.approximates(lambda x: np.clip(x, -2, 2) / (1 + np.abs(np.clip(x, -2, 2))), z,
                              value)  # fmt: skip


FORMATS = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(3, 6), state=Q(0, 7))
RNG = np.random.default_rng(3)
X, LENGTHS = RNG.uniform(-1, 1, (5, 6, 2)), np.array([6, 3, 1, 6, 4])
SHAPES = {"r.W": (3, 2), "r.U": (3, 3), "r.b": (3,), "h.W": (2, 3), "h.b": (2,)}
WEIGHTS = {key: RNG.uniform(-1, 1, shape) for key, shape in SHAPES.items()}
DESIGN = Design(
    [Elman(3, activation=SoftSign(), name="r"), Linear(2, name="h")], FORMATS, WEIGHTS, inputs=2
)


def exact(x):
    outputs = []
    h = np.zeros(3)
    for step in x:
        z = np.clip(WEIGHTS["r.W"] @ step + WEIGHTS["r.U"] @ h + WEIGHTS["r.b"], -2, 2)
        h = z / (1 + np.abs(z))
        outputs.append(WEIGHTS["h.W"] @ h + WEIGHTS["h.b"])
    return np.array(outputs)


def test_the_reference_takes_the_function():
    found = run_reference(DESIGN.network, DESIGN.parameters, X, LENGTHS)
    for outputs, x, length in zip(found.outputs, X, LENGTHS, strict=True):
        np.testing.assert_allclose(outputs[:length], exact(x[:length]), rtol=0, atol=1e-12)


def test_all_sources_together_are_the_integers():
    fixed = simulate(DESIGN, samples=Samples(X, LENGTHS)).outputs
    found = run_reference(DESIGN.network, DESIGN.parameters, X, LENGTHS, (), SOURCES)
    np.testing.assert_array_equal(found.outputs, fixed)


def test_verify_judges_the_result_and_not_the_way_to_it():
    result = verify(DESIGN, samples=Samples(X, LENGTHS), maximum={"r.state.max_error": 0.2})
    assert result.passed
    assert [signal.name for signal in result.signals] == ["r.sum", "r.state"]
    sources = {each.source: each.output.max_error for each in result.sources}
    assert sources["tables"] > 2 * sources["state"] > 0
    tight = verify(DESIGN, samples=Samples(X, LENGTHS), maximum={"r.state.max_error": 1e-3})
    assert not tight.passed


def scope(**overrides):
    given = {f"l.{name}": format for name, format in overrides.items()}
    return StepBuilder(FormatScope("l", given, (Formats(),)))


def test_a_cast_takes_its_format_where_it_stands():
    g = scope()
    x = g.input(2, Q(3, 4))
    assert g.cast(x, format=Q(1, 2)).format == Q(1, 2)
    assert g.cast(x, format=Q(1, 1)).name == "cast1"
    named = g.cast(x, "gate", "g1", format=Q(2, 2))
    assert (named.name, named.role, named.format) == ("g1", "gate", Q(2, 2))
    assert scope(c=Q(0, 3)).format("x", "c") == Q(0, 3)
    g = scope(c=Q(0, 3))
    assert g.cast(g.input(1, Q(3, 4)), name="c", format=Q(1, 2)).format == Q(0, 3)


def test_what_cannot_stand_for_a_function_is_refused():
    g = scope()
    x, two = g.input(1, Q(3, 4)), g.input(2, Q(3, 4))
    value = g.cast(x, name="v", format=Q(1, 2))
    later = g.cast(x, name="w", format=Q(1, 2))
    with pytest.raises(DesignError, match=r"l\.v: 1 units stand for a function of 2"):
        g.approximates(np.tanh, two, value)
    with pytest.raises(DesignError, match=r"l\.v is written before its argument w"):
        g.approximates(np.tanh, later, value)
    g.approximates(np.tanh, x, value)
    with pytest.raises(DesignError, match=r"l\.v stands for two functions"):
        g.approximates(np.tanh, x, value)


def test_a_function_that_leaves_float64_is_told_by_its_signal():
    @dataclass(frozen=True)
    class Endless:
        def apply(self, g, z, role, name=""):
            return g.approximates(lambda x: x / 0.0, z, g.cast(z, role, name))

    layers = [replace(DESIGN.layers[0], activation=Endless()), DESIGN.layers[1]]
    design = replace(DESIGN, layers=layers)
    with np.errstate(divide="ignore"), pytest.raises(DesignError, match=r"reference of r\.state"):
        run_reference(design.network, design.parameters, X, LENGTHS)
