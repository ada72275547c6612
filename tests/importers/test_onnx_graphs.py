"""Graphs around recurrent layers as exporters write them, cuts, and files that are refused."""

import os
import re
import zlib

import numpy as np
import pytest
from helpers import onnx_oracle
from helpers.imported import float_run, imported

from rnnhw import DesignError, UsageError, import_network, load

onnx = pytest.importorskip("onnx", reason="ONNX files are made with the package onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

B, T, N, H = 2, 5, 4, 6
F, INT = TensorProto.FLOAT, TensorProto.INT64


class Graph:
    """A model written node by node; weights are drawn once, by name."""

    def __init__(self, shape=(B, T, N), dynamic=False):
        self.nodes, self.stored = [], {}
        self.inputs = {"x": ["B", "T", shape[2]] if dynamic else list(shape)}

    def weights(self, name, *shape, scale=0.5):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        return self.store(name, (rng.normal(size=shape) * scale).astype(np.float32))

    def store(self, name, value):
        self.stored[name] = np.asarray(value)
        return name

    def ints(self, *values):
        array = np.array(values, np.int64)
        return self.store(f"i{'_'.join(map(str, values))}".replace("-", "m"), array)

    def put(self, kind, inputs, outputs=None, name="", **attributes):
        outputs = outputs or [f"v{len(self.nodes)}"]
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, **attributes))
        return outputs[0] if len(outputs) == 1 else outputs

    def layer(self, kind, x, name="rnn", ways=1, inputs=N, states=(), **attributes):
        gates = onnx_oracle.GATES[kind]
        names = [
            self.weights(f"{name}.W", ways, gates * H, inputs),
            self.weights(f"{name}.R", ways, gates * H, H),
            self.weights(f"{name}.B", ways, 2 * gates * H),
        ]
        if ways == 2:
            attributes["direction"] = "bidirectional"
        outs = [f"{name}.Y", f"{name}.Yh"] + ([f"{name}.Yc"] if kind == "LSTM" else [])
        more = ["", *states] if states else []
        return self.put(
            kind, [x, *names, *more], outs, f"/{name}/{kind}", hidden_size=H, **attributes
        )

    def oracle(self, kind, x, name="rnn", **attributes):
        """Y [T, D, B, H], Y_h [D, B, H] of a layer on ``x`` [T, B, N] in float64."""
        w, r, b = (self.stored[f"{name}.{k}"].astype(np.float64) for k in "WRB")
        if len(w) == 2:
            attributes["direction"] = "bidirectional"
        return onnx_oracle.run(kind, attributes, x, w, r, b)

    def model(self, *outputs, opset=20):
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info(k, F, v) for k, v in self.inputs.items()],
            [helper.make_tensor_value_info(name, F, None) for name in outputs],
            [numpy_helper.from_array(value, key) for key, value in self.stored.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="a test"
        )
        model.ir_version = 9
        return model

    def run(self, folder, *outputs, **options):
        """The importer's result, the design, and its outputs on data drawn once."""
        onnx.save(self.model(*outputs), folder / "net.onnx")
        result, design = imported(folder / "net.onnx", folder, **options)
        return result, float_run(design, data()).outputs


def data():
    return np.random.default_rng(7).normal(size=(B, T, N))


