"""Keras models, a chain of layers, as rnnhw's.

Keras keeps kernels as [inputs, gates], LSTM gates in the order i, f, c, o, GRU gates z, r, h.
Source: the layers' code and https://keras.io/api/layers/recurrent_layers/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw.errors import DesignError, RnnhwError, UsageError, escaped, few, unknown_name
from rnnhw.importers.functions import SELU
from rnnhw.importers.keras.file import Config, KerasFile, Shape, opened_keras
from rnnhw.importers.network import (
    FloatArray,
    Imported,
    Origin,
    Step,
    both_ways,
    cell_step,
    fewer_steps_added,
    linear_step,
    named,
    simplified,
)
from rnnhw.layers.activations import (
    ELU,
    GELU,
    Activation,
    Clipped,
    Exponential,
    HardSigmoid,
    HardTanh,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)
from rnnhw.layers.cells import GRU, LSTM, Elman, Last, Mean, Residual, Reverse
from rnnhw.layers.vectors import LayerNorm, Max, Pointwise, Scale

__all__ = ["import_keras"]


def import_keras(path: Path, start: str | None = None, end: str | None = None) -> Imported:
    """The network of a Keras file, or its layers from ``start`` to ``end``.

    Raises:
        DesignError: it holds what rnnhw cannot have; the message names the layer.
        UsageError: there is no such layer, or the package ``h5py`` is not installed.
    """
    try:
        with opened_keras(path) as file:
            return _Reader(file).read(start, end)
    except RnnhwError as error:
        raise type(error)(escaped(error.message), escaped(error.hint)).at(str(path)) from None


class _Reader:
    def __init__(self, file: KerasFile) -> None:
        self._file = file
        self._three = not file.version.startswith(("1.", "2."))
        self._notes: list[str] = []
        self._ended = ""
        self._max_steps: int | None = None

    def read(self, start: str | None, end: str | None) -> Imported:
        """The layers from the input to the output."""
        chain = _chain(self._file.model, end)
        names = [layer["config"]["name"] for layer in chain]
        first = 0
        if start is not None:
            if start not in names:
                raise UsageError(*unknown_name("layer", start, names))
            first = names.index(start)
        steps: list[Step] = []
        for position, layer in enumerate(chain):
            kind, config = layer["class_name"], layer["config"]
            if kind == "InputLayer":
                shape = config.get("batch_shape") or config.get("batch_input_shape") or ()
                self._see_shape(shape)
            if position < first:
                continue
            steps += self._read_layer(layer, partial(self._cure, chain, position))
        left = [c["class_name"] for c in chain[:first] if c["class_name"] != "InputLayer"]
        if left:
            self._notes.append(f"left out in front of the part: {', '.join(left)}")
            self._notes.append(f"feed what layer {start!r} reads as the input")
        every = {each["config"]["name"] for each in self._file.model["config"]["layers"]}
        behind = sorted(every - set(_names(chain)))
        if behind:
            self._notes.append(f"left out behind or beside the part: {few(behind)}")
        found = named(simplified(steps))
        flat = (step for chained in found for step in chained.flat)
        inputs = next((_inputs(step) for step in flat if step.tensors), None)
        if inputs is None:
            raise DesignError("it has no layer with weights", "choose other layers")
        producer = f"Keras {self._file.version}".strip()
        return Imported(
            tuple(found), inputs, Origin("Keras file", producer), self._max_steps,
            tuple(self._notes),
        )  # fmt: skip

    def _read_layer(self, layer: Config, cure: Callable[[], str]) -> list[Step]:
        """The steps of a layer; ``cure`` tells where to cut at one that cannot be."""
        kind, config = layer["class_name"], layer["config"]
        if "around" in layer:
            return [self._skip_connection(layer, cure)]
        place = f"layer {config['name']!r} ({kind})"
        try:
            return self._steps(kind, config, layer)
        except RnnhwError as error:
            raise type(error)(error.message, error.hint or cure()).at(place) from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise DesignError(
                f"{place}: its configuration is not understood ({words})", "save it again"
            ) from None

    def _skip_connection(self, layer: Config, cure: Callable[[], str]) -> Step:
        """``Add`` of what layers read and what they give."""
        name = layer["config"]["name"]
        steps = [step for each in layer["around"] for step in self._read_layer(each, cure)]
        for step in steps:
            if isinstance(step.layer, Last | Mean | Max):
                what = f"the {type(step.layer).__name__.lower()} over time"
                raise fewer_steps_added(what).at(f"layer {name!r} (Add)")
        inner = tuple(steps) or (Step(Pointwise(Identity()), {}, name),)
        return Step(Residual([step.layer for step in inner]), {}, name, inner=inner)

    def _see_shape(self, shape: Sequence[Any]) -> None:
        if len(shape) > 2 and isinstance(shape[1], int):
            self._max_steps = shape[1]

    def _cure(self, chain: Sequence[Config], position: int) -> str:
        """Where to cut a network at a layer that cannot be imported."""
        kinds = [layer["class_name"] for layer in chain]
        later = [k for k in range(position + 1, len(chain)) if kinds[k] in _RECURRENT]
        if later:
            return f"cut the network: --from {chain[position + 1]['config']['name']}"
        if position > 0:
            return f"cut the network in front of it: --to {chain[position - 1]['config']['name']}"
        return "rnnhw has recurrent and linear layers"

    # --- layers ----------------------------------------------------------------------------------
    def _steps(self, kind: str, config: Config, layer: Config) -> list[Step]:
        if kind in _NOTHING:
            return []
        if self._ended:
            raise DesignError(f"it reads what is left to the host ({self._ended})", "cut with --to")
        if "batch_input_shape" in config:  # Keras 2's first layer
            self._see_shape(config["batch_input_shape"])
        if kind in _RECURRENT:
            one = 1 if layer.get("tensor_index") == 1 else None
            return self._recurrent(kind, config, last=one == 1)
        make = _LAYERS.get(kind)
        if make is None:
            raise DesignError(_KNOWN_LACKS.get(kind, "rnnhw has no such layer"))
        return make(self, config)

    def _weights(self, config: Config, *shapes: Shape) -> list[FloatArray]:
        return self._file.weights(config["name"], shapes)

    def _recurrent(self, kind: str, config: Config, *, last: bool) -> list[Step]:
        if kind == "Bidirectional":
            return self._both_ways(config)
        steps_given = bool(config.get("return_sequences", False)) and not last
        shapes = _shapes(kind, config)
        step = self._cell(kind, config, self._weights(config, *shapes), config["name"])
        front = [Step(Reverse())] if config.get("go_backwards") else []
        # With go_backwards the steps come out in the order in which they were computed.
        return [*front, step] if steps_given else [*front, step, Step(Last())]

    def _both_ways(self, config: Config) -> list[Step]:
        inner = config["layer"]
        other = config.get("backward_layer") or inner
        kinds = [inner["class_name"], other["class_name"]]
        if any(kind not in _RECURRENT or kind == "Bidirectional" for kind in kinds):
            raise DesignError(f"both ways of {' and '.join(kinds)}")
        own, back = inner["config"], other["config"]
        if own.get("go_backwards"):
            raise DesignError("its forward layer has go_backwards=True", "turn the two round")
        if bool(own.get("return_sequences")) != bool(back.get("return_sequences")):
            raise DesignError("one direction gives sequences, the other does not")
        mode = config.get("merge_mode", "concat")
        joins = {"concat": "concatenate", "sum": "add", "ave": "mean", "mul": "multiply"}
        if mode not in joins:
            raise DesignError(
                f"merge_mode={mode!r}: two outputs", f"rnnhw joins both: {', '.join(joins)}"
            )
        shapes = [_shapes(inner["class_name"], own), _shapes(other["class_name"], back)]
        arrays = self._weights(config, *shapes[0], *shapes[1])
        count = len(shapes[0])
        ahead = self._cell(kinds[0], own, arrays[:count], config["name"])
        behind = self._cell(kinds[1], back, arrays[count:], config["name"])
        last = not own.get("return_sequences", False)
        return [both_ways(ahead, behind, join=joins[mode], last=last)]

    def _cell(self, kind: str, config: Config, arrays: Sequence[FloatArray], origin: str) -> Step:
        """One direction of a recurrent layer."""
        if config.get("time_major"):
            raise DesignError("time_major=True", "rnnhw and Keras 3 read [batch, time, features]")
        if config.get("stateful"):
            self._notes.append(
                f"layer {origin!r} is stateful: it starts a call where the last one ended; feed "
                "first states for that"
            )
        kind, cell = _cell_of(kind, config)
        units = int(cell["units"])
        w, u, *bias = arrays
        function = self._function(cell["activation"])
        if kind == "SimpleRNN":
            tensors = {"W": w.T, "U": u.T, **({"b": bias[0]} if bias else {})}
            return cell_step(Elman(units, activation=function), tensors, origin)
        gate = self._function(cell["recurrent_activation"])
        if kind == "LSTM":
            tensors = {"W": w.T, "U": u.T, **({"b": bias[0]} if bias else {})}
            layer = LSTM(units, activation=function, gate_activation=gate)
            return cell_step(layer, tensors, origin)
        after = bool(cell.get("reset_after", False))
        tensors = {"W": _r_first(w.T), "U": _r_first(u.T)}
        if bias:
            parts = bias[0] if after else bias[0][None]
            tensors |= {key: _r_first(b) for key, b in zip(("b", "b2"), parts, strict=False)}
        gru = GRU(
            units,
            reset="after" if after else "before",
            activation=function,
            gate_activation=gate,
        )
        return cell_step(gru, tensors, origin)

    def dense(self, config: Config) -> list[Step]:
        """A linear layer with its activation."""
        if config.get("quantization_config") or config.get("lora_rank"):
            raise DesignError("quantised or adapted weights", "save the float model")
        units, biased = int(config["units"]), config.get("use_bias", True)
        w, *b = self._weights(config, (None, units), *([(units,)] if biased else []))
        step = linear_step(w.T, b[0] if b else None, config["name"])
        return [step, *self._activated(config["activation"], config["name"])]

    def wrapped(self, config: Config) -> list[Step]:
        """TimeDistributed: a layer at every step, as all of rnnhw's are."""
        inner = config["layer"]
        if inner["class_name"] not in _EVERY_STEP:
            raise DesignError(f"TimeDistributed of {inner['class_name']}")
        return self._steps(inner["class_name"], {**inner["config"], "name": config["name"]}, {})

    def activation(self, config: Config) -> list[Step]:
        """An activation of its own."""
        return self._activated(config["activation"], config["name"])

    def function_layer(self, name: str) -> Callable[[Config], list[Step]]:
        """A layer that is a function."""
        return lambda config: self._activated(name, config["name"])

    def relu(self, config: Config) -> list[Step]:
        """ReLU with a slope or a limit."""
        slope = config.get("negative_slope") or 0.0
        limit, threshold = config.get("max_value"), config.get("threshold") or 0.0
        if threshold or (slope and limit):
            raise DesignError(f"threshold={threshold}, negative_slope={slope}, max_value={limit}")
        function = LeakyReLU(slope) if slope else Clipped(ReLU(), limit) if limit else ReLU()
        return [Step(Pointwise(function), {}, config["name"])]

    def leaky_relu(self, config: Config) -> list[Step]:
        """LeakyReLU, whose slope has had two names."""
        slope = float(config.get("negative_slope", config.get("alpha", 0.3)))
        return [Step(Pointwise(LeakyReLU(slope)), {}, config["name"])]

    def elu(self, config: Config) -> list[Step]:
        """ELU."""
        return [Step(Pointwise(ELU(float(config.get("alpha", 1.0)))), {}, config["name"])]

    def softmax(self, config: Config) -> list[Step]:
        """Softmax, left to the host."""
        return self._activated("softmax", config["name"])

    def batch_norm(self, config: Config) -> list[Step]:
        """Batch normalisation with the statistics of training."""
        _last_axis(config)
        parts = [("gamma", config.get("scale", True)), ("beta", config.get("center", True))]
        names = [name for name, there in parts if there] + ["mean", "variance"]
        arrays = self._weights(config, *[(None,)] * len(names))
        found = dict(zip(names, arrays, strict=True))
        a = found.get("gamma", 1.0) / np.sqrt(found["variance"] + config.get("epsilon", 1e-3))
        return [_scaled(config["name"], a, found.get("beta", 0.0) - found["mean"] * a)]

    def layer_norm(self, config: Config) -> list[Step]:
        """Layer normalisation over the features."""
        _last_axis(config)
        if config.get("rms_scaling"):
            raise DesignError("rms_scaling=True", "rnnhw has layer normalisation with the mean")
        parts = [("a", config.get("scale", True)), ("b", config.get("center", True))]
        names = [name for name, there in parts if there]
        arrays = self._weights(config, *[(None,)] * len(names))
        layer = LayerNorm(float(config.get("epsilon", 1e-3)), scale="a" in names, bias="b" in names)
        return [Step(layer, dict(zip(names, arrays, strict=True)), config["name"])]

    def masking(self, config: Config) -> list[Step]:
        """Masking, which lengths stand for."""
        self._notes.append(
            f"layer {config['name']!r} skips steps whose features are all "
            f"{config.get('mask_value', 0.0)}: give the data `lengths` for those at the end; rnnhw "
            "does not skip steps in the middle"
        )
        return []

    def mean(self, config: Config) -> list[Step]:
        """The mean over time."""
        return [Step(Mean(divide=True), {}, config["name"])]

    def maximum(self, config: Config) -> list[Step]:
        """The maximum over time."""
        return [Step(Max(), {}, config["name"])]

    # --- activations -----------------------------------------------------------------------------
    def _activated(self, given: object, name: str) -> list[Step]:
        if _name_of(given) in ("softmax", "log_softmax"):
            self._ended = f"{_name_of(given)}: the scores go to the host; the largest is the same"
            self._notes.append(f"left out behind layer {name!r}: {self._ended}")
            return []
        function = self._function(given)
        return [] if function == Identity() else [Step(Pointwise(function), {}, name)]

    def _function(self, given: object) -> Activation:
        name = _name_of(given)
        if name == "hard_sigmoid":
            return HardSigmoid(1 / 6 if self._three else 0.2)
        if name not in _FUNCTIONS:
            raise DesignError(
                f"activation {name!r} is unknown", f"known: {', '.join(sorted(_FUNCTIONS))}"
            )
        return _FUNCTIONS[name]


