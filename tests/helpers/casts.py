"""Golden casts of ap_fixed and ac_fixed, and strategies for formats and raw integers."""

import numpy as np
from helpers.paths import GOLDEN
from hypothesis import strategies as st

from rnnhw.design.weights import Parameters
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run
from rnnhw.graph.builder import Formats
from rnnhw.graph.network import NetworkBuilder
from rnnhw.numerics.cast import Events, Overflow, Q, Rounding

CASTS = GOLDEN / "hls4ml" / "casts.npz"


def formats(max_width=64, modes=True):
    """Any format; edges (one bit, negative parts, the widest word) come with the search."""

    def build(width, fraction, signed, rounding, overflow):
        width = min(width, 64 if signed else 63)
        if overflow is Overflow.WRAP_SM and not signed:
            overflow = Overflow.WRAP
        return Q(width - fraction - signed, fraction, signed, rounding, overflow)

    return st.builds(
        build,
        st.integers(1, max_width),
        st.integers(-70, 70),
        st.booleans(),
        st.sampled_from(list(Rounding)) if modes else st.just(Rounding.RND),
        st.sampled_from(list(Overflow)) if modes else st.just(Overflow.SAT),
    )


EDGES = [-(2**63), -(2**63) + 1, -(2**62), -3, -2, -1, 0, 1, 2, 3, 2**62, 2**63 - 2, 2**63 - 1]
raws = st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300))


def golden_casts(path=CASTS):
    """(key, source format, destination format, destination raw for every source raw)."""
    with np.load(path) as vectors:
        for key in vectors.files:
            library, route, rounding, overflow = key.split("|")
            source, target = (parse(part) for part in route.split(">"))
            to = Q.ap_fixed(
                target[0],
                target[1],
                Rounding(rounding.removeprefix("AC_").removeprefix("AP_")),
                Overflow(overflow.removeprefix("AC_").removeprefix("AP_")),
                signed=target[2],
            )
            expected = vectors[key]
            if library == "ac" and not target[2]:
                expected = expected & to.max
            yield key, Q.ap_fixed(source[0], source[1], signed=source[2]), to, expected


def parse(text):
    """``s10.6`` is signed, 10 bits wide, 6 of them integer bits."""
    width, integer = (int(part) for part in text[1:].split("."))
    return width, integer, not text.startswith("u")


def compiled_cast(raw, source, to, isa, wide):
    """Cast raw integers of ``source`` in a layer that does nothing else.

    ``wide`` adds a 40-bit signal, so that the layer's elements have 64 bits.
    """

    def step(g, x):
        if wide:
            zero = g.literal("wide", [0] * x.units, 0)
            g.update(g.state(x.units, "cell"), g.cast(zero, "cell"))
        return g.cast(x, "output")

    net = NetworkBuilder(1, source, Formats(output=to, cell=Q(39, 0)), {}, None)
    net.scan("c", [net.source], step, Formats())
    network = net.build()
    batch = make_batch(network, np.reshape(raw, (-1, 1, 1)), raw=True)
    result = run(network, Parameters({}, {}, {}), batch, isa=isa)
    return result.outputs.ravel(), result.events.get("c.output", Events())