def equal(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


# --- what exporters write around a layer ---------------------------------------------------------
def zero_states_script(g, dynamic):
    """torch.onnx.export(dynamo=False): zeros of the batch's size."""
    shape = g.put("Shape", ["x"])
    batch = g.put("Gather", [shape, g.store("zero", np.array(0, np.int64))], axis=0)
    batch = g.put("Unsqueeze", [batch, g.ints(0)])
    whole = g.put("Concat", [g.ints(1), batch, g.ints(H)], axis=0)
    if dynamic:
        value = numpy_helper.from_array(np.zeros(1, np.float32))
        return g.put("ConstantOfShape", [whole], value=value)
    return g.put("Expand", [g.store("zeros", np.zeros((1, 1, H), np.float32)), whole])


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_batch_first_layer_with_zero_states_and_a_head(kind, dynamic, tmp_path):
    g = Graph(dynamic=dynamic)
    x = g.put("Transpose", ["x"], perm=[1, 0, 2])
    zeros = zero_states_script(g, dynamic)
    y, *_ = g.layer(kind, x, states=[zeros] * (1 + (kind == "LSTM")))
    y = g.put("Squeeze", [y, g.ints(1)])
    y = g.put("Transpose", [y], perm=[1, 0, 2])
    last = g.put("Gather", [y, g.store("m1", np.array(-1, np.int64))], axis=1)
    w, b = g.weights("head.weight", 3, H), g.weights("head.bias", 3)
    g.put("Gemm", [last, w, b], ["out"], transB=1)
    _, found = g.run(tmp_path, "out")
    expected = g.oracle(kind, data().transpose(1, 0, 2))[0][-1, 0]
    equal(found[:, 0], expected @ g.stored[w].astype(float).T + g.stored[b])


def dynamo_joined(g, y, ways):
    """torch.onnx.export(dynamo=True), dynamic: a reshape to sizes that are computed."""
    y = g.put("Transpose", [y], perm=[0, 2, 1, 3])
    shape = g.put("Shape", [y])
    ends = [g.put("Slice", [shape, g.ints(k), g.ints(k + 1), g.ints(0)]) for k in range(4)]
    width = g.put("Mul", [ends[2], ends[3]])
    return g.put("Reshape", [y, g.put("Concat", [ends[0], ends[1], width], axis=0)])


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("ways", [1, 2])
def test_a_stack_with_reshapes_between_its_layers(ways, dynamic, tmp_path):
    g = Graph(dynamic=dynamic)
    y = g.put("Transpose", ["x"], perm=[1, 0, 2])
    for k in range(2):
        y, *_ = g.layer("GRU", y, f"rnn{k}", ways, N if k == 0 else ways * H, linear_before_reset=1)
        if dynamic:
            y = dynamo_joined(g, y, ways)
        else:
            y = g.put("Transpose", [y], perm=[0, 2, 1, 3])
            y = g.put("Reshape", [y, g.ints(0, 0, -1)])
    g.put("Transpose", [y], ["out"], perm=[1, 0, 2])
    result, found = g.run(tmp_path, "out")
    assert [step.layer.name for step in result.network.steps] == ["rnn0", "rnn1"]
    x = data().transpose(1, 0, 2)
    for k in range(2):
        x = g.oracle("GRU", x, f"rnn{k}", linear_before_reset=1)[0]
        x = x.transpose(0, 2, 1, 3).reshape(T, B, -1)
    equal(found, x.transpose(1, 0, 2))


def plain_graph(ways=1, kind="GRU", **attributes):
    g = Graph()
    x = g.put("Transpose", ["x"], perm=[1, 0, 2])
    return g, g.layer(kind, x, ways=ways, **attributes)


@pytest.mark.parametrize("how", ["Gather", "Slice", "Split", "Y_h", "merged"])
def test_the_last_states_of_both_directions(how, tmp_path):
    g, (y, yh) = plain_graph(2)
    if how == "Y_h":  # [D, B, H] -> [B, D * H]
        both = g.put("Reshape", [g.put("Transpose", [yh], perm=[1, 0, 2]), g.ints(0, -1)])
    elif how == "Gather":
        parts = [
            g.put("Gather", [yh, g.store(f"at{k}", np.array(k, np.int64))], axis=0)
            for k in (-2, -1)
        ]
        both = g.put("Concat", parts, axis=1)
    elif how == "Slice":
        ends = [g.put("Slice", [yh, g.ints(k), g.ints(k + 1), g.ints(0)]) for k in range(2)]
        parts = [g.put("Squeeze", [end, g.ints(0)]) for end in ends]
        both = g.put("Concat", parts, axis=-1)
    elif how == "Split":
        ends = g.put("Split", [yh, g.ints(1, 1)], ["s0", "s1"], axis=0)
        parts = [g.put("Squeeze", [end, g.ints(0)]) for end in ends]
        both = g.put("Concat", parts, axis=-1)
    else:  # y[-1, :, :H] and y[0, :, H:] of the joined outputs
        joined = g.put("Reshape", [g.put("Transpose", [y], perm=[0, 2, 1, 3]), g.ints(0, 0, -1)])
        parts = []
        for step, start, stop in ((-1, 0, H), (0, H, 2 * H)):
            half = g.put("Slice", [joined, g.ints(start), g.ints(stop), g.ints(2)])
            at = g.store(f"step{step}", np.array(step, np.int64))
            parts.append(g.put("Gather", [half, at], axis=0))
        both = g.put("Concat", parts, axis=-1)
    w = g.weights("head.weight", 2 * H, 3)
    g.put("MatMul", [both, w], ["out"])
    result, found = g.run(tmp_path, "out")
    assert len(result.network.steps) == 2
    last = g.oracle("GRU", data().transpose(1, 0, 2))[1]
    equal(found[:, 0], np.concatenate([*last], -1) @ g.stored[w].astype(float))


@pytest.mark.parametrize("how", ["ReduceSum", "Add", "ReduceMean"])
def test_the_directions_are_added(how, tmp_path):
    g, (y, _) = plain_graph(2)
    if how == "Add":
        parts = [
            g.put("Gather", [y, g.store(f"at{k}", np.array(k, np.int64))], axis=1) for k in range(2)
        ]
        g.put("Add", parts, ["out"])
    else:
        g.put(how, [y, g.ints(1)], ["out"], keepdims=0)
    _, found = g.run(tmp_path, "out")
    both = g.oracle("GRU", data().transpose(1, 0, 2))[0]
    expected = both.mean(1) if how == "ReduceMean" else both.sum(1)
    equal(found, expected.transpose(1, 0, 2))


def test_a_layer_forward_and_one_on_the_turned_sequence_are_bidirectional(tmp_path):
    g = Graph()
    x = g.put("Transpose", ["x"], perm=[1, 0, 2])
    ahead, _ = g.layer("RNN", x, "ahead")
    turned = g.put("Slice", [x, g.ints(-1), g.ints(-(2**31)), g.ints(0), g.ints(-1)])
    back, _ = g.layer("RNN", turned, "back")
    back = g.put("Squeeze", [back, g.ints(1)])
    back = g.put("Slice", [back, g.ints(-1), g.ints(-(2**31)), g.ints(0), g.ints(-1)])
    g.put("Concat", [g.put("Squeeze", [ahead, g.ints(1)]), back], ["out"], axis=2)
    result, found = g.run(tmp_path, "out")
    assert [type(step.layer).__name__ for step in result.network.steps] == ["Bidirectional"]
    x = data().transpose(1, 0, 2)
    parts = [
        g.oracle("RNN", x, "ahead")[0][:, 0],
        g.oracle("RNN", x, "back", direction="reverse")[0][:, 0],
    ]
    equal(found, np.concatenate(parts, -1).transpose(1, 0, 2))


READ = {
    "mean": ("ReduceMean", lambda y: y.mean(0)),
    "max": ("ReduceMax", lambda y: y.max(0)),
}


@pytest.mark.parametrize("how", READ)
def test_a_mean_and_a_maximum_over_time(how, tmp_path):
    operator, function = READ[how]
    g, (y, _) = plain_graph()
    g.put(operator, [g.put("Squeeze", [y, g.ints(1)]), g.ints(0)], ["out"], keepdims=0)
    result, found = g.run(tmp_path, "out")
    expected = function(g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0])
    equal(found[:, 0], expected)
    assert result.network.max_steps == (T if how == "mean" else None)