_NOTHING = {
    "InputLayer", "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "ActivityRegularization",
}  # fmt: skip
_RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional"}
_EVERY_STEP = {"Dense", "Activation", "Dropout", "ReLU", "LeakyReLU", "ELU", "LayerNormalization"}

_LAYERS: Mapping[str, Callable[[_Reader, Config], list[Step]]] = {
    "Dense": _Reader.dense,
    "TimeDistributed": _Reader.wrapped,
    "Activation": _Reader.activation,
    "ReLU": _Reader.relu,
    "LeakyReLU": _Reader.leaky_relu,
    "ELU": _Reader.elu,
    "Softmax": _Reader.softmax,
    "BatchNormalization": _Reader.batch_norm,
    "LayerNormalization": _Reader.layer_norm,
    "Masking": _Reader.masking,
    "GlobalAveragePooling1D": _Reader.mean,
    "GlobalMaxPooling1D": _Reader.maximum,
}

_KNOWN_LACKS = {
    "Embedding": "an embedding: its input is an index; feed the vectors of it",
    "Lambda": "a layer of Python code, which is never run",
    "Conv1D": "a convolution in front of the recurrence: feed what it gives",
}

_FUNCTIONS: Mapping[str, Activation] = {
    "linear": Identity(),
    "relu": ReLU(),
    "relu6": Clipped(ReLU(), 6.0),
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
    "hard_tanh": HardTanh(),
    "elu": ELU(),
    "selu": SELU,
    "leaky_relu": LeakyReLU(0.2),
    "softplus": Softplus(),
    "softsign": Softsign(),
    "silu": SiLU(),
    "swish": SiLU(),
    "gelu": GELU(),
    "exponential": Exponential(),
}


