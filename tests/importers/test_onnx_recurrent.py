"""Every attribute of ONNX's recurrent operators: the imported design's float reference equals the
specification in float64, and onnxruntime where that is installed and has the attribute."""

import re

import numpy as np
import pytest
from helpers import onnx_oracle
from helpers.imported import float_run, imported

from rnnhw import DesignError

onnx = pytest.importorskip("onnx", reason="ONNX files are made with the package onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

KINDS = ("RNN", "GRU", "LSTM")
STEPS, BATCH, INPUTS, UNITS = 5, 3, 4, 6
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
STATES = {"h0": True, "c0": True}


def case(kind, name, attributes=None, **parts):
    """One network: ``parts`` say which inputs and outputs it has."""
    return pytest.param(kind, attributes or {}, parts, id=f"{kind}-{name}")


def cases():
    for kind in KINDS:
        count = FUNCTIONS[kind]
        yield case(kind, "plain")
        yield case(kind, "no bias", bias=False)
        yield case(kind, "first states", **STATES)
        yield case(kind, "h0 alone", h0=True)
        yield case(kind, "stored first states", **STATES, stored=True)
        yield case(kind, "no hidden_size", {"hidden_size": None})
        yield case(kind, "one step", steps=1, **STATES)
        yield case(kind, "float64", dtype=np.float64, **STATES)
        for opset in (7, 14):
            yield case(kind, f"opset {opset}", opset=opset, **STATES)
        for direction in ("reverse", "bidirectional"):
            yield case(kind, direction, {"direction": direction}, **STATES)
            yield case(kind, f"{direction} lengths", {"direction": direction}, lengths=[5, 1, 3])
            outs = ("", "Y_h")
            yield case(kind, f"{direction} Y_h", {"direction": direction}, outs=outs, **STATES)
        yield case(kind, "lengths", lengths=[5, 1, 3], **STATES)
        yield case(kind, "stored lengths", lengths=[5, 5, 5], stored=True)
        yield case(kind, "layout 1", {"layout": 1}, **STATES)
        both = {"layout": 1, "direction": "bidirectional"}
        yield case(kind, "layout 1 both ways", both, **STATES)
        yield case(kind, "layout 1 stored", both, **STATES, stored=True)
        yield case(kind, "layout 1 lengths", both, lengths=[5, 1, 3], outs=("", "Y_h"))
        yield case(kind, "only Y", outs=("Y",))
        yield case(kind, "only Y_h", outs=("", "Y_h"), **STATES)
        yield case(kind, "clip", {"clip": 0.3}, **STATES)
        yield case(kind, "clip of both ways", {"clip": 0.3, "direction": "bidirectional"}, **STATES)
        yield case(kind, "relu", {"activations": ["Relu"] * count, "clip": 2.0}, scale=0.3)
        for function in onnx_oracle.ACTIVATIONS:
            given = {"activations": [function] * count}
            yield case(kind, function, given, scale=0.25, **STATES)
        mixed = (onnx_oracle.DEFAULTS[kind] + ["HardSigmoid", "Softsign", "Relu"])[: 2 * count]
        mixed += ["HardSigmoid"] * (2 * count - len(mixed))
        yield case(
            kind,
            "other functions a direction",
            {"direction": "bidirectional", "activations": mixed},
            **STATES,
        )
        first = onnx_oracle.DEFAULTS[kind][1:]
        given = {
            "activations": ["HardSigmoid", *first],
            "activation_alpha": [1 / 6],
            "activation_beta": [0.5],
        }
        yield case(kind, "alpha and beta", given)
        given = {
            "activations": ["ScaledTanh", "Affine", "LeakyRelu"][:count],
            "activation_alpha": [1.5, 0.5, 0.1][:count],
            "activation_beta": [0.75, 0.1][:count],
        }
        yield case(kind, "several alphas", given, scale=0.25, **STATES)
    for reset in (0, 1):
        given = {"linear_before_reset": reset}
        yield case("GRU", f"reset {reset}", given, **STATES)
        yield case("GRU", f"reset {reset} no bias", given, bias=False, **STATES)
        both = {**given, "direction": "bidirectional", "clip": 0.5}
        yield case("GRU", f"reset {reset} both ways", both, lengths=[2, 5, 4])
    for more in ({}, {"peepholes": True}):
        yield case("LSTM", f"peepholes {len(more)}", **more, **STATES)
        given = {"input_forget": 1}
        yield case("LSTM", f"input_forget, peepholes {len(more)}", given, **more, **STATES)
        both = {"direction": "bidirectional", **given, "clip": 0.4}
        yield case("LSTM", f"input_forget both ways, {len(more)}", both, **more, lengths=[5, 2, 1])
    yield case("LSTM", "c0 alone", c0=True)
    yield case("LSTM", "only Y_c", outs=("", "", "Y_c"), **STATES)
    yield case("LSTM", "layout 1 peepholes", {"layout": 1}, peepholes=True, **STATES)


class Net:
    """A model of one node with its inputs, and what the specification gives for it."""

    def __init__(self, kind, attributes, parts):
        rng = np.random.default_rng(0)
        scale = parts.get("scale", 0.6)
        self.kind, self.parts = kind, parts
        attributes = {"hidden_size": UNITS, **attributes}
        self.attributes = {key: v for key, v in attributes.items() if v is not None}
        self.ways = 2 if attributes.get("direction") == "bidirectional" else 1
        self.layout = attributes.get("layout", 0)
        dtype = parts.get("dtype", np.float32)
        steps, gates = parts.get("steps", STEPS), onnx_oracle.GATES[kind]

        def draw(*shape):
            return (rng.normal(size=shape) * scale).astype(dtype)

        self.x = draw(steps, BATCH, INPUTS) * 2
        self.w = draw(self.ways, gates * UNITS, INPUTS)
        self.r = draw(self.ways, gates * UNITS, UNITS)
        self.b = draw(self.ways, 2 * gates * UNITS) if parts.get("bias", True) else None
        self.lengths = parts.get("lengths")
        self.h0 = draw(self.ways, BATCH, UNITS) if parts.get("h0") else None
        self.c0 = draw(self.ways, BATCH, UNITS) if parts.get("c0") and kind == "LSTM" else None
        self.p = draw(self.ways, 3 * UNITS) if parts.get("peepholes") else None
        self.stored = parts.get("stored", False)
        if self.stored:  # one first state for all sequences
            self.h0, self.c0 = (
                None if state is None else np.repeat(state[:, :1], BATCH, 1)
                for state in (self.h0, self.c0)
            )
        self.outputs = [
            name
            for name in parts.get("outs", ("Y", "Y_h", "Y_c"))
            if name != "Y_c" or kind == "LSTM"
        ]

    def expected(self):
        x, w, r, b, h0, c0, p = (
            None if value is None else np.asarray(value, np.float64)
            for value in (self.x, self.w, self.r, self.b, self.h0, self.c0, self.p)
        )
        return onnx_oracle.run(self.kind, self.attributes, x, w, r, b, self.lengths, h0, c0, p)

    def moved(self, array):
        """An input in the layout of the file."""
        if array is None or not self.layout:
            return array
        return np.ascontiguousarray(np.swapaxes(array, 0, 1))

    def feeds(self):
        lengths = None if self.lengths is None else np.array(self.lengths, np.int32)
        fed = {"lens": lengths, "h0": self.moved(self.h0), "c0": self.moved(self.c0)}
        fed = {} if self.stored else {key: v for key, v in fed.items() if v is not None}
        return {"X": self.moved(self.x), **fed}

    def model(self):
        stored = {"W": self.w, "R": self.r, "B": self.b, "P": self.p}
        if self.stored:
            lengths = None if self.lengths is None else np.array(self.lengths, np.int32)
            stored |= {"lens": lengths, "h0": self.moved(self.h0), "c0": self.moved(self.c0)}
        stored = {key: value for key, value in stored.items() if value is not None}
        feeds = self.feeds()
        names = ["X", "W", "R", "B", "lens", "h0", "c0", "P"][: 8 if self.kind == "LSTM" else 6]
        inputs = [name if name in stored or name in feeds else "" for name in names]
        while inputs[-1] == "":
            inputs.pop()
        node = helper.make_node(self.kind, inputs, self.outputs, name="layer", **self.attributes)
        outputs = [name for name in self.outputs if name]
        return make_model([node], feeds, outputs, stored, self.parts.get("opset", 22))


def make_model(nodes, feeds, outputs, stored, opset=20):
    types = {np.dtype(np.int32): TensorProto.INT32, np.dtype(np.float64): TensorProto.DOUBLE}
    real = TensorProto.FLOAT
    for value in feeds.values():
        if value.dtype == np.float64:
            real = TensorProto.DOUBLE
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(key, types.get(v.dtype, TensorProto.FLOAT), v.shape)
            for key, v in feeds.items()
        ],
        [helper.make_tensor_value_info(name, real, None) for name in outputs],
        [numpy_helper.from_array(value, key) for key, value in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 9
    return model


def first_values(net, result):
    """The first states that the notes ask for, as data."""
    (step,) = [step for step in result.network.steps if step.layer.name]
    found = {}
    for key in step.fed:
        direction = 1 if key.startswith("backward") else 0
        state = net.h0 if key.endswith("h0") else net.c0
        found[f"{step.layer.name}.{key}"] = state[direction].astype(np.float64)
    return found


@pytest.mark.parametrize(("kind", "attributes", "parts"), [*cases()])
def test_an_operator_equals_its_specification(kind, attributes, parts, tmp_path):
    net = Net(kind, attributes, parts)
    onnx.save(net.model(), tmp_path / "net.onnx")
    result, design = imported(tmp_path / "net.onnx", tmp_path)
    found = float_run(design, net.x.transpose(1, 0, 2), net.lengths, first_values(net, result))
    y, last_h, last_c = net.expected()
    close = {"rtol": 0, "atol": 1e-12}
    if "Y" in net.outputs:
        expected = y.transpose(2, 0, 1, 3).reshape(BATCH, len(y), -1)
        np.testing.assert_allclose(found.outputs, expected, **close)
    elif "Y_h" in net.outputs:
        expected = last_h.transpose(1, 0, 2).reshape(BATCH, -1)
        np.testing.assert_allclose(found.outputs[:, 0], expected, **close)
    for end, expected in ((".state", last_h), (".cell", last_c)):
        states = [value for key, value in found.final.items() if key.endswith(end)]
        for state, values in zip(states, expected, strict=False):
            np.testing.assert_allclose(state, values, **close)


@pytest.mark.parametrize(("kind", "attributes", "parts"), [*cases()])
def test_an_operator_equals_onnxruntime(kind, attributes, parts, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    net = Net(kind, attributes, parts)
    if parts.get("dtype") is not None or net.layout or "hidden_size" not in net.attributes:
        pytest.skip("onnxruntime refuses float64, layout=1 and a missing hidden_size")
    if kind == "LSTM" and "clip" in attributes:
        pytest.skip("onnxruntime's LSTM does not clip the cell in front of its function")
    without = {"Affine", "ScaledTanh", "ThresholdedRelu"} & set(attributes.get("activations", ()))
    if without and "activation_alpha" not in attributes:
        pytest.skip("onnxruntime has no defaults of alpha and beta here")
    onnx.save(net.model(), tmp_path / "net.onnx")
    result, design = imported(tmp_path / "net.onnx", tmp_path)
    found = float_run(design, net.x.transpose(1, 0, 2), net.lengths, first_values(net, result))
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(
        tmp_path / "net.onnx", options, providers=["CPUExecutionProvider"]
    )
    outputs = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, net.feeds()), strict=True)
    )
    if "Y" in outputs:
        expected = outputs["Y"].transpose(2, 0, 1, 3).reshape(BATCH, len(net.x), -1)
        np.testing.assert_allclose(found.outputs, expected, rtol=2e-6, atol=2e-6)
    elif "Y_h" in outputs:
        expected = outputs["Y_h"].transpose(1, 0, 2).reshape(BATCH, -1)
        np.testing.assert_allclose(found.outputs[:, 0], expected, rtol=2e-6, atol=2e-6)
    if "Y_c" in outputs:
        for key, value in found.final.items():
            if key.endswith(".cell"):
                way = 1 if ".backward" in key else 0
                np.testing.assert_allclose(value, outputs["Y_c"][way], rtol=2e-6, atol=2e-6)