def test_a_mean_of_any_length_asks_for_the_longest(tmp_path):
    g = Graph(dynamic=True)
    y, _ = g.layer("GRU", "x", layout=1)
    g.put("ReduceMean", [y, g.ints(1)], ["out"], keepdims=0)
    result, _ = g.run(tmp_path, "out")
    assert any("max_steps=1024 is a guess" in note for note in result.notes)
    result, _ = g.run(tmp_path, "out", max_steps=50)
    assert result.network.max_steps == 50 and not any("max_steps" in n for n in result.notes)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


HEADS = {
    "Relu": ({}, lambda v: np.maximum(v, 0)),
    "Sigmoid": ({}, sigmoid),
    "Tanh": ({}, np.tanh),
    "Softplus": ({}, lambda v: np.log1p(np.exp(v))),
    "Softsign": ({}, lambda v: v / (1 + abs(v))),
    "Elu": ({"alpha": 0.5}, lambda v: np.where(v > 0, v, 0.5 * np.expm1(v))),
    "Selu": (
        {},
        lambda v: (
            1.05070102214813232421875 * np.where(v > 0, v, 1.67326319217681884765625 * np.expm1(v))
        ),
    ),
    "LeakyRelu": ({"alpha": 0.25}, lambda v: np.where(v > 0, v, v / 4)),
    "HardSigmoid": ({"alpha": 1 / 6}, lambda v: np.clip(v / 6 + 0.5, 0, 1)),
    "Neg": ({}, np.negative),
    "Identity": ({}, lambda v: v),
    "Exp": ({}, np.exp),
}


@pytest.mark.parametrize("operator", HEADS)
def test_functions_behind_a_layer(operator, tmp_path):
    attributes, function = HEADS[operator]
    g, (y, _) = plain_graph()
    g.put(operator, [y], ["out"], **attributes)
    _, found = g.run(tmp_path, "out")
    equal(found, function(g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0]).transpose(1, 0, 2))


CLIPS = {(-1, 1): True, (0, None): True, (0, 6): True, (-2, 2): True, (-1, 2): False}


@pytest.mark.parametrize("bounds", CLIPS)
def test_limits_behind_a_layer(bounds, tmp_path):
    g, (y, _) = plain_graph()
    y = g.put("Mul", [y, g.store("five", np.float32(5))])
    names = [
        "" if bound is None else g.store(f"b{k}", np.float32(bound))
        for k, bound in enumerate(bounds)
    ]
    g.put("Clip", [y, *names], ["out"])
    if not CLIPS[bounds]:
        with pytest.raises(DesignError, match=r"\(Clip\): values are limited to -1.0..2.0"):
            g.run(tmp_path, "out")
        return
    _, found = g.run(tmp_path, "out")
    y = 5 * g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0]
    equal(found, np.clip(y, *bounds).transpose(1, 0, 2))