def _name_of(given: object) -> str:
    """The name of an activation, which newer files wrap."""
    match given:
        case None:
            return "linear"
        case str():
            return given
        case {"config": str(name)} | {"class_name": str(name)}:
            return name
    return repr(given)[:40]


def _cell_of(kind: str, config: Config) -> tuple[str, Config]:
    """The configuration of a layer's cell: the layer's, or that of the cell of ``RNN(cell)``."""
    if kind != "RNN":
        return kind, config
    inner = config["cell"]
    name = inner["class_name"].removesuffix("Cell")
    if name not in ("LSTM", "GRU", "SimpleRNN"):
        raise DesignError(f"a cell of class {inner['class_name']}")
    return name, inner["config"]


def _shapes(kind: str, config: Config) -> list[Shape]:
    """The shapes of a cell's kernel, recurrent kernel and bias."""
    kind, cell = _cell_of(kind, config)
    units = int(cell["units"])
    rows = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[kind] * units
    found: list[Shape] = [(None, rows), (units, rows)]
    if cell.get("use_bias", True):
        found.append((2, rows) if kind == "GRU" and cell.get("reset_after") else (rows,))
    return found


def _r_first(stacked: FloatArray) -> FloatArray:
    """The gates z, r, h as r, z, n."""
    z, r, n = np.split(stacked, 3)
    return np.concatenate([r, z, n])