# --- what is refused ------------------------------------------------------------------------------
def refused(model, tmp_path):
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(DesignError) as caught:
        imported(tmp_path / "net.onnx", tmp_path)
    assert not (tmp_path / "mine.py").exists() and not (tmp_path / "mine.npz").exists()
    assert "\n" not in caught.value.message and caught.value.hint
    assert caught.value.message.startswith(f"{tmp_path}/net.onnx: node 'layer' (")
    return caught.value.message


def changed(kind, attributes=None, parts=None, **tensors):
    """A model with other tensors than it should have."""
    net = Net(kind, attributes or {}, parts or {})
    model = net.model()
    for tensor in model.graph.initializer:
        if tensor.name in tensors:
            tensor.CopyFrom(numpy_helper.from_array(tensors[tensor.name], tensor.name))
    return model


REFUSED = {
    "unknown attribute": ("GRU", {"mystery": 1}, {}, "attribute 'mystery' is unknown"),
    "function": ("RNN", {"activations": ["Mish"]}, {}, "activations: 'Mish' is unknown"),
    "functions": ("GRU", {"activations": ["Tanh"]}, {}, "activations=.*: 1, the operator has 2"),
    "clip": ("GRU", {"clip": -1.0}, {}, "clip=-1.0"),
    "direction": ("GRU", {"direction": "sideways"}, {}, "direction='sideways'"),
    "hidden_size": ("GRU", {"hidden_size": 7}, {}, "hidden_size=7, but R has 6 columns"),
    "alpha": ("RNN", {"activation_alpha": [0.5]}, {}, "activation_alpha has 1 more numbers"),
    "lengths": ("GRU", {}, {"lengths": [5, 1, 3], "stored": True}, "input sequence_lens"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_told_with_node_and_attribute(name, tmp_path):
    kind, attributes, parts, message = REFUSED[name]
    assert re.search(message, refused(changed(kind, attributes, parts), tmp_path))


def test_tensors_of_other_shapes_are_told(tmp_path):
    rng = np.random.default_rng(0)
    for key, shape in {"W": (1, 17, 4), "B": (1, 35), "R": (1, 18, 5)}.items():
        model = changed("GRU", {"hidden_size": None}, **{key: rng.normal(size=shape)})
        message = refused(model, tmp_path)
        assert "has shape" in message or "columns" in message
    values = np.full((1, 18, 4), np.nan, np.float32)
    assert "input W[0, 0, 0] is nan" in refused(changed("GRU", W=values), tmp_path)


def test_another_first_state_for_each_sequence_cannot_be_stored(tmp_path):
    parts = {"h0": True, "stored": True}
    states = np.random.default_rng(0).normal(size=(1, BATCH, UNITS)).astype(np.float32)
    message = refused(changed("GRU", {}, parts, h0=states), tmp_path)
    assert "initial_h holds another first state for each sequence" in message


def test_weights_that_are_inputs_are_told(tmp_path):
    model = Net("GRU", {}, {}).model()
    (w,) = [tensor for tensor in model.graph.initializer if tensor.name == "W"]
    model.graph.initializer.remove(w)
    model.graph.input.append(helper.make_tensor_value_info("W", TensorProto.FLOAT, (1, 18, 4)))
    assert "input W is not constant" in refused(model, tmp_path)


def test_length_zero_is_refused_by_the_data():
    from rnnhw.design.tasks.samples import samples_of

    arrays = {"x": np.zeros((2, 3, 4)), "lengths": np.array([3, 0])}
    with pytest.raises(DesignError, match=r"lengths\[1\] is 0"):
        samples_of("data", arrays)