@pytest.mark.parametrize("place", ["behind", "in front", "between", "alone"])
def test_normalisation_and_scales_go_into_the_weights_beside_them(place, tmp_path):
    g = Graph()
    count = N if place == "in front" else 3 if place == "between" else H
    norm = [g.weights(f"norm{k}", count) for k in range(3)]
    norm.append(g.store("variance", np.linspace(0.5, 2, count, dtype=np.float32)))
    head = [g.weights("head.W", H, 3), g.weights("head.b", 3)]
    gain, shift, mean, variance = (g.stored[name].astype(np.float64) for name in norm)
    a = gain / np.sqrt(variance + 1e-5)
    x = g.put("Transpose", ["x"], perm=[1, 2, 0])  # [T, N, B]: axis 1 is normalised
    if place == "in front":
        x = g.put("BatchNormalization", [x, *norm])
    y, _ = g.layer("GRU", g.put("Transpose", [x], perm=[0, 2, 1]))
    last = g.put("Gather", [g.put("Squeeze", [y, g.ints(1)]), g.ints(-1)], axis=0)
    last = g.put("Squeeze", [last, g.ints(0)])
    if place in ("behind", "alone"):
        last = g.put("BatchNormalization", [last, *norm])
    if place != "alone":
        last = g.put("Add", [g.put("MatMul", [last, head[0]]), head[1]])
    if place == "between":
        last = g.put("BatchNormalization", [last, *norm])
    g.put("Identity", [last], ["out"])
    result, found = g.run(tmp_path, "out")
    kinds = [type(step.layer).__name__ for step in result.network.steps]
    assert kinds == (["GRU", "Last", "Scale"] if place == "alone" else ["GRU", "Last", "Linear"])
    value = data()
    if place == "in front":
        value = a * (value - mean) + shift
    value = g.oracle("GRU", value.transpose(1, 0, 2))[0][-1, 0]
    if place in ("behind", "alone"):
        value = a * (value - mean) + shift
    if place != "alone":
        value = value @ g.stored[head[0]].astype(float) + g.stored[head[1]]
    if place == "between":
        value = a * (value - mean) + shift
    equal(found[:, 0], value)


def test_layer_normalisation(tmp_path):
    g, (y, _) = plain_graph()
    g.put("LayerNormalization", [y, g.weights("a", H), g.weights("b", H)], ["out"], epsilon=1e-3)
    _, found = g.run(tmp_path, "out")
    y = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0]
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-3)
    expected = y * g.stored["a"].astype(float) + g.stored["b"]
    equal(found, expected.transpose(1, 0, 2))


def test_a_product_with_its_own_sigmoid_is_silu(tmp_path):
    g, (y, _) = plain_graph()
    g.put("Mul", [y, g.put("Sigmoid", [y])], ["out"])
    _, found = g.run(tmp_path, "out")
    assert "SiLU" in (tmp_path / "mine.py").read_text()
    y = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0]
    equal(found, (y * sigmoid(y)).transpose(1, 0, 2))


def test_a_convolution_of_width_one_is_a_linear_layer(tmp_path):
    g, (y, _) = plain_graph()
    y = g.put("Transpose", [g.put("Squeeze", [y, g.ints(1)])], perm=[1, 2, 0])
    w, b = g.weights("w", 3, H, 1), g.weights("b", 3)
    g.put("Conv", [y, w, b], ["out"])
    _, found = g.run(tmp_path, "out")
    y = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2)
    equal(found, y @ g.stored[w][:, :, 0].astype(float).T + g.stored[b])


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "ArgMax"])
def test_what_a_host_does_is_left_out_and_told(operator, tmp_path):
    g, (y, _) = plain_graph()
    g.put(operator, [y], ["out"], axis=-1)
    result, found = g.run(tmp_path, "out")
    assert any(note.startswith(f"{operator}: ") for note in result.notes)
    assert f"- {operator}: " in (tmp_path / "mine.py").read_text()
    equal(found, g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2))


def test_quantised_weights_are_read_as_numbers(tmp_path):
    g, (y, _) = plain_graph()
    q = g.store("q", np.arange(-9, 9, dtype=np.int8).reshape(H, 3))
    scale = g.store("scale", np.array([0.5, 0.25, 2], np.float32))
    zero = g.store("zero", np.array([0, 1, -1], np.int8))
    w = g.put("DequantizeLinear", [q, scale, zero], axis=1)
    g.put("MatMul", [y, w], ["out"])
    _, found = g.run(tmp_path, "out")
    w = (g.stored["q"].astype(float) - [0, 1, -1]) * [0.5, 0.25, 2]
    equal(found, (g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0] @ w).transpose(1, 0, 2))


# --- cuts and several outputs --------------------------------------------------------------------
def long_graph():
    """A front end that rnnhw has not, a layer, a head, and something behind it."""
    g = Graph((B, N, 9))
    kernel = g.weights("kernel", N, N, 3)
    x = g.put("Conv", ["x", kernel], ["features"], "front")
    x = g.put("Transpose", [x], ["steps"], "turn", perm=[2, 0, 1])
    y, yh = g.layer("GRU", x)
    g.put("MatMul", [y, g.weights("w", H, 3)], ["scores"], "head")
    g.put("NonZero", ["scores"], ["out"], "behind")
    return g, yh


