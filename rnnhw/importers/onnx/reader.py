"""An ONNX graph, node by node, as a chain of layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw.errors import DesignError, RnnhwError, UsageError, escaped, unknown_name
from rnnhw.importers.branches import branched
from rnnhw.importers.network import Imported, Origin
from rnnhw.importers.onnx.constants import FOLDED, folded
from rnnhw.importers.onnx.file import attributes, read_model, tensor_array
from rnnhw.importers.onnx.operators import OPERATORS, Value, computed
from rnnhw.importers.onnx.recurrent import RECURRENT
from rnnhw.importers.tracing import Axis, Run, Stack, Traced, chain

__all__ = ["import_onnx"]


def import_onnx(path: Path, start: str | None = None, end: str | None = None) -> Imported:
    """The network of an ONNX file, or its part from ``start`` to ``end``: names of nodes or
    values.

    Raises:
        DesignError: it holds what rnnhw cannot have; the message names node and attribute.
        UsageError: there is no such node, or the package ``onnx`` is not installed.
    """
    model = read_model(path)
    try:
        return _Reader(model, path.parent, start, end).read()
    except RnnhwError as error:
        raise type(error)(escaped(error.message), escaped(error.hint)).at(str(path)) from None


@dataclass(frozen=True)
class _Graph:
    """Nodes of one graph, and the tensors that they see: its own and those around it."""

    nodes: Sequence[Any]
    tensors: Mapping[str, Any]
    inputs: Mapping[str, Any]
    outputs: Sequence[str]


class _Reader:
    def __init__(self, model: Any, folder: Path, start: str | None, end: str | None) -> None:
        self._model = model
        self._folder = folder
        self._start, self._end = start, end
        self._graph = self._chosen_graph()
        self._maker = {name: node for node in self._graph.nodes for name in node.output if name}
        self._values: dict[str, Value] = {}
        self._axes: list[Axis] = []

    def read(self) -> Imported:
        """The chain of layers in front of the output."""
        first = self._first_value()
        targets = [self._value_of(self._end, output=True)] if self._end else self._graph.outputs
        needed = self._needed(targets, first)
        self._refuse_unrolled(needed)
        if first is not None:
            self._values[first] = self._input(first, self._known_shape(first))
        done = set()
        for node in self._graph.nodes:
            if id(node) in needed:
                self._evaluate(node)
                done.add(id(node))
        values, names, notes = self._targets(targets)
        lines = [chain(value.flow) for value in values]
        notes += dict.fromkeys(note for line in lines for note in line.notes)
        notes += [
            f"the file works for {axis.kind or 'an axis'} of size {axis.only} alone; rnnhw for any"
            for axis in self._axes
            if axis.only is not None
        ]
        for line in lines:
            if line.source.part:
                raise DesignError(f"the output is a part of the input, {line.source.part}", "")
        notes += self._left_out(done, first)
        found = branched(lines, names)
        features = Traced.inputs(lines[0].source, found.steps[0].tensors)
        sizes = [axis.size for axis in self._axes if axis.kind == "time" and axis.size]
        return Imported(
            found.trunk,
            features,
            self._origin(),
            max(sizes, default=None),
            tuple(notes),
            found.heads,
        )

    # --- graphs and values -----------------------------------------------------------------------
    def _graphs(self) -> Iterator[_Graph]:
        """The main graph, then those inside of If, Loop and Scan nodes."""

        def inner(graph: Any, around: Mapping[str, Any]) -> Iterator[_Graph]:
            tensors = {**around, **{tensor.name: tensor for tensor in graph.initializer}}
            inputs = {each.name: each for each in graph.input if each.name not in tensors}
            yield _Graph(graph.node, tensors, inputs, [each.name for each in graph.output])
            for node in graph.node:
                for attribute in node.attribute:
                    for below in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                        yield from inner(below, tensors)

        yield from inner(self._model.graph, {})

    def _chosen_graph(self) -> _Graph:
        """The graph that holds the places where the network is cut; the main one without."""
        wanted = [name for name in (self._start, self._end) if name]
        graphs = list(self._graphs())
        for graph in graphs:
            names = _names(graph.nodes) | set(graph.inputs) | _outside(graph)
            if all(name in names for name in wanted):
                return graph
        every = {name for graph in graphs for name in _names(graph.nodes) | set(graph.inputs)}
        for name in wanted:
            if name not in every:
                raise UsageError(*unknown_name("node", name, every))
        raise UsageError(
            f"{wanted[0]!r} and {wanted[1]!r} are in different graphs", "cut within one graph"
        )

    def _value_of(self, name: str, *, output: bool) -> str:
        """The value that a name means: itself, or that of the node of this name."""
        if name in self._maker:
            return name
        if not output and (name in self._graph.inputs or name in _outside(self._graph)):
            return name
        node = next((node for node in self._graph.nodes if node.name == name), None)
        if node is None:
            raise UsageError(*unknown_name("value", name, self._maker))
        if output:
            return str(node.output[0])
        inputs = [each for each in node.input if each and each not in self._graph.tensors]
        if not inputs:
            raise UsageError(f"node {name!r} reads no computed value", "choose another --from")
        return str(inputs[0])

    def _first_value(self) -> str | None:
        return None if self._start is None else self._value_of(self._start, output=False)

    def _needed(self, targets: Iterable[str], first: str | None) -> set[int]:
        """The nodes in front of ``targets``, those in front of ``first`` left out."""
        found: set[int] = set()
        pending = list(targets)
        seen = {first}
        while pending:
            name = pending.pop()
            node = self._maker.get(name)
            if name in seen or node is None:
                continue
            seen.add(name)
            found.add(id(node))
            pending += node.input
        return found

    def _known_shape(self, name: str) -> list[int | None] | None:
        """The declared or inferred shape of a value; None: not even its rank is known."""
        import onnx

        declared = [*self._model.graph.input, *self._model.graph.value_info]
        try:
            inferred = onnx.shape_inference.infer_shapes(self._model)
            declared += [*inferred.graph.value_info, *inferred.graph.output]
        except (RuntimeError, ValueError, onnx.shape_inference.InferenceError):
            pass
        return next((_shape(each) for each in declared if each.name == name and _shape(each)), None)

    def _input(self, name: str, shape: list[int | None] | None) -> Traced:
        if shape is None:
            readers = {node.op_type for node in self._graph.nodes if name in node.input}
            shape = [None] * (2 if readers & {"Gemm", "Unsqueeze"} else 3)
        value = Traced.source(name, shape)
        self._axes += [axis for dim in value.dims for axis in dim]
        return value

    def _value(self, name: str) -> Value:
        if not name:
            return None
        if name not in self._values:
            if name in self._graph.tensors:
                tensor = self._graph.tensors[name]
                self._values[name] = tensor_array(name, tensor, self._folder)
            elif name in self._graph.inputs:
                self._values[name] = self._input(name, _shape(self._graph.inputs[name]))
            else:
                raise DesignError(
                    f"value {name!r} comes from outside of this graph",
                    f"start the network at it: --from {name}",
                )
        return self._values[name]

    # --- nodes -----------------------------------------------------------------------------------
    def _evaluate(self, node: Any) -> None:
        try:
            outputs = self._outputs(node)
        except RnnhwError as error:
            raise error.at(_called(node)) from None
        except (KeyError, IndexError, TypeError, ValueError) as error:
            # Of a damaged file: a node without its inputs, an attribute of another type.
            words = " ".join(f"{type(error).__name__}: {error}".split())[:120]
            raise DesignError(
                f"{_called(node)}: its inputs or attributes do not fit ({words})", "export it again"
            ) from None
        for name, value in zip(node.output, outputs, strict=False):
            self._values[name] = value

    def _outputs(self, node: Any) -> list[Value]:
        operator = node.op_type
        if node.domain not in ("", "ai.onnx"):
            hint = "export the float network with standard operators"
            if operator == "DynamicQuantizeLSTM":
                hint = "import the float network that it was quantised from: it is better"
            raise DesignError(f"an operator of {node.domain}", hint)
        inputs = [self._value(name) for name in node.input]
        known = {
            name: tensor_array(f"attribute {name}", value, self._folder)
            if type(value).__name__ == "TensorProto"
            else value
            for name, value in attributes(node).items()
        }
        arrays = [value for value in inputs if value is None or isinstance(value, np.ndarray)]
        if len(arrays) == len(inputs) and operator in FOLDED:
            return [*folded(operator, known, arrays)]
        if operator not in OPERATORS:
            raise DesignError("rnnhw has no such layer", self._cure(node))
        return computed(operator, node.name or node.output[0], known, inputs)

    def _cure(self, node: Any) -> str:
        """Where to cut a network at a node that cannot be imported."""
        order = list(self._graph.nodes)
        layers = [each for each in order if each.op_type in RECURRENT]
        if layers and order.index(node) < order.index(layers[0]):
            return (
                f"cut the network behind it: --from {layers[0].input[0]} starts at what the first "
                "recurrent layer reads"
            )
        if layers and order.index(node) > order.index(layers[-1]):
            made = [name for name in node.input if isinstance(self._values.get(name), Traced)]
            if made:
                return f"cut the network in front of it: --to {made[0]}"
        inside = [g for g in self._graphs() if any(n.op_type in RECURRENT for n in g.nodes)]
        if not layers and inside:
            first = next(n for n in inside[0].nodes if n.op_type in RECURRENT)
            return (
                f"the first recurrent layer is inside of it: --from {first.input[0]} --to "
                f"{next(filter(None, first.output))}"
            )
        return "cut the network with --from or --to"

    def _refuse_unrolled(self, needed: set[int]) -> None:
        """Tell a recurrence that its exporter has written out."""
        nodes = [node for node in self._graph.nodes if id(node) in needed]
        if any(node.op_type in RECURRENT or node.domain not in ("", "ai.onnx") for node in nodes):
            return
        if any(n.op_type in RECURRENT for graph in self._graphs() for n in graph.nodes):
            return  # told by the node that holds it
        producer = self._origin().producer or "an exporter that does not say its name"
        cure = (
            "import the source's own file (.keras, .h5, .pt2), or export with "
            "torch.onnx.export(..., dynamo=False)"
        )
        weights = Counter(
            name
            for node in nodes
            if node.op_type in ("MatMul", "Gemm")
            for name in node.input
            if self._is_constant(name)
        )
        kinds = Counter(node.op_type for node in nodes)
        repeated = [name for name, count in weights.items() if count > 1]
        if repeated:
            steps = max(weights.values())
            raise DesignError(
                f"its recurrence was unrolled by {producer}: the weights {repeated[0]!r} are "
                f"multiplied {steps} times, and other lengths are not computed",
                cure,
            )
        if kinds["Loop"] or kinds["Scan"]:
            raise DesignError("its recurrence is a loop of other operators", cure)
        if kinds["Tanh"] + kinds["Sigmoid"] > 1 or kinds["Split"]:
            raise DesignError(
                f"its recurrence was unrolled to a single step by {producer}: no RNN, LSTM or GRU "
                "is left",
                cure,
            )
        raise DesignError(
            "it holds no RNN, LSTM or GRU: a recurrence, if it had one, was unrolled to a single "
            f"step by {producer}",
            cure,
        )

    def _is_constant(self, name: str) -> bool:
        """Whether a value is stored, maybe behind a transpose."""
        while name not in self._graph.tensors:
            node = self._maker.get(name)
            if node is None or node.op_type not in ("Transpose", "Identity", "Constant"):
                return False
            if node.op_type == "Constant":
                return True
            name = node.input[0]
        return True

    # --- what is imported ------------------------------------------------------------------------
    def _targets(self, targets: Sequence[str]) -> tuple[list[Traced], list[str], list[str]]:
        """The outputs that are imported, their names, and notes on the others: last states of
        layers."""
        traced: list[str] = []
        states: list[str] = []
        for name in targets:
            value = self._value(name)
            if isinstance(value, Stack):
                states.append(name)
            elif isinstance(value, Traced):
                run = value.flow
                state = isinstance(run, Run) and run.moment != "steps"
                (states if state else traced).append(name)
        if not traced and states:
            # A last state is what a layer gives at its last step; a last cell goes with it.
            traced = [name for name in states if self._is_final(name)][:1]
            states = [name for name in states if name not in traced]
            if not traced and isinstance(cell := self._value(states[0]), Traced):
                assert isinstance(cell.flow, Run)
                final = replace(cell, flow=replace(cell.flow, moment="final"))
                return [final], states[:1], _states_noted(states)
        if not traced:
            raise DesignError("no output depends on the input", "choose a value with --to")
        values = [value for name in traced if isinstance(value := self._value(name), Traced)]
        return values, traced, _states_noted(states)

    def _is_final(self, name: str) -> bool:
        value = self._value(name)
        return (
            isinstance(value, Traced)
            and isinstance(value.flow, Run)
            and value.flow.moment == "final"
        )

    def _left_out(self, done: set[int], first: str | None) -> list[str]:
        """Notes on the nodes that are not part of the network that is imported."""
        if self._start is None and self._end is None:
            return []
        front = self._needed([first] if first else [], None)
        notes = []
        for words, chosen in (
            ("in front of", front - done),
            ("behind or beside", {id(n) for n in self._graph.nodes} - front - done),
        ):
            kinds = Counter(n.op_type for n in self._graph.nodes if id(n) in chosen)
            if kinds:
                text = ", ".join(f"{kind} x{count}" for kind, count in kinds.most_common(6))
                more = f" and {len(kinds) - 6} other kinds" if len(kinds) > 6 else ""
                notes.append(f"left out {words} the part: {text}{more}")
        if first is not None:
            notes.append(f"feed the value {first!r} as the input")
        return notes

    def _origin(self) -> Origin:
        versions = [each.version for each in self._model.opset_import if not each.domain]
        opset = f"ONNX opset {max(versions)}" if versions else "ONNX"
        producer = f"{self._model.producer_name} {self._model.producer_version}".strip()
        return Origin(opset, escaped(producer)[:80])


def _states_noted(names: Iterable[str]) -> list[str]:
    return [
        f"output {name!r} is a last state: `simulate -o RUN.npz` saves those of all layers"
        for name in names
    ]


def _names(nodes: Iterable[Any]) -> set[str]:
    names = {name for node in nodes for name in (node.name, *node.output)}
    return names - {""}


def _outside(graph: _Graph) -> set[str]:
    """The values that a graph reads from the one around it."""
    made = {name for node in graph.nodes for name in node.output}
    read = {name for node in graph.nodes for name in node.input}
    return read - made - set(graph.tensors) - set(graph.inputs) - {""}


def _called(node: Any) -> str:
    name = node.name or next(filter(None, node.output), "")
    return f"node {name!r} ({node.op_type})"


def _shape(value: Any) -> list[int | None]:
    """The declared shape of an input; sizes that are not fixed are None."""
    tensor = value.type.tensor_type
    return [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
        for dim in tensor.shape.dim
    ]
