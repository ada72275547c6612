"""State dicts: weights by torch's names, and their order in a line of words.

A state dict says what modules there are (the shapes tell LSTM, GRU and RNN apart), but not in
which order they are run nor what stands between them. ``rnn,last,head:relu`` says that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rnnhw.errors import DesignError, RnnhwError, UsageError, escaped, few, unknown_name
from rnnhw.importers.functions import SELU
from rnnhw.importers.network import (
    FloatArray,
    Imported,
    Origin,
    Step,
    both_ways,
    cell_step,
    linear_step,
    named,
    simplified,
)
from rnnhw.importers.torch.tensors import Stored, opened_checkpoint, opened_safetensors
from rnnhw.layers.activations import (
    ELU,
    GELU,
    Activation,
    HardSigmoid,
    HardTanh,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)
from rnnhw.layers.cells import GRU, LSTM, Bidirectional, Elman, Last, Mean
from rnnhw.layers.vectors import LayerNorm, Max, Pointwise, Scale

__all__ = ["FUNCTIONS", "import_state"]

FUNCTIONS: Mapping[str, Activation] = {
    "relu": ReLU(),
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
    "silu": SiLU(),
    "gelu": GELU(),
    "elu": ELU(),
    "selu": SELU,
    "leaky_relu": LeakyReLU(),
    "softplus": Softplus(),
    "softsign": Softsign(),
    "hardtanh": HardTanh(),
    "hardsigmoid": HardSigmoid(1 / 6),
}
"""torch's functions by name, with its default parameters."""

_READ_OUTS = ("last", "final", "mean", "max")
_HELP = "name them in order: --layers rnn,last,head:relu"


def import_state(path: Path, layers: str | None = None, key: str | None = None) -> Imported:
    """The network of a checkpoint or safetensors file, run in the order of ``layers``.

    Args:
        path: ``.pt``, ``.pth``, ``.ckpt`` or ``.safetensors``.
        layers: modules by name, ``last`` (step), ``final`` (states of both directions), ``mean``,
            ``max``, and functions, alone or behind a module (``head:relu``). Left out where one
            recurrent module is all.
        key: the part of a checkpoint that holds the state dict.

    Raises:
        DesignError: the file cannot be read, or a module is no layer of rnnhw.
        UsageError: ``layers`` is needed or does not fit.
    """
    safe = path.suffix.lower() == ".safetensors"
    try:
        with opened_safetensors(path) if safe else opened_checkpoint(path, key) as tensors:
            modules = _modules(tensors)
            steps = _chain(modules, _words(modules, layers))
            used = {word.partition(":")[0] for word in _words(modules, layers)}
            found = named(simplified(steps))
    except RnnhwError as error:
        raise type(error)(escaped(error.message), escaped(error.hint)).at(str(path)) from None
    first = next((step for step in found if step.tensors), None)
    if first is None:
        raise UsageError(f"--layers {layers}: no module with weights", _HELP)
    notes = ["the order of its layers is the one that --layers gives: the file does not tell it"]
    left = sorted(set(modules) - used)
    if left:
        notes.append(f"left out: {few(left)}")
    weights = next((first.tensors[k] for k in ("W", "forward.W") if k in first.tensors), None)
    inputs = len(next(iter(first.tensors.values()))) if weights is None else weights.shape[1]
    kind = "safetensors" if safe else "state dict of torch"
    return Imported(tuple(found), int(inputs), Origin(kind), None, tuple(notes))


# --- modules --------------------------------------------------------------------------------------
_RECURRENT = re.compile(
    r"(?:(.*)\.)?(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(_l\d+)?(_reverse)?"
)
_KEYS = {
    "weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "b2", "weight_hr": "P",
}  # fmt: skip