def test_a_network_is_cut_where_asked(tmp_path):
    g, _ = long_graph()
    with pytest.raises(DesignError, match=r"node 'front' \(Conv\): a convolution of width 3"):
        g.run(tmp_path, "scores")
    with pytest.raises(DesignError, match=r"node 'behind' \(NonZero\): rnnhw has no") as caught:
        g.run(tmp_path, "out", start="steps")
    assert caught.value.hint == "cut the network in front of it: --to scores"
    for start, end in (("steps", "scores"), ("/rnn/GRU", "head")):
        onnx.save(g.model("out"), tmp_path / "net.onnx")
        result, design = imported(tmp_path / "net.onnx", tmp_path, start=start, end=end)
        found = float_run(design, data()).outputs
        y = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0] @ g.stored["w"].astype(float)
        equal(found, y.transpose(1, 0, 2))
        assert "left out in front of the part: Conv x1, Transpose x1" in result.notes
        assert "left out behind or beside the part: NonZero x1" in result.notes
        assert "feed the value 'steps' as the input" in result.notes


def test_the_cut_that_is_needed_is_told(tmp_path):
    g = Graph()
    ids = g.put("NonZero", ["x"], ["ids"], "odd")
    g.layer("GRU", ids)
    with pytest.raises(DesignError) as caught:
        g.run(tmp_path, "rnn.Y")
    assert "node 'odd' (NonZero): rnnhw has no such layer" in caught.value.message
    assert "--from ids starts at what the first recurrent layer reads" in caught.value.hint


def test_a_name_that_is_not_there_is_a_wrong_call(tmp_path):
    g, _ = long_graph()
    for option in ("start", "end"):
        with pytest.raises(UsageError, match="unknown node 'step'") as caught:
            g.run(tmp_path, "scores", **{option: "step"})
        assert "did you mean 'steps'?" in caught.value.hint


def test_several_outputs_are_heads_of_what_they_share(tmp_path):
    g, (y, _) = plain_graph()
    for k in range(2):
        g.put("MatMul", [y, g.weights(f"w{k}", H, 2)], [f"out{k}"])
    hidden = g.put("Relu", [g.put("MatMul", [y, g.weights("w2", H, 3)])])
    g.put("MatMul", [hidden, g.weights("w3", 3, 1)], ["out2"])
    names = ["out0", "out1", "out2"]
    result, _ = g.run(tmp_path, *names)
    assert [len(head) for head in result.network.heads] == [1, 1, 2]
    assert len(result.network.steps) == 1
    design = load(result.design)
    assert len(design.network.outputs) == 3
    found = float_run(design, data()).by_output
    states = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2)
    expected = {f"out{k}": states @ g.stored[f"w{k}"].astype(np.float64) for k in range(2)}
    inner = np.maximum(states @ g.stored["w2"].astype(np.float64), 0)
    expected["out2"] = inner @ g.stored["w3"].astype(np.float64)
    for node, name in zip(design.network.outputs, names, strict=True):
        equal(found[node.name], expected[name])
    # One of them alone is as it was.
    for name in names:
        alone, outputs = g.run(tmp_path, *names, end=name)
        assert not alone.network.heads
        equal(outputs, expected[name])
    result, _ = g.run(tmp_path, "out1", "rnn.Yh")
    assert any(note.startswith("output 'rnn.Yh' is a last state") for note in result.notes)


def test_an_output_that_another_reads_is_the_layer_itself(tmp_path):
    g, (y, _) = plain_graph()
    g.put("MatMul", [y, g.weights("w", H, 2)], ["scores"])
    result, _ = g.run(tmp_path, "scores", y)
    design = load(result.design)
    scores, states = design.network.outputs
    assert (scores.units, states.units) == (2, H)
    assert states is design.network.scans[0]
    found = float_run(design, data()).by_output
    expected = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2)
    equal(found[states.name], expected)
    equal(found[scores.name], expected @ g.stored["w"].astype(np.float64))


def test_outputs_that_share_what_others_do_not_read_are_refused(tmp_path):
    g, (y, _) = plain_graph()
    hidden = g.put("Relu", [g.put("MatMul", [y, g.weights("w2", H, 3)])])
    for k in range(2):
        g.put("MatMul", [hidden, g.weights(f"w{k}", 3, 2)], [f"out{k}"])
    g.put("MatMul", [y, g.weights("w", H, 2)], ["out2"])
    with pytest.raises(DesignError, match="share layers that others of them do not read") as caught:
        g.run(tmp_path, "out0", "out1", "out2")
    assert caught.value.hint == "choose one: --to out0"


def test_a_layer_inside_of_another_graph_is_reached(tmp_path):
    inner = Graph()
    y, _ = inner.layer("GRU", "outer")
    branch = helper.make_graph(
        inner.nodes, "b", [], [helper.make_tensor_value_info(y, F, None)],
        [numpy_helper.from_array(v, k) for k, v in inner.stored.items()],
    )  # fmt: skip
    g = Graph()
    g.put("Transpose", ["x"], ["outer"], perm=[1, 0, 2])
    flag = g.put("NonZero", ["x"])
    g.put("If", [flag], ["out"], "choice", then_branch=branch, else_branch=branch)
    with pytest.raises(DesignError, match=r"NonZero") as caught:
        g.run(tmp_path, "out")
    assert "--from outer --to rnn.Y" in caught.value.hint
    _, found = g.run(tmp_path, "out", start="outer", end="rnn.Y")
    equal(found, inner.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2))