def _scaled(name: str, a: FloatArray, b: FloatArray) -> Step:
    return Step(Scale(), {"a": a, "b": b}, name)


def _last_axis(config: Config) -> None:
    axis = config.get("axis", -1)
    if axis not in (-1, [-1], 2, [2], [1]):
        raise DesignError(f"axis={axis}", "rnnhw normalises the features, the last axis")


def _inputs(step: Step) -> int:
    """How many features a layer with weights reads."""
    for key in ("W", "forward.W"):
        if key in step.tensors:
            return int(step.tensors[key].shape[1])
    return len(next(iter(step.tensors.values())))


# --- the graph of a functional model -------------------------------------------------------------
def _chain(model: Config, end: str | None) -> list[Config]:
    """The layers from the input to the output, or to ``end``."""
    layers = {layer["config"]["name"]: layer for layer in model["config"]["layers"]}
    if end is not None and end not in layers:
        raise UsageError(*unknown_name("layer", end, layers))
    if model["class_name"] == "Sequential":
        names = list(layers)
        return [layers[n] for n in names[: len(names) if end is None else names.index(end) + 1]]
    if end is None:
        outputs = _references(model["config"].get("output_layers", []))
        if len(outputs) != 1:
            shown = [name for name, _ in outputs]
            raise DesignError(
                f"it has {len(outputs)} outputs: {few(shown)}",
                f"choose one: --to {shown[0]}" if shown else "",
            )
        name, index = outputs[0]
    else:
        name, index = end, 0
    return _walked(layers, name, index, None)


