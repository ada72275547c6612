"""The LSTM as a TensorFlow Lite file: UNIDIRECTIONAL_SEQUENCE_LSTM with 8-bit weights.

Written with the schema that vela carries, so that no TensorFlow is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from tools.row import INPUTS, STEPS, UNITS

_INT32, _INT16, _INT8 = 2, 7, 9
_TANH = 4
_ABSENT = -1
"""The place of an optional input that is not there."""


def _schema(name: str) -> ModuleType:
    return import_module(f"ethosu.vela.tflite.{name}")


class _Writer:
    """One model: tensors and buffers first, then the operator that names them by number."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1 << 16)
        self.buffers = [self._buffer(None)]  # number 0: no data
        self.tensors: list[int] = []
        self._rng = np.random.default_rng(1)

    def vector(self, values: Sequence[float], kind: type[np.generic]) -> int:
        return int(self.builder.CreateNumpyVector(np.asarray(values, kind)))

    def offsets(self, start: Callable[[object, int], object], found: Sequence[int]) -> int:
        start(self.builder, len(found))
        for offset in reversed(found):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def _buffer(self, data: bytes | None) -> int:
        schema = _schema("Buffer")
        vector = None if data is None else self.builder.CreateByteVector(data)
        schema.Start(self.builder)
        if vector is not None:
            schema.AddData(self.builder, vector)
        return int(schema.End(self.builder))

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: int,
        scale: float,
        data: NDArray[np.generic] | None = None,
        variable: bool = False,
    ) -> int:
        """Its number."""
        b, schema, quantisation = self.builder, _schema("Tensor"), _schema("QuantizationParameters")
        buffer = 0
        if data is not None:
            self.buffers.append(self._buffer(data.tobytes()))
            buffer = len(self.buffers) - 1
        scales, zeros = self.vector([scale], np.float32), self.vector([0], np.int64)
        quantisation.Start(b)
        quantisation.AddScale(b, scales)
        quantisation.AddZeroPoint(b, zeros)
        quantised = quantisation.End(b)
        text, dimensions = b.CreateString(name), self.vector(shape, np.int32)
        schema.Start(b)
        schema.AddName(b, text)
        schema.AddShape(b, dimensions)
        schema.AddType(b, kind)
        schema.AddBuffer(b, buffer)
        schema.AddQuantization(b, quantised)
        schema.AddIsVariable(b, variable)
        self.tensors.append(schema.End(b))
        return len(self.tensors) - 1

    def weights(self, name: str, columns: int) -> int:
        """Seeded, over the whole range."""
        values = self._rng.integers(-127, 128, (UNITS, columns)).astype(np.int8)
        return self.tensor(name, values.shape, _INT8, 2**-7, values)


def _lstm(w: _Writer) -> tuple[int, int, int]:
    """The operator, with the numbers of its input and output tensor."""
    b, schema, options = (
        w.builder,
        _schema("Operator"),
        _schema("UnidirectionalSequenceLSTMOptions"),
    )
    x = w.tensor("x", [1, STEPS, INPUTS], _INT8, 2**-7)
    y = w.tensor("y", [1, STEPS, UNITS], _INT8, 2**-7)
    gates = ("i", "f", "c", "o")
    bias = np.zeros(UNITS, np.int32)
    places = [x]
    places += [w.weights(f"W.{gate}", INPUTS) for gate in gates]
    places += [w.weights(f"U.{gate}", UNITS) for gate in gates]
    places += [_ABSENT] * 3  # peepholes
    places += [w.tensor(f"b.{gate}", [UNITS], _INT32, 2**-14, bias) for gate in gates]
    places += [_ABSENT] * 2  # projection
    places.append(w.tensor("h", [1, UNITS], _INT8, 2**-7, variable=True))
    places.append(w.tensor("c", [1, UNITS], _INT16, 2**-11, variable=True))
    places += [_ABSENT] * 4  # layer normalisation
    between = [w.tensor(f"{gate}.sum", [1], _INT16, 2**-12) for gate in gates]
    between.append(w.tensor("hidden", [1], _INT8, 2**-7))
    options.Start(b)
    options.AddFusedActivationFunction(b, _TANH)
    chosen = options.End(b)
    inputs, outputs = w.vector(places, np.int32), w.vector([y], np.int32)
    intermediates = w.vector(between, np.int32)
    schema.Start(b)
    schema.AddInputs(b, inputs)
    schema.AddOutputs(b, outputs)
    schema.AddIntermediates(b, intermediates)
    schema.AddBuiltinOptionsType(
        b, _schema("BuiltinOptions").BuiltinOptions.UnidirectionalSequenceLSTMOptions
    )
    schema.AddBuiltinOptions(b, chosen)
    return schema.End(b), x, y


def write(path: Path) -> Path:
    """The model file."""
    w = _Writer()
    b = w.builder
    operator, x, y = _lstm(w)
    graph, code, model = _schema("SubGraph"), _schema("OperatorCode"), _schema("Model")
    operators = w.offsets(graph.StartOperatorsVector, [operator])
    tensors = w.offsets(graph.StartTensorsVector, w.tensors)
    inputs, outputs = w.vector([x], np.int32), w.vector([y], np.int32)
    graph.Start(b)
    graph.AddTensors(b, tensors)
    graph.AddInputs(b, inputs)
    graph.AddOutputs(b, outputs)
    graph.AddOperators(b, operators)
    graphs = [graph.End(b)]
    number = _schema("BuiltinOperator").BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    code.Start(b)
    code.AddDeprecatedBuiltinCode(b, number)
    code.AddBuiltinCode(b, number)
    code.AddVersion(b, 1)
    codes = [code.End(b)]
    vectors = (
        w.offsets(model.StartOperatorCodesVector, codes),
        w.offsets(model.StartSubgraphsVector, graphs),
        w.offsets(model.StartBuffersVector, w.buffers),
    )
    model.Start(b)
    model.AddVersion(b, 3)
    model.AddOperatorCodes(b, vectors[0])
    model.AddSubgraphs(b, vectors[1])
    model.AddBuffers(b, vectors[2])
    b.Finish(model.End(b), file_identifier=b"TFL3")
    path.write_bytes(b.Output())
    return path