# --- what has no meaning here --------------------------------------------------------------------
def test_an_unrolled_recurrence_is_recognised(tmp_path):
    g = Graph()
    w, r = g.weights("W", N, H), g.weights("R", H, H)
    h = g.store("h", np.zeros((B, H), np.float32))
    for step in range(T):
        x = g.put("Gather", ["x", g.store(f"t{step}", np.array(step, np.int64))], axis=1)
        h = g.put("Tanh", [g.put("Add", [g.put("MatMul", [x, w]), g.put("MatMul", [h, r])])])
    g.put("Identity", [h], ["out"])
    message = "its recurrence was unrolled by a test: the weights 'W' are multiplied 5 times"
    with pytest.raises(DesignError, match=re.escape(message)) as caught:
        g.run(tmp_path, "out")
    assert ".keras" in caught.value.hint


def test_a_single_step_is_recognised(tmp_path):
    g = Graph()
    sums = g.put("Gemm", ["x", g.weights("W", N, 3 * H)])
    parts = g.put("Split", [sums, g.ints(H, H, H)], ["i", "g", "o"], axis=1)
    c = g.put("Mul", [g.put("Sigmoid", [parts[0]]), g.put("Tanh", [parts[1]])])
    g.put("Mul", [g.put("Sigmoid", [parts[2]]), g.put("Tanh", [c])], ["out"])
    with pytest.raises(DesignError, match="unrolled to a single step by a test"):
        g.run(tmp_path, "out")


def test_a_file_without_recurrent_layers_is_refused(tmp_path):
    g = Graph()
    g.put("MatMul", ["x", g.weights("W", N, 3)], ["out"])
    with pytest.raises(DesignError, match="it holds no RNN, LSTM or GRU"):
        g.run(tmp_path, "out")


def wrong_axis(g, y):
    return g.put("Gather", [y, g.store("k", np.array(1, np.int64))], axis=2)


def normed(values, gain, shift):
    """Layer normalisation over the last axis as ONNX defines it."""
    centred = values - values.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain + shift


def test_skip_connections_around_recurrent_layers_with_normalisation_between(tmp_path):
    """Norm in front, within and behind, and one connection in another."""
    graph = Graph()
    x = graph.put("Transpose", ["x"], perm=[1, 0, 2])
    y, _ = graph.layer("GRU", x, "one")
    y = graph.put("Squeeze", [y, graph.ints(1)])
    gain = graph.weights("gain", H)
    shift = graph.weights("shift", H)
    pre = graph.put("LayerNormalization", [y, gain, shift], axis=-1)
    z, _, _ = graph.layer("LSTM", pre, "two", inputs=H)
    z = graph.put("Squeeze", [z, graph.ints(1)])
    inner = graph.put("Add", [graph.put("Tanh", [z]), z])
    outer = graph.put("Add", [y, inner], name="/block/Add")
    post = graph.put("LayerNormalization", [outer, gain, shift], axis=-1)
    end = graph.put("Gather", [post, graph.store("k", np.array(-1, np.int64))], axis=0)
    head = graph.put("Gemm", [end, graph.weights("w", 3, H), graph.weights("c", 3)], transB=1)
    result, found = graph.run(tmp_path, head)
    store = {key: value.astype(np.float64) for key, value in graph.stored.items()}
    first = graph.oracle("GRU", data().transpose(1, 0, 2), "one")[0][:, 0]
    second = graph.oracle("LSTM", normed(first, store["gain"], store["shift"]), "two")[0][:, 0]
    summed = first + np.tanh(second) + second
    last = normed(summed, store["gain"], store["shift"])[-1]
    np.testing.assert_allclose(found[:, 0], last @ store["w"].T + store["c"], rtol=0, atol=1e-12)
    kinds = [type(step.layer).__name__ for step in result.network.steps]
    assert kinds == ["GRU", "Residual", "LayerNorm", "Last", "Linear"]
    text = (tmp_path / "mine.py").read_text()
    assert text.count("Residual(") == 2 and 'name="block"' in text


@pytest.mark.parametrize("way", ["itself", "itself times one"])
def test_a_value_is_added_to_itself(tmp_path, way):
    graph = Graph()
    y, _ = graph.layer("GRU", graph.put("Transpose", ["x"], perm=[1, 0, 2]))
    same = y if way == "itself" else graph.put("Mul", [y, graph.store("one", np.float32(1))])
    found = graph.run(tmp_path, graph.put("Add", [y, same]))[1]
    expected = 2 * graph.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("relu", [False, True])