@dataclass
class _Module:
    """The tensors of one module: of a recurrent one by (layer, direction) and key."""

    name: str
    plain: dict[str, Stored] = field(default_factory=dict)
    cells: dict[tuple[int, int], dict[str, Stored]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of network that the names and shapes of its tensors show; empty if none."""
        if self.cells:
            shapes = {key: each.shape for key, each in self.cells.get((0, 0), {}).items()}
            w, u = shapes.get("W", ()), shapes.get("U", ())
            if len(w) != 2 or len(u) != 2 or w[0] != u[0] or not u[1]:
                return ""
            units = shapes["P"][1] if len(shapes.get("P", ())) == 2 else u[1]
            gates, rest = divmod(w[0], units) if units else (0, 0)
            return "" if rest else {4: "LSTM", 3: "GRU", 1: "RNN"}.get(gates, "")
        shape = self.plain["weight"].shape if "weight" in self.plain else ()
        if "running_mean" in self.plain and "running_var" in self.plain:
            return "BatchNorm"
        if len(shape) == 1:
            return "LayerNorm"
        if len(shape) >= 2 and all(size == 1 for size in shape[2:]):
            return "Linear"
        return ""


def _modules(tensors: Mapping[str, Stored]) -> dict[str, _Module]:
    found: dict[str, _Module] = {}
    for full, tensor in tensors.items():
        match = _RECURRENT.fullmatch(full)
        if match:
            name, stem, layer, back = match.groups()
            module = found.setdefault(name or "rnn", _Module(name or "rnn"))
            place = (int((layer or "_l0")[2:]), int(back is not None))
            module.cells.setdefault(place, {})[_KEYS[stem]] = tensor
        else:
            name, _, stem = full.rpartition(".")
            name = name or ("linear" if stem in ("weight", "bias") else full)
            found.setdefault(name, _Module(name)).plain[stem] = tensor
    return found


def _words(modules: Mapping[str, _Module], layers: str | None) -> list[str]:
    """The words of ``layers``; without, the one recurrent module where that is all."""
    if layers is None:
        if len(modules) == 1 and next(iter(modules.values())).cells:
            return list(modules)
        listed = few(f"{m.name} ({m.kind or 'unknown'})" for m in modules.values())
        words = [name for name, module in modules.items() if module.kind]
        raise UsageError(
            f"it holds weights and not the order of its layers: {listed}",
            "name them in order, with last, final, mean or max between: "
            f"--layers {','.join(words)}",
        )
    return [word.strip() for word in layers.split(",") if word.strip()]


def _chain(modules: Mapping[str, _Module], words: Sequence[str]) -> list[Step]:
    """The layers of all words; ``final`` is read off the layer in front of it."""
    steps: list[Step] = []
    for word in words:
        if word != "final" or "final" in modules:
            steps += _steps(modules, word)
        elif steps and isinstance(steps[-1].layer, Bidirectional):
            steps[-1] = replace(steps[-1], layer=replace(steps[-1].layer, last=True))
        else:
            steps.append(Step(Last()))
    return steps


def _steps(modules: Mapping[str, _Module], word: str) -> list[Step]:
    """The layers of one word."""
    name, _, function = word.partition(":")
    if function and function not in FUNCTIONS:
        raise UsageError(*unknown_name("function", function, FUNCTIONS))
    if name not in modules:
        match name:
            case "last":
                return [Step(Last())]
            case "mean":
                return [Step(Mean(divide=True), {}, "mean")]
            case "max":
                return [Step(Max(), {}, "max")]
        if name in FUNCTIONS:
            return [Step(Pointwise(FUNCTIONS[name]), {}, name)]
        raise UsageError(*unknown_name("module", name, [*modules, *_READ_OUTS, *FUNCTIONS]))
    module = modules[name]
    try:
        steps = _module_steps(module, FUNCTIONS.get(function))
    except RnnhwError as error:
        raise error.at(f"module {name!r}") from None
    if function and module.kind != "RNN":
        steps.append(Step(Pointwise(FUNCTIONS[function]), {}, function))
    return steps


def _module_steps(module: _Module, function: Activation | None) -> list[Step]:
    kind = module.kind
    if kind in ("LSTM", "GRU", "RNN"):
        return _recurrent(module, kind, function or Tanh())
    plain = {key: tensor for key, tensor in module.plain.items() if key != "num_batches_tracked"}
    known = {"weight", "bias"} | ({"running_mean", "running_var"} if kind == "BatchNorm" else set())
    if not kind or not set(plain) <= known:
        shapes = [f"{key} {list(tensor.shape)}" for key, tensor in module.plain.items()]
        raise DesignError(
            f"its tensors are of no layer of rnnhw: {few(shapes)}",
            "leave it out of --layers, and feed what the first layer reads",
        )
    values = {key: tensor.read() for key, tensor in plain.items()}
    w, b = values.get("weight"), values.get("bias")
    if kind == "Linear":
        assert w is not None
        _same(b, w.shape[0])
        return [linear_step(w.reshape(w.shape[:2]), b, module.name)]
    if kind == "LayerNorm":
        assert w is not None
        _same(b, w.shape[0])
        found = {"a": w} if b is None else {"a": w, "b": b}
        return [Step(LayerNorm(_EPSILON, bias=b is not None), found, module.name)]
    mean, variance = values["running_mean"], values["running_var"]
    for part in (w, b, variance):
        _same(part, mean.shape[0] if mean.ndim == 1 else -1)
    a = (1.0 if w is None else w) / np.sqrt(variance + _EPSILON)
    shift = (0.0 if b is None else b) - mean * a
    return [Step(Scale(), {"a": a, "b": shift}, module.name)]


_EPSILON = 1e-5
"""torch's default; a state dict does not hold it."""


def _same(vector: FloatArray | None, count: int) -> None:
    if vector is not None and vector.shape != (count,):
        raise DesignError(f"a vector of shape {list(vector.shape)}, not [{count}]", "save it again")


def _recurrent(module: _Module, kind: str, function: Activation) -> list[Step]:
    """The layers of a module, in both directions where it has two."""
    ways = 2 if any(back for _, back in module.cells) else 1
    depth = max(layer for layer, _ in module.cells) + 1
    if set(module.cells) != {(layer, way) for layer in range(depth) for way in range(ways)}:
        raise DesignError("the tensors of a layer or direction are missing", "save it again")
    steps = []
    width = None
    for layer in range(depth):
        cells = [
            torch_cell(kind, {k: t.read() for k, t in module.cells[layer, way].items()}, function,
                       module.name, width)
            for way in range(ways)
        ]  # fmt: skip
        steps.append(cells[0] if ways == 1 else both_ways(*cells))
        units = cells[0].layer.units  # type: ignore[attr-defined]
        units = len(cells[0].tensors["P"]) if "P" in cells[0].tensors else units
        width = ways * units
    return steps


def torch_cell(
    kind: str,
    tensors: Mapping[str, FloatArray],
    function: Activation,
    origin: str,
    inputs: int | None = None,
    fed: Mapping[str, str] | None = None,
) -> Step:
    """One direction of torch's LSTM, GRU or RNN, whose gates have rnnhw's order already.

    Raises:
        DesignError: the shapes do not fit together, or not the ``inputs`` that it reads.
    """
    w, u = tensors["W"], tensors["U"]
    p = tensors.get("P")
    units = u.shape[-1] if p is None else p.shape[-1]
    rows = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * units
    wanted: dict[str, tuple[int, ...]] = {
        "W": (rows, w.shape[-1] if inputs is None else inputs),
        "U": (rows, u.shape[-1]),
        "b": (rows,),
        "b2": (rows,),
        "P": (u.shape[-1], units),
    }
    for key, value in tensors.items():
        if key in wanted and value.shape != wanted[key]:
            raise DesignError(
                f"{_NAMES[key]} has shape {list(value.shape)}, it should be {list(wanted[key])}",
                "save it again",
            )
    match kind:
        case "LSTM":
            lstm = LSTM(units, projection=None if p is None else p.shape[0])
            return cell_step(lstm, tensors, origin, fed)
        case "GRU":
            return cell_step(GRU(units), tensors, origin, fed)
    return cell_step(Elman(units, activation=function), tensors, origin, fed)


_NAMES = {key: name for name, key in _KEYS.items()}
