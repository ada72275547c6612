"""The LSTM as ONNX: one LSTM operator over all steps, and one step written out as its equations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tools.row import INPUTS, STEPS, UNITS

_GATES = 4


def _weights(name: str, *shape: int) -> onnx.TensorProto:
    """Seeded, without zeros: no tool may leave a weight out."""
    values = np.random.default_rng(1).uniform(0.1, 1, shape)
    return numpy_helper.from_array(values.astype(np.float32), name)


def _value(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(graph: onnx.GraphProto, path: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(onnx.shape_inference.infer_shapes(model), str(path))
    return path


def write_operator(path: Path) -> Path:
    """One LSTM operator over all steps."""
    rows = _GATES * UNITS
    weights = [
        _weights("W", 1, rows, INPUTS),
        _weights("R", 1, rows, UNITS),
        _weights("B", 1, 2 * rows),
    ]
    node = helper.make_node("LSTM", ["x", "W", "R", "B"], ["", "y"], hidden_size=UNITS, name="lstm")
    x, y = _value("x", STEPS, 1, INPUTS), _value("y", 1, 1, UNITS)
    return _save(helper.make_graph([node], "lstm", [x], [y], weights), path)


def write_step(path: Path) -> Path:
    """One step: two MatMul, the additions, the gates and the cell."""
    rows = _GATES * UNITS
    sizes = numpy_helper.from_array(np.array([UNITS] * _GATES, np.int64), "sizes")
    weights = [_weights("W", INPUTS, rows), _weights("R", UNITS, rows), _weights("B", rows), sizes]
    equations = [
        ("MatMul", ["x", "W"], ["Wx"]),
        ("MatMul", ["h", "R"], ["Rh"]),
        ("Add", ["Wx", "Rh"], ["sum"]),
        ("Add", ["sum", "B"], ["gates"]),
        ("Split", ["gates", "sizes"], ["i.sum", "o.sum", "f.sum", "g.sum"]),
        ("Sigmoid", ["i.sum"], ["i"]),
        ("Sigmoid", ["o.sum"], ["o"]),
        ("Sigmoid", ["f.sum"], ["f"]),
        ("Tanh", ["g.sum"], ["g"]),
        ("Mul", ["f", "c"], ["kept"]),
        ("Mul", ["i", "g"], ["new"]),
        ("Add", ["kept", "new"], ["c.next"]),
        ("Tanh", ["c.next"], ["c.tanh"]),
        ("Mul", ["o", "c.tanh"], ["h.next"]),
    ]
    nodes = [
        helper.make_node(kind, read, made, name=f"{kind}_{made[0]}")
        for kind, read, made in equations
    ]
    for node in nodes:
        if node.op_type == "Split":
            node.attribute.append(helper.make_attribute("axis", 1))
    states = [_value("h", 1, UNITS), _value("c", 1, UNITS)]
    outputs = [_value("h.next", 1, UNITS), _value("c.next", 1, UNITS)]
    graph = helper.make_graph(nodes, "step", [_value("x", 1, INPUTS), *states], outputs, weights)
    return _save(graph, path)