def test_the_sum_over_time_is_exact_for_every_length(tmp_path, relu):
    graph = Graph(dynamic=True)
    y, _ = graph.layer("GRU", graph.put("Transpose", ["x"], perm=[1, 0, 2]))
    y = graph.put(
        "ReduceSum", [graph.put("Squeeze", [y, graph.ints(1)]), graph.ints(0)], keepdims=0
    )
    head = graph.put("Gemm", [y, graph.weights("w", 3, H), graph.weights("c", 3)], transB=1)
    onnx.save(graph.model(graph.put("Relu", [head]) if relu else head), tmp_path / "net.onnx")
    _, design = imported(tmp_path / "net.onnx", tmp_path, max_steps=T)
    found = float_run(design, data(), lengths=[T, 3]).outputs[:, 0]
    steps = graph.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0]
    sums = np.stack([steps[:T, 0].sum(0), steps[:3, 1].sum(0)])
    expected = sums @ graph.stored["w"].T.astype(float) + graph.stored["c"]
    expected = np.maximum(expected, 0) if relu else expected
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_a_layer_that_cannot_read_a_sum_over_time_is_told_by_its_name(tmp_path):
    graph = Graph()
    y, _ = graph.layer("GRU", graph.put("Transpose", ["x"], perm=[1, 0, 2]))
    total = graph.put("ReduceSum", [y, graph.ints(0)], keepdims=0)
    with pytest.raises(DesignError, match="'/squash/Tanh' reads a sum over time") as caught:
        graph.run(tmp_path, graph.put("Tanh", [total], name="/squash/Tanh"))
    assert "put one behind the sum, or take the mean" in caught.value.hint


