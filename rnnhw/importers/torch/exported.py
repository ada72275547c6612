"""Programs of ``torch.export.save`` (``.pt2``): a graph in JSON and the weights as bytes.

The archive holds pickles too (sample inputs): they are not read. Layout: torch/csrc/export and
torch.export.pt2_archive of torch 2.8 and later.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw.errors import DesignError, RnnhwError, UsageError, escaped, unknown_name
from rnnhw.importers.archive import Archive, opened_zip
from rnnhw.importers.branches import branched
from rnnhw.importers.network import Imported, Origin
from rnnhw.importers.torch.operators import OPERATORS, RECURRENT, Value, computed
from rnnhw.importers.torch.tensors import item_bytes, numbers
from rnnhw.importers.tracing import Axis, Run, Stack, Traced, chain

__all__ = ["import_exported"]

_AGAIN = "export it again"
_EXPORT = "torch.export.save(torch.export.export(model, (x,)), 'model.pt2') with torch 2.8 or later"


def import_exported(path: Path, start: str | None = None, end: str | None = None) -> Imported:
    """The network of a ``.pt2`` file, or its part from ``start`` to ``end``: names of values.

    Raises:
        DesignError: it holds what rnnhw cannot have; the message names the operation.
        UsageError: there is no such value.
    """
    try:
        with opened_zip(path, ".pt2 file") as archive:
            return _Program(archive).read(start, end)
    except RnnhwError as error:
        raise type(error)(escaped(error.message), escaped(error.hint)).at(str(path)) from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise DesignError(
            f"{path}: its program is not understood ({escaped(words)})", _EXPORT
        ) from None


class _Program:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        models = [n for n in archive.names if n.endswith(".json") and "/models/" in f"/{n}"]
        if len(models) != 1:
            raise DesignError(f"{len(models)} programs in it", _EXPORT)
        self._root = models[0].partition("models/")[0]
        name = models[0].rpartition("/")[2].removesuffix(".json")
        model = archive.json(models[0])
        self._version = str(model.get("torch_version", ""))[:40]
        self._graph = model["graph_module"]["graph"]
        self._signature = model["graph_module"]["signature"]
        self._weights = self._config(f"{self._root}data/weights/{name}_weights_config.json")
        self._constants = self._config(f"{self._root}data/constants/{name}_constants_config.json")
        self._values: dict[str, Value] = {}
        self._axes: list[Axis] = []

    def _config(self, name: str) -> Mapping[str, Any]:
        if name not in self._archive.names:
            return {}
        config = self._archive.json(name)["config"]
        assert isinstance(config, dict)
        return config

    def read(self, start: str | None, end: str | None) -> Imported:
        """The chain of layers in front of the output."""
        nodes = list(self._graph["nodes"])
        made = {name: node for node in nodes for name in _outputs(node)}
        for name in (start, end):
            if name is not None and name not in made and name not in self._inputs():
                raise UsageError(*unknown_name("value", name, made))
        outputs = [
            spec["user_output"]["arg"]["as_tensor"]["name"]
            for spec in self._signature["output_specs"]
            if "user_output" in spec
        ]
        targets = outputs if end is None else [end]
        needed = self._needed(made, targets, start)
        self._refuse_unrolled([node for node in nodes if id(node) in needed])
        self._place_inputs()
        if start is not None:
            self._values[start] = self._input(start)
        for node in nodes:
            if id(node) in needed:
                self._evaluate(node, nodes)
        values, names, notes = self._targets(targets)
        lines = [chain(value.flow) for value in values]
        notes += dict.fromkeys(note for line in lines for note in line.notes)
        found = branched(lines, names)
        if start is not None or end is not None:
            left = Counter(_short(node["target"]) for node in nodes if id(node) not in needed)
            if left:
                text = ", ".join(f"{kind} x{count}" for kind, count in left.most_common(6))
                notes.append(f"left out: {text}")
        if start is not None:
            notes.append(f"feed the value {start!r} as the input")
        sizes = [axis.size for axis in self._axes if axis.kind == "time" and axis.size]
        producer = f"torch {self._version}".strip()
        return Imported(
            found.trunk,
            Traced.inputs(lines[0].source, found.steps[0].tensors),
            Origin("torch.export", producer),
            max(sizes, default=None),
            tuple(notes),
            found.heads,
        )

    # --- values --------------------------------------------------------------------------------
    def _inputs(self) -> dict[str, str]:
        """The inputs of the graph: by name what they are, and the parameter's name."""
        found: dict[str, str] = {}
        for spec in self._signature["input_specs"]:
            for entry in spec.values():
                arg = entry.get("arg", {})
                name = arg.get("name") or arg.get("as_tensor", {}).get("name")
                if isinstance(name, str):
                    keys = ("parameter_name", "buffer_name", "tensor_constant_name")
                    found[name] = next((entry[key] for key in keys if key in entry), "")
        return found

    def _place_inputs(self) -> None:
        for name, parameter in self._inputs().items():
            if parameter:
                self._values[name] = self._stored(parameter)
            else:
                self._values[name] = self._input(name)

    def _input(self, name: str) -> Traced:
        sizes = [size.get("as_int") for size in self._graph["tensor_values"][name]["sizes"]]
        value = Traced.source(name, sizes)
        self._axes += [axis for dim in value.dims for axis in dim]
        return value

    def _stored(self, name: str) -> Value:
        """A parameter, buffer or constant."""
        folder = "weights" if name in self._weights else "constants"
        entry = {**self._constants, **self._weights}.get(name)
        if entry is None:
            raise DesignError(f"no weights {name!r} in it", _AGAIN)
        place = f"tensor {name[:80]!r}"
        if entry.get("use_pickle"):
            raise DesignError(f"{place} is a pickle, which is never loaded", _AGAIN)
        meta = entry["tensor_meta"]
        shape = _whole([size["as_int"] for size in meta["sizes"]])
        strides = _whole([size["as_int"] for size in meta["strides"]])
        (offset,) = _whole([meta["storage_offset"]["as_int"]])
        dtype = _TYPES.get(meta["dtype"])
        if dtype is None:
            raise DesignError(f"{place} holds type {meta['dtype']}", "export with float32")
        member = f"{self._root}data/{folder}/{entry['path_name']}"
        held = self._archive.size(member) // item_bytes(dtype)
        count = math.prod(shape)
        reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if count > held or (count and reach >= held):
            raise DesignError(f"{place} claims {list(shape)}, and the file holds less", _AGAIN)
        flat = numbers(
            place, self._archive.read(member)[: held * item_bytes(dtype)], dtype, (held,)
        )
        steps = [stride * flat.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps).copy()

    # --- nodes ---------------------------------------------------------------------------------
    def _needed(
        self, made: Mapping[str, Any], targets: Sequence[str], start: str | None
    ) -> set[int]:
        found: set[int] = set()
        pending, seen = list(targets), {start}
        while pending:
            name = pending.pop()
            if name in seen or name not in made:
                continue
            seen.add(name)
            found.add(id(made[name]))
            pending += _read_names(made[name]["inputs"])
        return found

    def _refuse_unrolled(self, nodes: Sequence[Any]) -> None:
        kinds = Counter(_short(node["target"]) for node in nodes)
        if any(kind in RECURRENT for kind in kinds):
            return
        weights = Counter(
            name
            for node in nodes
            if _short(node["target"]) in ("linear", "addmm", "mm", "matmul")
            for name in _read_names(node["inputs"])
            if name.startswith(("p_", "b_"))
        )
        repeated = [name for name, count in weights.items() if count > 1]
        if repeated:
            raise DesignError(
                f"its recurrence was unrolled: the weights {repeated[0]!r} are multiplied "
                f"{weights[repeated[0]]} times",
                "export with torch.export.export, without run_decompositions",
            )
        raise DesignError(
            "it holds no LSTM, GRU or RNN: a recurrence, if it had one, was unrolled to one step",
            "export a module with nn.LSTM, nn.GRU or nn.RNN (not of cells)",
        )

    def _evaluate(self, node: Mapping[str, Any], nodes: Sequence[Any]) -> None:
        kind = _short(node["target"])
        place = f"operation {node.get('name') or _outputs(node)[0]!r} ({kind})"
        try:
            if kind not in OPERATORS:
                raise DesignError("rnnhw has no such layer", self._cure(node, nodes))
            arguments = {each["name"]: self._argument(each["arg"]) for each in node["inputs"]}
            origin = _module_name(node) or kind
            results = computed(kind, origin, arguments)
        except RnnhwError as error:
            raise error.at(place) from None
        for name, value in zip(_outputs(node), results, strict=False):
            self._values[name] = value

    def _cure(self, node: Any, nodes: Sequence[Any]) -> str:
        layers = [each for each in nodes if _short(each["target"]) in RECURRENT]
        if layers and nodes.index(node) < nodes.index(layers[0]):
            first = _read_names(layers[0]["inputs"])[0]
            return f"cut the network behind it: --from {first}"
        made = [n for n in _read_names(node["inputs"]) if isinstance(self._values.get(n), Traced)]
        return f"cut the network in front of it: --to {made[0]}" if made else "cut with --to"

    def _argument(self, arg: Mapping[str, Any]) -> Any:
        """The value of an argument of a node."""
        ((kind, value),) = arg.items()
        match kind:
            case "as_tensor":
                return self._values[value["name"]]
            case "as_tensors":
                return [self._values[each["name"]] for each in value]
            case "as_optional_tensor":
                return self._argument(value) if value else None
            case "as_optional_tensors":
                return [self._argument(each) for each in value]
            case "as_sym_int" | "as_sym_bool" | "as_sym_float":
                return self._symbol(value)
            case "as_sym_ints":
                return [self._symbol(each) for each in value]
            case "as_none":
                return None
        return value

    def _symbol(self, value: Mapping[str, Any]) -> Any:
        if "as_name" in value:
            found = self._values[value["as_name"]]
            return found.reshape(-1)[0] if isinstance(found, np.ndarray) else found
        return next(iter(value.values()))

    # --- the output ----------------------------------------------------------------------------
    def _targets(self, targets: Sequence[str]) -> tuple[list[Traced], list[str], list[str]]:
        """The outputs that are imported, their names, and notes on the others: last states of
        layers."""
        traced: list[str] = []
        states: list[str] = []
        for name in targets:
            value = self._values.get(name)
            state = isinstance(value, Stack) or (
                isinstance(value, Traced)
                and isinstance(value.flow, Run)
                and value.flow.moment != "steps"
            )
            if isinstance(value, Traced | Stack):
                (states if state else traced).append(name)
        if not traced:
            finals = [name for name in states if isinstance(self._values[name], Traced)]
            traced, states = finals[:1], [name for name in states if name not in finals[:1]]
        if not traced:
            raise DesignError("no output depends on the input", "choose a value with --to")
        values = []
        for name in traced:
            value = self._values[name]
            assert isinstance(value, Traced)
            if isinstance(value.flow, Run) and value.flow.moment == "cell":
                value = replace(value, flow=replace(value.flow, moment="final"))
            values.append(value)
        notes = [
            f"output {name!r} is a last state: `simulate -o RUN.npz` saves those of all layers"
            for name in states
        ]
        return values, traced, notes


_TYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 12: "bool", 13: "bfloat16",
}  # fmt: skip
"""torch's numbers of its types, as its schema writes them."""


def _whole(values: Sequence[Any]) -> tuple[int, ...]:
    if not all(type(value) is int and value >= 0 for value in values):
        raise DesignError(f"sizes {str(values)[:60]}", _AGAIN)
    return tuple(values)


def _short(target: str) -> str:
    """``torch.ops.aten.gru.input`` as ``gru``."""
    parts = str(target).split(".")
    return parts[3] if parts[:3] == ["torch", "ops", "aten"] and len(parts) > 3 else str(target)


def _outputs(node: Mapping[str, Any]) -> list[str]:
    """The names of what a node gives."""
    return [name for each in node["outputs"] for name in _names_in(each)]


def _read_names(inputs: Any) -> list[str]:
    return [name for each in inputs for name in _names_in(each["arg"])]


def _names_in(value: Any) -> list[str]:
    """The names of values in an argument, however it wraps them."""
    match value:
        case {"name": str(name)} | {"as_name": str(name)}:
            return [name]
        case dict():
            return [name for each in value.values() for name in _names_in(each)]
        case list():
            return [name for each in value for name in _names_in(each)]
    return []


def _module_name(node: Mapping[str, Any]) -> str:
    """The name of the module that an operation belongs to: the last of its stack."""
    stack = str(node.get("metadata", {}).get("nn_module_stack", ""))
    last = stack.rpartition(";")[2].split(",")
    return last[1] if len(last) > 1 else ""
