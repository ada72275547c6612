"""hls4ml's networks: equal to what its compiled C++ gave, and to its rules written out anew."""

import json
import math
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.casts import golden_casts
from helpers.graphs import ISAS, edge_first
from helpers.paths import GOLDEN

from rnnhw.conversion import hls4ml
from rnnhw.errors import DesignError
from rnnhw.execution import golden
from rnnhw.execution.engine import run
from rnnhw.numerics.cast import Overflow, Q, Rounding, cast_array

FOLDER = Path(os.environ.get("RNNHW_GOLDEN_HLS4ML", GOLDEN / "hls4ml"))
CASTS = FOLDER / "casts.npz"
NETWORKS = sorted(path for path in FOLDER.glob("*.npz") if path != CASTS)
GOLDEN_TERMS = 700_000
"""Products that the golden run of one file may take."""


def load(path):
    with np.load(path, allow_pickle=False) as arrays:
        model = dict(arrays)
    return json.loads(str(model.pop("meta"))), model


# --- what hls4ml computed ----------------------------------------------------------------------
def test_the_vectors_are_there():
    assert CASTS.exists()
    assert len(NETWORKS) >= 5


@pytest.mark.parametrize("lanes", [16, 1])
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_every_output_of_the_engine_is_hls4mls(path, isa, lanes):
    meta, arrays = load(path)
    found = hls4ml.network(meta, arrays).run(arrays["x_int"], isa=isa, lanes=lanes)
    np.testing.assert_array_equal(found, arrays["y_int"])


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_golden_gives_hls4mls_outputs(path):
    """On as many sequences (then steps) as take a few seconds, one at least; the engine, which
    gave all of hls4ml's, tells what shortened sequences end with."""
    meta, arrays = load(path)
    imported = hls4ml.network(meta, arrays)
    x = arrays["x_int"]
    step = sum(tensor.shape[0] * tensor.shape[-1] for tensor in imported.network.tensors)
    count = max(GOLDEN_TERMS // (step * (1 if imported.rows else x.shape[1])), 1)
    x, y = x[:count], arrays["y_int"][:count]
    if not imported.rows and step * x.shape[1] > GOLDEN_TERMS:
        x = x[:, : max(GOLDEN_TERMS // step, 1)]
        y = imported.run(x)
    batch = imported.batch(x)
    exact = golden.run(imported.network, imported.parameters, batch)
    np.testing.assert_array_equal(imported.outputs(exact), y)


def test_casts_are_hls4mls():
    seen = 0
    for key, source, to, expected in golden_casts(CASTS):
        raws = np.arange(source.min, source.max + 1)
        np.testing.assert_array_equal(cast_array(raws, source.fraction, to)[0], expected, key)
        seen += 1
    assert seen >= 100


# --- its rules, written out in exact fractions -------------------------------------------------
@dataclass(frozen=True)
class Type:
    """A C++ type: ``ap_fixed<width, integer, rounding, overflow>``."""

    width: int
    integer: int
    rounding: str = "TRN"
    overflow: str = "WRAP"

    def text(self, library="ap"):
        end = "true," if library == "ac" else ""
        modes = f"{library.upper()}_{self.rounding},{library.upper()}_{self.overflow}"
        return f"{library}_fixed<{self.width},{self.integer},{end}{modes}>"

    @property
    def one(self):
        return Fraction(2) ** (self.width - self.integer)

    def __call__(self, value):
        """``value`` assigned to a variable of this type."""
        scaled = Fraction(value) * self.one
        floor, half = math.floor(scaled), Fraction(1, 2)
        rest = scaled - floor
        up = {
            "TRN": False,
            "TRN_ZERO": scaled < 0 and rest > 0,
            "RND": rest >= half,
            "RND_MIN_INF": rest > half,
            "RND_ZERO": rest > half or (rest == half and scaled < 0),
            "RND_INF": rest > half or (rest == half and scaled > 0),
            "RND_CONV": rest > half or (rest == half and floor % 2 == 1),
            "RND_CONV_ODD": rest > half or (rest == half and floor % 2 == 0),
        }[self.rounding]
        return self._fit(floor + up, floor) / self.one

    def _fit(self, raw, unrounded):
        bound = 1 << (self.width - 1)
        least = -bound + (self.overflow == "SAT_SYM")
        if least <= raw < bound:
            return Fraction(raw)
        if self.overflow in ("SAT", "SAT_SYM"):
            return Fraction(max(min(raw, bound - 1), least))
        if self.overflow == "SAT_ZERO":
            return Fraction(0)
        low = (raw + bound) % (2 * bound) - bound
        deleted = unrounded >> self.width & 1
        if self.overflow == "WRAP_SM" and deleted != (low < 0):
            low = (~low & (bound - 1)) - bound * deleted
        return Fraction(low)


def float_sigmoid(x):
    small = np.float32(math.exp(-x))
    return np.float32(1.0 / float(np.float32(1) + small))


def vitis(function, size, entry, result):
    """The activation of one number."""
    reach, scalar = {"sigmoid": (8, float_sigmoid), "tanh": (4, math.tanh)}[function]
    table = []
    for i in range(size):
        table.append(entry(Fraction(float(scalar(2 * reach * (i - size / 2) / size)))))

    def activation(value):
        index = math.trunc(value * size / (2 * reach)) + size // 2
        return result(table[min(max(index, 0), size - 1)])

    return activation


def quartus(function, size, entry, given, result):
    reach, scalar = {
        "sigmoid": (8, lambda x: 1 / (1 + math.exp(-x))),
        "tanh": (4, math.tanh),
    }[function]
    table = [entry(Fraction(scalar(i * reach / size + reach / (2 * size)))) for i in range(size)]

    def activation(value):
        magnitude = given(-value) if value < 0 else value
        index = math.floor(magnitude * (size // reach))
        found = result(table[min(max(index, 0), size - 1)])
        if value >= 0:
            return found
        return result(-found) if function == "tanh" else result(1 - found)

    return activation


def dense(x, weights, bias, accum):
    """``weights[i][j]`` from input i to output j."""
    sums = [accum(b) for b in bias]
    for i, given in enumerate(x):
        for j in range(len(sums)):
            sums[j] = accum(sums[j] + accum(given * weights[i][j]))
    return sums


def lstm(x, states, w, t, sigmoid, tanh, _):
    h, c = states
    a = dense(x, w["W"], w["b"], t["accum"])
    r = dense(h, w["U"], w["bu"], t["accum"])
    z = [t["accum"](p + q) for p, q in zip(a, r, strict=True)]
    n = len(h)
    i, f, o = (list(map(sigmoid, z[k * n : (k + 1) * n])) for k in (0, 1, 3))
    g = list(map(tanh, z[2 * n : 3 * n]))
    c = [t["result"](g[k] * i[k] + c[k] * f[k]) for k in range(n)]
    return [t["result"](o[k] * tanh(c[k])) for k in range(n)], c


def gru(x, states, w, t, sigmoid, tanh, torch):
    h, _ = states
    n = len(h)
    a = dense(x, w["W"], w["b"], t["accum"])
    s = dense(h, w["U"], w["bu"], t["accum"])
    first, second = (
        [sigmoid(t["accum"](a[k] + s[k])) for k in range(part * n, part * n + n)] for part in (0, 1)
    )
    r, z = (first, second) if torch else (second, first)
    kept = [t["accum"](r[k] * s[2 * n + k]) for k in range(n)]
    g = [tanh(t["accum"](a[2 * n + k] + kept[k])) for k in range(n)]
    return [t["result"](g[k] * (1 - z[k]) + h[k] * z[k]) for k in range(n)], None


def simple(x, states, w, t, _sigmoid, tanh, _):
    h, _ = states
    sums = []
    for k in range(len(h)):
        wx = uh = Fraction(0)
        for value, weight in zip(x, w["W"][k], strict=True):
            wx = t["accum"](wx + value * weight)
        for value, weight in zip(h, w["U"][k], strict=True):
            uh = t["accum"](uh + value * weight)
        wx = t["accum"](wx + w["b"][k])
        if "bu" in w:
            uh = t["accum"](uh + w["bu"][k])
        sums.append(tanh(t["accum"](wx + uh)))
    return sums, None


CELLS = {"LSTM": (4, lstm), "GRU": (3, gru), "SimpleRNN": (1, simple)}
NAMES = {
    "input": "input_t",
    "accum": "rnn_accum_t",
    "result": "result_t",
    "weight": "rnn_weight_t",
    "recurrent_weight": "rnn_recurrent_weight_t",
    "bias": "rnn_bias_t",
    "recurrent_bias": "rnn_recurrent_bias_t",
    "table": "rnn_table_t",
}
ROUNDINGS = [mode.value for mode in Rounding if mode is not Rounding.RND_CONV_ODD]
OVERFLOWS = [mode.value for mode in Overflow]


def draw_type(rng, width, integer):
    width = int(rng.integers(*width))
    return Type(width, int(rng.integers(*integer)), rng.choice(ROUNDINGS), rng.choice(OVERFLOWS))


def draw_types(rng):
    types = {name: draw_type(rng, (6, 17), (1, 5)) for name in NAMES}
    types["accum"] = draw_type(rng, (7, 22), (2, 8))
    types["table"] = draw_type(rng, (8, 19), (1, 9))
    return types


def raw_values(rng, shape, type_):
    low = -(1 << (type_.width - 1)) + (type_.overflow == "SAT_SYM")
    return edge_first(rng, shape, low, (1 << (type_.width - 1)) - 1)


def real(raw, type_):
    """Nested lists of exact values."""
    return [real(row, type_) if np.ndim(row) else Fraction(int(row)) / type_.one for row in raw]


@pytest.mark.parametrize("seed", range(24))
def test_recurrent_networks_follow_the_rules(seed):
    rng = np.random.default_rng(seed)
    kind = ["LSTM", "GRU", "GRU", "SimpleRNN"][seed % 4]
    torch, every_step = seed % 4 == 1, seed % 8 < 4
    gates, step = CELLS[kind]
    inputs, units, steps, batch = 3, int(rng.integers(1, 5)), 4, 3
    t = draw_types(rng)
    size = int(rng.choice([64, 512, 1024, 2048]))
    library = "ap"
    if kind == "SimpleRNN":
        library, t["result"] = "ac", t["input"]
    shapes = {"W": (inputs, gates * units), "U": (units, gates * units)}
    if kind == "SimpleRNN":
        shapes = {"W": (units, inputs), "U": (units, units)}
    shapes |= {"b": (gates * units,), "bu": (gates * units,)}
    roles = dict(zip(shapes, ("weight", "recurrent_weight", "bias", "recurrent_bias"), strict=True))
    if kind == "SimpleRNN" and seed % 8 == 3:
        del shapes["bu"]
    raw = {key: raw_values(rng, shape, t[roles[key]]) for key, shape in shapes.items()}
    w = {key: real(value, t[roles[key]]) for key, value in raw.items()}
    if kind == "SimpleRNN":
        tanh = quartus("tanh", size, t["table"], t["accum"], t["input"])
        sigmoid = None
    else:
        sigmoid, tanh = (vitis(f, size, t["table"], t["accum"]) for f in ("sigmoid", "tanh"))
    x = raw_values(rng, (batch, steps, inputs), t["input"])
    expected = np.zeros((batch, steps, units), np.int64)
    for b in range(batch):
        h, c = [Fraction(0)] * units, [Fraction(0)] * units
        for s in range(steps):
            h, c = step(real(x[b, s], t["input"]), (h, c), w, t, sigmoid, tanh, torch)
            expected[b, s] = [int(value * t["result"].one) for value in h]
    meta = {
        "kind": kind,
        "backend": "Quartus" if kind == "SimpleRNN" else "Vitis",
        "types": {NAMES[name]: type_.text(library) for name, type_ in t.items()},
        "table_size": size,
        "gate_order": {
            "LSTM": "i,f,c,o",
            "GRU": "r,z,n (pytorch_order=true)" if torch else "z,r,h (reset_after)",
            "SimpleRNN": "-",
        }[kind],
        "return_sequences": every_step,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
    }
    imported = hls4ml.network(meta, {f"{key}_int": value for key, value in raw.items()})
    if not every_step:
        expected = expected[:, -1]
    for isa in ISAS:
        for lanes in (16, 1):
            np.testing.assert_array_equal(imported.run(x, isa=isa, lanes=lanes), expected)
    made = golden.run(imported.network, imported.parameters, imported.batch(x))
    np.testing.assert_array_equal(imported.outputs(made), expected)


@pytest.mark.parametrize("seed", range(12))
def test_feed_forward_networks_follow_the_rules(seed):
    rng = np.random.default_rng(100 + seed)
    given = draw_type(rng, (6, 17), (1, 5))
    x = raw_values(rng, (9, 3), given)
    values, layers, arrays = real(x, given), [], {}
    for position, op in enumerate(["dense", "tanh", "dense", "relu", "dense", "sigmoid", "linear"]):
        result = draw_type(rng, (6, 20), (1, 8))
        layer = {"op": op, "in_t": given.text(), "out_t": result.text()}
        if op == "dense":
            types = {name: draw_type(rng, (6, 17), (1, 5)) for name in ("weight", "bias")}
            types["accum"] = draw_type(rng, (8, 30), (2, 12))
            layer |= {f"{name}_t": type_.text() for name, type_ in types.items()}
            layer |= {"w": f"w{position}", "b": f"b{position}"}
            units = int(rng.integers(1, 6))
            w = raw_values(rng, (len(values[0]), units), types["weight"])
            b = raw_values(rng, (units,), types["bias"])
            arrays |= {f"w{position}_int": w, f"b{position}_int": b}
            matrix, bias = real(w, types["weight"]), real(b, types["bias"])
            sums = [dense(row, matrix, bias, types["accum"]) for row in values]
            values = [[result(value) for value in row] for row in sums]
        else:
            entry, size = draw_type(rng, (8, 19), (1, 9)), int(rng.choice([512, 1024, 2048]))
            layer |= {"table_t": entry.text(), "table_size": size}
            if op in ("tanh", "sigmoid"):
                function = vitis(op, size, entry, result)
            else:
                lowest = 0 if op == "relu" else -math.inf
                function = lambda value: result(max(value, lowest))  # noqa: B023, E731
            values = [[function(value) for value in row] for row in values]
        layers.append(layer)
        given = result
    expected = [[int(value * given.one) for value in row] for row in values]
    meta = {"kind": "MLP", "backend": "Vivado", "layers": layers}
    imported = hls4ml.network(meta, arrays)
    for lanes in (16, 1):
        np.testing.assert_array_equal(imported.run(x, lanes=lanes), expected)
    made = golden.run(imported.network, imported.parameters, imported.batch(x))
    np.testing.assert_array_equal(imported.outputs(made), expected)


def test_a_table_of_vitis_at_every_address_and_its_neighbours():
    """Around zero the bin is twice as wide; the ends repeat the first and last entry."""
    entry, result, given = Type(18, 8), Type(16, 6), Type(16, 6)
    x = np.arange(-(1 << 15), 1 << 15)[:, None]
    for function in ("sigmoid", "tanh"):
        layer = {"op": function, "table_size": 1024, "table_t": entry.text()}
        layer |= {"in_t": given.text(), "out_t": result.text()}
        identity = {"op": "dense", "w": "w", "b": "b", "weight_t": "ap_fixed<2,2>"}
        identity |= {"bias_t": "ap_fixed<2,2>", "accum_t": given.text()}
        identity |= {"in_t": given.text(), "out_t": given.text()}
        meta = {"kind": "MLP", "backend": "Vitis", "layers": [identity, layer]}
        arrays = {"w_int": np.array([[1]]), "b_int": np.array([0])}
        found = hls4ml.network(meta, arrays).run(x)
        expected = vitis(function, 1024, entry, result)
        chosen = slice(None, None, 7)
        assert found[chosen, 0].tolist() == [
            int(expected(Fraction(int(raw), 1024)) * 1024) for raw in x[chosen, 0]
        ]
        assert len(np.unique(found)) > 100


# --- types -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("ap_fixed<16,6>", Q.ap_fixed(16, 6)),
        ("ap_fixed<24, 8, AP_RND, AP_SAT, 0>", Q.ap_fixed(24, 8, Rounding.RND, Overflow.SAT)),
        ("ap_ufixed<8,0,AP_RND_CONV>", Q.ap_fixed(8, 0, Rounding.RND_CONV, signed=False)),
        ("ac_fixed<16,6,true>", Q.ap_fixed(16, 6)),
        (
            "ac_fixed<9,3,false,AC_RND_CONV_ODD,AC_SAT_ZERO>",
            Q.ap_fixed(9, 3, Rounding.RND_CONV_ODD, Overflow.SAT_ZERO, signed=False),
        ),
        ("ap_uint<4>", Q.ap_fixed(4, 4, signed=False)),
        ("ac_int<4,true>", Q.ap_fixed(4, 4)),
    ],
)
def test_types_of_cpp(text, format):
    assert hls4ml.parse_type(text) == format


@pytest.mark.parametrize(
    "text",
    [
        "float",
        "ap_fixed<16>",
        "ap_fixed<16,6,AP_RND,AP_SAT,2>",
        "ac_fixed<16,6>",
        "ap_fixed<16,6,AP_ROUND>",
        "ap_fixed<a,b>",
        "ac_fixed<16,6,maybe>",
    ],
)
def test_other_types_are_refused(text):
    with pytest.raises(DesignError, match="hls4ml"):
        hls4ml.parse_type(text)


# --- what is not known -------------------------------------------------------------------------
def small(**changes):
    types = dict.fromkeys(NAMES.values(), "ap_fixed<16,6>")
    meta = {"kind": "LSTM", "backend": "Vitis", "types": types, "table_size": 1024}
    meta |= {"gate_order": "i,f,c,o", "activation": "tanh", "recurrent_activation": "sigmoid"}
    shapes = {"W_int": (3, 8), "U_int": (2, 8), "b_int": (8,), "bu_int": (8,)}
    arrays = {key: np.ones(shape, int) for key, shape in shapes.items()}
    return meta | changes.pop("meta", {}), arrays | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meta": {"kind": "Conv1D"}}, "Vitis Conv1D is unknown"),
        ({"meta": {"backend": "Quartus"}}, "Quartus LSTM is unknown"),
        ({"meta": {"backend": "Catapult"}}, "Catapult LSTM is unknown"),
        ({"meta": {"strategy": "Resource"}}, "strategy Resource is unknown"),
        ({"meta": {"gate_order": "i,c,f,o"}}, "gate order 'i,c,f,o'"),
        ({"meta": {"kind": "GRU"}}, "gate order 'i,f,c,o'"),
        ({"meta": {"activation": "softsign"}}, "activation 'softsign' is unknown"),
        ({"meta": {"table_size": 1000}}, "a table of 1000 entries"),
        ({"meta": {"types": {}}}, "0 accumulator types"),
        ({"meta": {"types": {"rnn_accum_t": "ap_fixed<16,6>"}}}, "no type table_t"),
        ({"W_int": np.ones((3, 9), int)}, "rnn.W has shape"),
        ({"U_int": np.ones((3, 8), int)}, "are no LSTM"),
        ({"W_int": np.full((3, 8), 1 << 15)}, "integers outside"),
        ({"W_int": np.ones((3, 8))}, "not raw integers"),
    ],
)
def test_what_is_not_known_is_refused(changes, message):
    meta, arrays = small(**changes)
    with pytest.raises(DesignError, match=message):
        hls4ml.network(meta, arrays)


def test_missing_arrays_are_named():
    meta, arrays = small()
    del arrays["b_int"]
    with pytest.raises(DesignError, match="no array b_int"):
        hls4ml.network(meta, arrays)


def test_a_model_without_recurrent_bias_has_zeros_there():
    meta, arrays = small(bu_int=np.zeros(8, int))
    x = np.arange(12).reshape(2, 2, 3) * 100
    expected = hls4ml.network(meta, arrays).run(x)
    del arrays["bu_int"]
    np.testing.assert_array_equal(hls4ml.network(meta, arrays).run(x), expected)


def test_layers_that_do_not_meet_are_refused():
    tanh = {"op": "tanh", "in_t": "ap_fixed<16,6>", "out_t": "ap_fixed<16,6>", "table_size": 1024}
    dense_layer = {"op": "dense", "w": "w", "b": "b", "in_t": "ap_fixed<16,6>"}
    dense_layer |= dict.fromkeys(("out_t", "weight_t", "bias_t", "accum_t"), "ap_fixed<16,7>")
    meta = {"kind": "MLP", "backend": "Vitis", "layers": [dense_layer, tanh]}
    arrays = {"w_int": np.ones((2, 3), int), "b_int": np.ones(3, int)}
    with pytest.raises(DesignError, match="layer 1 reads"):
        hls4ml.network(meta, arrays)


def test_an_inputs_word_is_checked():
    meta, arrays = small()
    with pytest.raises(DesignError, match="raw integers outside"):
        hls4ml.network(meta, arrays).run(np.full((1, 2, 3), 1 << 15))


def test_events_of_a_network_are_counted():
    meta, arrays = small(W_int=np.full((3, 8), 20000))
    imported = hls4ml.network(meta, arrays)
    batch = imported.batch(np.full((1, 3, 3), 20000))
    expected = golden.run(imported.network, imported.parameters, batch)
    found = run(imported.network, imported.parameters, batch)
    assert found.events == expected.events
    assert found.events["rnn.Wx.product"].wraps == 3 * 3 * 8