WRONG = {
    "a maximum beside all steps": (
        lambda g, y: g.put("Add", [y, g.put("ReduceMax", [y, g.ints(0)])]),
        "the max over time of a sequence is added to the whole sequence",
    ),
    "a skip connection to another width": (
        lambda g, y: g.put(
            "Add",
            [
                (flat := g.put("Squeeze", [y, g.ints(1)])),
                g.put("MatMul", [flat, g.weights("wide", H, H + 1)]),
            ],
        ),
        "are added",
    ),
    "a step that is not the last": (
        lambda g, y: g.put("Gather", [y, g.store("k", np.array(2, np.int64))], axis=0),
        "step 2 of a sequence is read",
    ),
    "one sequence": (wrong_axis, "element 1 of dimension 2"),
    "mean of the features": (
        lambda g, y: g.put("ReduceMean", [y, g.ints(3)], keepdims=0),
        "a mean over dimension 3",
    ),
    "a reshape across axes": (
        lambda g, y: g.put("Reshape", [y, g.ints(T * B * H // 4, 4)]),
        "cuts through an axis",
    ),
    "two values": (
        lambda g, y: g.put("Add", [g.put("Relu", [y]), g.put("Tanh", [y])]),
        "two computed values are added",
    ),
    "products": (
        lambda g, y: g.put("Mul", [y, g.put("Tanh", [y])]),
        "two computed values are multiplied",
    ),
    "a slice": (
        lambda g, y: g.put("Slice", [y, g.ints(0), g.ints(2), g.ints(0)]),
        "a slice 0:2 of dimension 0 (time",
    ),
    "constants of the batch": (
        lambda g, y: g.put("Add", [y, g.store("c", np.ones((1, 1, B, 1), np.float32))]),
        "a constant of shape (1, 1, 2, 1) is joined",
    ),
    "a layer behind the host's": (
        lambda g, y: g.put("Relu", [g.put("Softmax", [y], axis=-1)]),
        "a layer reads what is left to the host",
    ),
    "zero": (
        lambda g, y: g.put("Div", [y, g.store("z", np.zeros((), np.float32))]),
        "divides by zero",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_rnnhw_cannot_have_is_told_with_its_node(name, tmp_path):
    write, message = WRONG[name]
    g, (y, _) = plain_graph()
    g.put("Identity", [write(g, y)], ["out"])
    with pytest.raises(DesignError, match=re.escape(message)) as caught:
        g.run(tmp_path, "out")
    assert re.match(rf"{tmp_path}/net.onnx: node '\w+' \(\w+\): ", caught.value.message)
    assert "\n" not in caught.value.message


def test_axes_in_another_order_are_told(tmp_path):
    """A layer that reads [batch, time] as [time, batch] behind one that does not."""
    g, (y, _) = plain_graph()
    y = g.put("Transpose", [g.put("Squeeze", [y, g.ints(1)])], perm=[1, 0, 2])
    g.layer("GRU", y, "second", inputs=H)
    with pytest.raises(DesignError, match="is read as time, but it is batch elsewhere"):
        g.run(tmp_path, "second.Y")


def test_padding_is_not_read(tmp_path):
    g = Graph()
    g.inputs["lens"] = [B]
    x = g.put("Transpose", ["x"], perm=[1, 0, 2])
    w = [g.weights("W", 1, 18, N), g.weights("R", 1, 18, H), ""]
    y, _ = g.put("GRU", [x, *w, "lens"], ["Y", "Yh"], hidden_size=H)
    g.put("Gather", [y, g.store("m1", np.array(-1, np.int64))], ["out"], axis=0)
    with pytest.raises(DesignError, match="reads the last step of outputs that are zero past"):
        g.run(tmp_path, "out")
    result, _ = g.run(tmp_path, "Yh")
    assert "feed 'lens' as `lengths` of the data" in result.notes


def test_quantised_lstms_of_onnxruntime_are_told(tmp_path):
    g = Graph()
    node = helper.make_node("DynamicQuantizeLSTM", ["x"], ["out"], domain="com.microsoft")
    g.nodes.append(node)
    with pytest.raises(DesignError, match=r"an operator of com\.microsoft") as caught:
        g.run(tmp_path, "out")
    assert "float network that it was quantised from" in caught.value.hint


# --- hostile files -------------------------------------------------------------------------------
def refused(path, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DesignError) as caught:
        import_network(path, tmp_path / "mine.py")
    assert sorted(tmp_path.iterdir()) == before
    assert "\n" not in caught.value.message + caught.value.hint
    assert caught.value.message.startswith(str(path))
    return caught.value.message


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04", b"\x08\x07", b"hello" * 9])
def test_files_that_are_no_onnx(content, tmp_path):
    (tmp_path / "x.onnx").write_bytes(content)
    assert "not an ONNX file" in refused(tmp_path / "x.onnx", tmp_path)


def test_files_that_cannot_be_read(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.onnx", tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", tmp_path)


def test_every_truncation_is_refused_or_whole(tmp_path):
    g, (y, _) = plain_graph()
    content = g.model(y).SerializeToString()
    for size in range(0, len(content), 97):
        (tmp_path / "x.onnx").write_bytes(content[:size])
        refused(tmp_path / "x.onnx", tmp_path)


def test_a_tensor_that_claims_a_vast_shape(tmp_path):
    g, (y, _) = plain_graph()
    model = g.model(y)
    for dims in ([1, 1 << 40, 4], [-1, 18, 4], [0, 18, 4]):
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)
        onnx.save(model, tmp_path / "x.onnx")
        assert "claims to be" in refused(tmp_path / "x.onnx", tmp_path)


def test_constants_that_grow_without_end(tmp_path):
    g = Graph()
    vast = g.store("vast", np.array([1 << 20, 1 << 20], np.int64))
    x = g.put("Add", ["x", g.put("ConstantOfShape", [vast])])
    y, _ = g.layer("GRU", x)
    onnx.save(g.model(y), tmp_path / "x.onnx")
    assert "a constant of 1,099,511,627,776 elements" in refused(tmp_path / "x.onnx", tmp_path)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "missing.data", ""])
def test_data_outside_of_the_folder_is_not_read(place, tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    folder = tmp_path / "model"
    folder.mkdir()
    g, (y, _) = plain_graph()
    model = g.model(y)
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location=place)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    (folder / "x.onnx").write_bytes(model.SerializeToString())
    assert "is not beside the model" in refused(folder / "x.onnx", folder)


def test_data_beside_the_model_is_read(tmp_path):
    g, (y, _) = plain_graph()
    onnx.save(
        g.model(y),
        tmp_path / "net.onnx",
        save_as_external_data=True,
        location="net.data",
        size_threshold=0,
    )
    _, design = imported(tmp_path / "net.onnx", tmp_path)
    expected = g.oracle("GRU", data().transpose(1, 0, 2))[0][:, 0].transpose(1, 0, 2)
    equal(float_run(design, data()).outputs, expected)
    size = (tmp_path / "net.data").stat().st_size
    os.truncate(tmp_path / "net.data", size // 2)
    (tmp_path / "mine.py").unlink()
    (tmp_path / "mine.npz").unlink()
    assert "which holds others" in refused(tmp_path / "net.onnx", tmp_path)


def test_names_cannot_end_the_docstring_or_control_a_terminal(tmp_path, monkeypatch):
    g = Graph()
    evil = 'a"""\nimport os; os.mkdir("pwned")\n"""\x1b[2J\\'
    w = [g.weights("W", 1, 18, N), g.weights("R", 1, 18, H)]
    x = g.put("Transpose", ["x"], perm=[1, 0, 2])
    g.put("GRU", [x, *w], ["out"], evil, hidden_size=H)
    model = g.model("out")
    model.producer_name = evil
    onnx.save(model, tmp_path / "net.onnx")
    monkeypatch.chdir(tmp_path)
    _, design = imported(tmp_path / "net.onnx", tmp_path)
    assert not (tmp_path / "pwned").exists() and "\x1b" not in (tmp_path / "mine.py").read_text()
    float_run(design, data())
    model.graph.node[1].attribute[0].name = evil
    (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DesignError) as caught:
        import_network(tmp_path / "bad.onnx", tmp_path / "other.py")
    assert "\x1b" not in caught.value.message
