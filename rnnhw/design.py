"""Design files: one function ``design(**parameters) -> Design``, loaded with checked errors."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from rnnhw.cells import Layer
from rnnhw.dataflow import Formats
from rnnhw.errors import DesignError, RnnhwError, UsageError, unknown_name
from rnnhw.network import Network, NetworkBuilder, TimeNode
from rnnhw.numerics import Q
from rnnhw.tasks import Task
from rnnhw.weights import Parameters, WeightSource, load_parameters

__all__ = ["Design", "Target", "load"]


@dataclass(frozen=True)
class Target:
    """The hardware that a design is meant for.

    ``lanes`` multiply-accumulate lanes for every layer, or by layer name; ``clock_mhz`` None
    asks for both ends of the profile's range.
    """

    profile: str
    lanes: int | Mapping[str, int] = 1
    clock_mhz: float | None = None


@dataclass(frozen=True)
class Design:
    """A network with its formats, weights, task and target.

    Args:
        layers: from input to output.
        formats: one format for each role; a layer's own ``formats`` and ``overrides`` win.
        weights: an ``.npz`` beside the design file, or a mapping of arrays; None: none yet.
        task: real inputs with expected outputs; gives ``inputs``, ``max_steps`` and the input
            format where they are left out.
        inputs: input features at each step.
        overrides: a format for one signal or tensor, by full name (``rnn.state``).
        max_steps: the longest sequence; sets the word of sums over time.
        target: profile, lanes and clock of cost reports.
        steps_per_second: a deadline that cost reports hold the design against.
    """

    layers: Sequence[Layer]
    formats: Formats
    weights: WeightSource | None = None
    task: Task | None = None
    inputs: int | None = None
    overrides: Mapping[str, Q] = field(default_factory=dict)
    max_steps: int | None = None
    target: Target | None = None
    steps_per_second: float | None = None

    path: Path | None = field(default=None, kw_only=True)
    """The design file, filled in by :func:`load`."""
    title: str = field(default="", kw_only=True)
    """The first line of the design file's docstring."""
    notes: str = field(default="", kw_only=True)
    """The rest of that docstring."""
    settings: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    """The parameters of ``design()`` with their values."""

    @property
    def place(self) -> str:
        """What error messages call this design."""
        return str(self.path) if self.path else "design"

    @cached_property
    def network(self) -> Network:
        """The graph of the whole network.

        Raises:
            DesignError: naming the design file, the layer, the value and a cure.
        """
        try:
            return self._build()
        except RnnhwError as error:
            raise error.at(self.place) from None

    @cached_property
    def parameters(self) -> Parameters:
        """The weights, checked and quantised.

        Raises:
            DesignError: there are none, or they do not fit the design.
        """
        network = self.network
        if self.weights is None:
            raise DesignError(
                f"{self.place}: the design has no weights",
                "give Design(weights='file.npz'); `report` and `info` work without",
            )
        source = self.weights
        if isinstance(source, str | Path) and self.path is not None:
            source = self.path.parent / source
        try:
            return load_parameters(network, source)
        except RnnhwError as error:
            raise error.at(self.place) from None

    def _build(self) -> Network:
        if not self.layers:
            raise DesignError("the design has no layers", "give at least one in Design(layers=[])")
        inputs = self.inputs or (self.task.features if self.task else None)
        if inputs is None:
            raise DesignError(
                "the number of input features is not known", "give Design(inputs=...) or a task"
            )
        format = self.formats.input or (self.task.input_format if self.task else None)
        if format is None:
            raise DesignError("input: no format", "give Formats(input=Q(...))")
        max_steps = self.max_steps or (self.task.max_steps if self.task else None)
        net = NetworkBuilder(inputs, format, self.formats, self.overrides, max_steps)
        source: TimeNode = net.source
        for position, layer in enumerate(self.layers):
            kind = type(layer).__name__
            name = getattr(layer, "name", "") or f"{kind.lower()}{position}"
            try:
                source = layer.build(net, source, name)
            except RnnhwError as error:
                raise error.at(f"layer {position} ({kind})") from None
        network = net.build()
        known = set(network.signals()) | {tensor.key for tensor in network.tensors}
        for name in self.overrides:
            if name not in known:
                message, hint = unknown_name("signal", name, known)
                raise DesignError(f"overrides: {message}", hint)
        return network


def load(path: str | Path, settings: Mapping[str, str | object] | None = None) -> Design:
    """The design of a design file, with some of its parameters set.

    ``settings`` values may be text (as on the command line): the type of the parameter's default
    says how it is read.

    Raises:
        DesignError: the file is missing, raises, or gives no :class:`Design`.
        UsageError: a setting is unknown or of the wrong type.
    """
    file = Path(path)
    try:
        source = file.read_bytes()
    except OSError as error:
        raise DesignError(f"{file}: {error.strerror}", "give the path of a design file") from None
    scope: dict[str, Any] = {"__name__": f"rnnhw_design_{file.stem}", "__file__": str(file)}
    with _Reported(file):
        exec(compile(source, str(file), "exec"), scope)
    function = scope.get("design")
    if not inspect.isfunction(function):
        raise DesignError(
            f"{file}: no function design()", "define `def design(...)` that returns a Design"
        )
    chosen = _settings(file, function, settings or {})
    with _Reported(file):
        design = function(**chosen)
    if not isinstance(design, Design):
        raise DesignError(f"{file}: design() returned {type(design).__name__}, not a Design")
    title, _, notes = inspect.cleandoc(str(scope.get("__doc__") or file.stem)).partition("\n")
    if design.task is not None:
        design = replace(design, task=design.task.located(file.parent))
    return replace(design, path=file, title=title.strip(), notes=notes.strip(), settings=chosen)


class _Reported:
    """Turns whatever a design file raises into one error with the file and the line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception):
            return
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(self._file)
        ]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
        place = f"{self._file}: line {line}" if line else str(self._file)
        if isinstance(error, RnnhwError):
            raise error.at(place) from None
        reason = getattr(error, "msg", None) or str(error) or "no message"
        raise DesignError(f"{place}: {type(error).__name__}: {reason}") from None


def _settings(file: Path, function: Any, given: Mapping[str, object]) -> dict[str, object]:
    parameters = inspect.signature(function).parameters
    for parameter in parameters.values():
        if parameter.default is inspect.Parameter.empty:
            raise DesignError(
                f"{file}: parameter {parameter.name!r} of design() has no default",
                "give every parameter a default: the defaults are the design",
            )
    chosen = {name: parameter.default for name, parameter in parameters.items()}
    for name, value in given.items():
        if name not in parameters:
            message, hint = unknown_name("parameter", name, parameters)
            raise UsageError(f"{file}: {message}", hint)
        chosen[name] = _typed(file, name, value, parameters[name].default)
    return chosen


def _typed(file: Path, name: str, value: object, default: object) -> object:
    """``value`` as the type of ``default``; text is read."""
    if not isinstance(value, str) or isinstance(default, str) or default is None:
        return value
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
        if isinstance(default, int | float):
            return type(default)(value)
    except (KeyError, ValueError):
        pass
    kind = type(default).__name__
    raise UsageError(
        f"{file}: {name}={value!r} is not of type {kind}",
        f"the default is {default!r}; write --set {name}=VALUE with a value of that type",
    )