def _walked(layers: Mapping[str, Config], name: str, index: int, stop: str | None) -> list[Config]:
    """The layers from behind ``stop``, or from the input, to the one called ``name``.

    An ``Add`` of what some layers read and what they give has those layers as ``around``.
    """
    chain: list[Config] = []
    while name != stop:
        if name not in layers or len(chain) > len(layers):
            raise DesignError(f"layer {name!r} is read but not there", "save it again")
        layer = layers[name]
        if index > 1:
            raise DesignError(f"the cell state of layer {name!r} is read", "read its output")
        sources = list(dict.fromkeys(_references(layer.get("inbound_nodes", []))))
        if len(sources) == 2 and layer["class_name"] == "Add":
            read, (deep, deep_index) = _skip(layers, name, sources)
            around = _walked(layers, deep, deep_index, read)
            chain.append({**layer, "around": around})
            name, index = read, 0
            continue
        chain.append({**layer, "tensor_index": index})
        if not sources:
            if stop is None:
                break
            raise DesignError(  # ``stop`` is within another skip connection
                f"skip connections around layer {stop!r} overlap",
                "rnnhw has them one in another; cut the network with --from or --to",
            )
        if len(sources) > 1:
            shown = [source for source, _ in sources]
            raise DesignError(
                f"layer {name!r} ({layer['class_name']}) reads several: {few(shown)}",
                "rnnhw has chains of layers; cut the network with --from or --to",
            )
        name, index = sources[0]
    return chain[::-1]


def _names(chain: Sequence[Config]) -> Iterator[str]:
    """The names of the layers of a chain, those within skip connections too."""
    for layer in chain:
        yield from _names(layer.get("around", ()))
        yield layer["config"]["name"]


def _skip(
    layers: Mapping[str, Config], name: str, sources: Sequence[tuple[str, int]]
) -> tuple[str, tuple[str, int]]:
    """The layer whose output is added to what is computed from it, and the last layer of that.

    Raises:
        DesignError: neither of the two is computed from the other, or one is a state.
    """
    for (read, index), deep in (sources, sources[::-1]):
        before = _read_by(layers, deep[0])
        if deep[0] in before:
            raise DesignError(f"layer {deep[0]!r} reads itself", "save it again")
        if index == 0 and read in before:
            return read, deep
    shown = [source for source, _ in sources]
    raise DesignError(
        f"layer {name!r} (Add) adds {shown[0]!r} and {shown[1]!r}, of which neither is computed "
        "from the other's output",
        "rnnhw adds what layers read to what they give; cut the network with --to in front of it",
    )


def _read_by(layers: Mapping[str, Config], name: str) -> set[str]:
    """All layers whose outputs the one called ``name`` is computed from."""
    reached: set[str] = set()
    left = [name]
    while left:
        for source, _ in _references(layers.get(left.pop(), {}).get("inbound_nodes", [])):
            if source not in reached:
                reached.add(source)
                left.append(source)
    return reached


def _references(nodes: object) -> list[tuple[str, int]]:
    """The (layer, output) pairs of inbound nodes, as Keras 2 and 3 write them."""
    match nodes:
        case [str(name), int(), int(index), *_]:
            return [(name, index)]
        case {"keras_history": [str(name), int(), int(index), *_]}:
            return [(name, index)]
        case dict():
            return [pair for value in nodes.values() for pair in _references(value)]
        case list():
            return [pair for value in nodes for pair in _references(value)]
    return []
