"""Design files: one function ``design(**parameters) -> Design``, loaded with checked errors."""

from __future__ import annotations

import inspect
import math
import os
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, Literal

from numpy.typing import ArrayLike

from rnnhw.design.arguments import chosen_arguments
from rnnhw.design.rounded_weights import RoundedWeights
from rnnhw.design.schedule import Arrangement
from rnnhw.design.siblings import siblings_of
from rnnhw.design.tasks import Task
from rnnhw.design.weights import (
    Parameters,
    WeightSource,
    in_other_formats,
    load_parameters,
)
from rnnhw.errors import (
    DesignError,
    RnnhwError,
    UsageError,
    WrongArgument,
    check_name,
    described,
    plain_number,
    plain_numbers,
    unknown_name,
    wrong_argument,
)
from rnnhw.graph.builder import ANY_FORMAT, Formats, MissingFormat, no_formats
from rnnhw.graph.network import Network, NetworkBuilder, TimeNode
from rnnhw.layers.cells import Bidirectional, Heads, Layer, Residual
from rnnhw.numerics.cast import Q

__all__ = ["MAX_STEPS", "MAX_UNITS", "Design", "Target", "load"]

MAX_UNITS = 1 << 16
"""The widest layer: beyond it a typing error would fill the memory before it is seen."""


MAX_STEPS = 1 << 31
"""The longest sequence: times and words of sums over it stay within what hardware counts."""


@dataclass(frozen=True)
class Target(Arrangement):
    """The hardware that a design is meant for.

    ``lanes`` multiply-accumulate lanes for every layer, or by layer name, or "auto" to have
    reports choose them; ``clock_mhz`` None asks for both ends of the profile's range. All other
    arguments are those of :class:`rnnhw.design.schedule.Arrangement`, by name.

    Raises:
        DesignError: a value is not possible; the hint lists what is.
    """

    profile: str
    lanes: int | Mapping[str, int] | Literal["auto"] = 1
    clock_mhz: float | None = None

    @property
    def arrangement(self) -> Arrangement:
        """The schedules and assumptions alone."""
        return Arrangement(
            **{entry.name: getattr(self, entry.name) for entry in fields(Arrangement)}
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.lanes, Mapping):
            object.__setattr__(self, "lanes", plain_number(self.lanes))
        if not isinstance(self.profile, str):
            raise DesignError(
                f"profile={_shown(self.profile)} of the target",
                "name a profile or a .toml file; `rnnhw profiles` lists them",
            )
        by_layer = self.lanes.values() if isinstance(self.lanes, Mapping) else [self.lanes]
        for lanes in by_layer:
            whole = isinstance(lanes, int) and not isinstance(lanes, bool) and lanes >= 1
            if not whole and (lanes != "auto" or isinstance(self.lanes, Mapping)):
                raise DesignError(
                    f"lanes={_shown(lanes)} of the target",
                    "give a whole number from 1, 'auto' or a number for each layer name",
                )
        clock: object = self.clock_mhz
        if clock is not None and (
            not isinstance(clock, int | float)
            or isinstance(clock, bool)
            or not 0 < clock < math.inf
        ):
            raise DesignError(
                f"clock_mhz={_shown(clock)} of the target", "give a positive number of MHz"
            )


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
        outputs: names of the layers that the network gives the vectors of, in their order; the
            task judges the first. Left out: the last layer, or those of :class:`Heads`.
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
    outputs: Sequence[str] | None = None

    path: Path | None = field(default=None, kw_only=True)
    """The design file, filled in by :func:`load`."""
    title: str = field(default="", kw_only=True)
    """The first line of the design file's docstring."""
    notes: str = field(default="", kw_only=True)
    """The rest of that docstring."""
    settings: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    """The parameters of ``design()`` with their values."""
    bases: tuple[Path, ...] = field(default=(), kw_only=True)
    """The design files that this one changes the formats of (:meth:`with_formats`)."""
    rounded_weights: RoundedWeights | None = field(default=None, kw_only=True)
    """Numbers that are stored in place of those nearest to the weights
    (:meth:`with_rounded_weights`)."""
    siblings: tuple[Path, ...] = field(default=(), kw_only=True)
    """The modules beside the design file that it imports, filled in by :func:`load`."""
    _of_formats: Design | None = field(default=None, init=False, compare=False, repr=False)
    """The design that this one is, in other formats (:meth:`with_formats`)."""

    def __post_init__(self) -> None:
        plain_numbers(self)
        layers: object = self.layers
        if not isinstance(layers, Sequence):
            raise DesignError(f"layers={_shown(layers)}: not a list", "write Design(layers=[...])")
        kinds: dict[str, tuple[type | UnionType, str]] = {
            "formats": (Formats, "Formats(...)"),
            "weights": (str | Path | Mapping | None, "a file name or a mapping of arrays"),
            "inputs": (int | None, "a whole number"),
            "overrides": (Mapping, "a mapping of names to formats"),
            "max_steps": (int | None, "a whole number"),
            "target": (Target | None, "Target(...)"),
            "steps_per_second": (int | float | None, "a number"),
        }
        for name, (kind, wanted) in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise DesignError(f"{name}={_shown(value)}", f"it must be {wanted}")
        for name in ("inputs", "max_steps", "steps_per_second"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise DesignError(f"{name}={value}", "it must be greater than 0")
        if self.steps_per_second == math.inf:
            raise DesignError("steps_per_second=inf", "it must be a finite number")
        if self.max_steps is not None and self.max_steps > MAX_STEPS:
            raise DesignError(f"max_steps={self.max_steps:,}", f"rnnhw takes at most {MAX_STEPS:,}")
        if self.inputs is not None and self.inputs > MAX_UNITS:
            raise DesignError(f"inputs={self.inputs:,}", f"rnnhw takes at most {MAX_UNITS:,}")
        self._check_outputs()
        for name, format in self.overrides.items():
            if not isinstance(format, Q):
                raise DesignError(
                    f"overrides: {name} is {_shown(format)}, not a format",
                    "write for example Q(3, 4)",
                )
        if self.task is not None:
            self._check_task(self.task)

    def _check_outputs(self) -> None:
        outputs: object = self.outputs
        if outputs is None:
            return
        names = [] if isinstance(outputs, str) or not isinstance(outputs, Sequence) else outputs
        if not names or not all(isinstance(name, str) for name in names):
            raise DesignError(
                f"outputs={_shown(outputs)}", 'name at least one layer: outputs=["rnn", "head"]'
            )
        twice = [name for index, name in enumerate(names) if name in names[:index]]
        if twice:
            raise DesignError(f"outputs: {twice[0]!r} is named twice", "name every layer once")

    def _check_task(self, task: Task) -> None:
        if isinstance(task, type) or not callable(getattr(task, "samples", None)):
            raise DesignError(
                f"task={_shown(task)}: not a task", "write for example BinaryAddition(8)"
            )
        for name in ("require", "limit"):
            bounds = getattr(task, name)
            if not isinstance(bounds, Mapping) or not all(
                isinstance(bound, int | float) for bound in bounds.values()
            ):
                raise DesignError(
                    f"{name}={bounds!r} of the task", 'it must name numbers: {"accuracy": 0.95}'
                )

    @property
    def place(self) -> str:
        """The design's name in error messages."""
        return str(self.path) if self.path else "design"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the design is read from: its own, those that it changes and imports, the
        weights, their rounding and the task's data."""
        file = () if self.path is None else (self.path,)
        weights = () if self._weights_file is None else (self._weights_file,)
        rounded = () if self.rounded_weights is None else self.rounded_weights.files
        read = (*file, *self.bases, *self.siblings, *weights, *rounded)
        return (*read, *getattr(self.task, "files", ()))

    def with_formats(self, formats: Mapping[str, Q]) -> Design:
        """The same design with other formats, by the full names of signals and tensors; ``input``
        is the network's input, ``scale_exponent`` the exponents of all rows of weights.

        A design file may return what this gives of a design that it loaded: weights and data are
        still those beside the file that was loaded.
        """
        whole = {name: formats[name] for name in ("input", "scale_exponent") if name in formats}
        others = {name: format for name, format in formats.items() if name not in whole}
        weights = self.weights
        if self._weights_file is not None:
            weights = self._weights_file.absolute()
        changed = replace(
            self,
            formats=replace(self.formats, **whole),
            overrides={**self.overrides, **others},
            weights=weights,
            bases=self.bases if self.path is None else (self.path, *self.bases),
        )
        if self.rounded_weights is None:
            object.__setattr__(changed, "_of_formats", self)
        return changed

    def with_rounded_weights(
        self,
        source: str | Path | Mapping[str, ArrayLike] | None,
        *,
        sha256: str = "",
        weights_sha256: str = "",
    ) -> Design:
        """The same design with these numbers stored in place of those nearest to its weights.

        Integers alone follow them: the float reference still reads the weights as they were
        trained. Tensors that ``source`` lacks are rounded to nearest.

        Args:
            source: an ``.npz`` or arrays by tensor; a tensor's format must hold its numbers
                exactly. None: all are rounded to nearest.
            sha256: that of the file; another one is refused.
            weights_sha256: that of the weights which were rounded; others are refused.
        """
        if source is None:
            return self if self.rounded_weights is None else replace(self, rounded_weights=None)
        held = source if isinstance(source, Mapping) else Path(source)
        return replace(self, rounded_weights=RoundedWeights(held, sha256, weights_sha256))

    @property
    def _weights_file(self) -> Path | None:
        if not isinstance(self.weights, str | Path):
            return None
        return Path(self.weights) if self.path is None else self.path.parent / self.weights

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

    def output_names(self) -> list[str]:
        """The names of the outputs, in order.

        Raises:
            DesignError: as :attr:`network`.
        """
        return [node.name for node in self.network.outputs]

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
        try:
            shared = self._shared_parameters()
            if shared is not None:
                return shared
            parameters = load_parameters(network, self._weights_file or self.weights)
            if self.rounded_weights is None:
                return parameters
            return self.rounded_weights.stored(network, parameters)
        except RnnhwError as error:
            raise error.at(self.place) from None

    def _shared_parameters(self) -> Parameters | None:
        """Those of the design that this one changes the formats of, where it has read them: its
        numbers are the same."""
        base = self._of_formats
        if base is None or "parameters" not in base.__dict__:
            return None
        return in_other_formats(base.parameters, base.network, self.network)

    def _build(self) -> Network:
        if not self.layers:
            raise DesignError("the design has no layers", "give at least one in Design(layers=[])")
        inputs = self.inputs or (self.task.features if self.task else None)
        if inputs is None:
            raise DesignError(
                "the number of input features is not known", "give Design(inputs=...) or a task"
            )
        missing: list[MissingFormat] = []
        format = self.formats.input or (self.task.input_format if self.task else None)
        if format is None:
            missing.append(MissingFormat("input", "input"))
        max_steps = self.max_steps or (self.task.max_steps if self.task else None)
        net = NetworkBuilder(
            inputs, format or ANY_FORMAT, self.formats, self.overrides, max_steps, missing
        )
        try:
            network = self._built(net)
        except DesignError:
            if not missing:
                raise
        if missing:
            raise no_formats(missing)
        known = set(network.signals()) | {tensor.key for tensor in network.tensors}
        for name in self.overrides:
            if name not in known:
                message, hint = unknown_name("signal", name, known)
                raise DesignError(f"overrides: {message}", hint)
        return network

    def _built(self, net: NetworkBuilder) -> Network:
        """The network that the layers write on ``net``."""
        source: TimeNode = net.source
        for position, layer in enumerate(self.layers):
            kind = type(layer).__name__
            name = getattr(layer, "name", "") or f"{kind.lower()}{position}"
            try:
                _check_layer(layer, name)
                if net.ends:
                    raise DesignError(
                        "a layer behind heads would read only one of them",
                        "put it into a head: Heads([[first, second], other])",
                    )
                source = layer.build(net, source, name)
            except RnnhwError as error:
                raise error.at(f"layer {position} ({kind})") from None
            except (Exception, SystemExit, GeneratorExit) as error:
                # Layers, structures and activations may be the user's own code.
                raise DesignError(
                    f"layer {position} ({kind}): {described(error)}",
                    "check the arguments of the layer",
                ) from error
        return net.build(self.outputs)


def load(path: str | Path, settings: Mapping[str, str | object] | None = None) -> Design:
    """The design of a design file, with some of its parameters set.

    The file runs as Python and may import modules beside it. Its docstring gives the design's
    title and notes; paths of weights and data are relative to it. Neither weights nor data are read
    before they are needed.

    Args:
        path: the design file.
        settings: values of parameters of its function ``design`` by name. Text is read as the type
            of the parameter's default, as on the command line.

    Raises:
        DesignError: the file is missing, raises, or gives no :class:`Design`.
        UsageError: ``path`` is none, or a setting is unknown or of the wrong type.
    """
    given: object = path
    if not isinstance(given, str | os.PathLike):
        raise UsageError(f"{type(given).__name__} to load", "give the path of a design file")
    file = Path(path)
    try:
        source = file.read_bytes()
    except OSError as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{file}: {reason}", "give the path of a design file") from None
    scope: dict[str, Any] = {"__name__": f"rnnhw_design_{file.stem}", "__file__": str(file)}
    with siblings_of(file) as siblings:
        design, chosen = _made(file, source, scope, settings or {})
    title, _, notes = inspect.cleandoc(str(scope.get("__doc__") or file.stem)).partition("\n")
    if design.task is not None:
        design = replace(design, task=design.task.located(file.parent))
    return replace(
        design,
        path=file,
        title=title.strip(),
        notes=notes.strip(),
        settings=chosen,
        siblings=(*design.siblings, *siblings),
    )


def _made(
    file: Path, source: bytes, scope: dict[str, Any], settings: Mapping[str, str | object]
) -> tuple[Design, dict[str, object]]:
    """What the function ``design`` of a file gives, and its parameters."""
    with _Reported(file):
        exec(compile(source, str(file), "exec", dont_inherit=True), scope)
    function = scope.get("design")
    if not inspect.isfunction(function):
        raise DesignError(
            f"{file}: no function design()", "define `def design(...)` that returns a Design"
        )
    chosen = chosen_arguments(function, settings, place=str(file), owner="design()", option="--set")
    with _Reported(file):
        design = function(**chosen)
    if not isinstance(design, Design):
        raise DesignError(
            f"{file}: design() returned {_shown(design)}, not a Design", "return Design(...)"
        )
    return design, chosen


class _Reported:
    """Turns whatever a design file raises into one error with the file and the line."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Whether a KeyboardInterrupt was the keyboard's only the command line knows.
        if error is None or isinstance(error, KeyboardInterrupt):
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
        # Python before 3.11.4 has a ValueError for bytes that are no source.
        if isinstance(error, SyntaxError) or described(error).endswith(_NULL_BYTES):
            message = error.msg if isinstance(error, SyntaxError) else _NULL_BYTES
            raise DesignError(
                f"{place}: {message}", "a design file is Python text in UTF-8"
            ) from None
        raise DesignError(f"{place}: {described(error)}") from error


_NULL_BYTES = "source code string cannot contain null bytes"


def _shown(value: object) -> str:
    """A wrong value in a message: itself if it is short, else its kind."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    try:
        text = repr(value)
    except Exception:
        text = " " * 41
    return text if len(text) <= 40 else f"{type(value).__name__}(...)"


_ARGUMENTS: Mapping[str, type] = {"int": int, "bool": bool, "str": str, "Formats": Formats}


def _check_layer(layer: Layer, name: str) -> None:
    """Arguments that would fail far from where they were written, or not at all."""
    if isinstance(layer, type) or not callable(getattr(layer, "build", None)):
        raise DesignError(f"{_shown(layer)} is not a layer", "write for example Elman(16)")
    plain_numbers(layer)
    for argument, activation in _activations(layer):
        hint = _activation_hint(argument, activation)
        raise DesignError(f"{argument}={_shown(activation)}: not an activation", hint)
    match wrong_argument(layer, _ARGUMENTS):
        case WrongArgument(argument, type() as value, None):
            raise DesignError(
                f"{argument}={_shown(value)}", f"write {argument}={value.__name__}(...)"
            )
        case WrongArgument(argument, value, type() as wanted):
            raise DesignError(
                f"{argument}={_shown(value)}", f"it must be of type {wanted.__name__}"
            )
    check_name(name)
    if "." in name:
        raise DesignError(
            f"name={name!r}", "leave out the dot: it parts a layer's name from its signals"
        )
    units = getattr(layer, "units", 1)
    if isinstance(units, int) and units > MAX_UNITS:
        raise DesignError(f"{units:,} units", f"rnnhw takes at most {MAX_UNITS:,} a layer")
    for inner in _inner_layers(layer):
        if isinstance(inner, Heads) and not isinstance(layer, Heads):
            raise DesignError(
                f"Heads inside of {type(layer).__name__}",
                "put the heads behind it, as the last layer of the design",
            )
        _check_layer(inner, getattr(inner, "name", ""))
    if isinstance(layer, Heads):
        for chain in layer.chains:
            if any(isinstance(each, Heads) for each in chain[:-1]):
                raise DesignError(
                    "a layer behind heads would read only one of them",
                    "put it into a head: Heads([[first, second], other])",
                )


_ACTIVATIONS: Mapping[str, str] = {
    "hard_tanh": "HardTanh",
    "hardtanh": "HardTanh",
    "identity": "Identity",
    "linear": "Identity",
    "none": "Identity",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
}
"""Names of our activations in other libraries."""


def _activations(layer: Layer) -> Iterator[tuple[str, object]]:
    """The arguments of a layer that should be activations and are not."""
    arguments: Iterable[Field[Any]] = fields(layer) if is_dataclass(layer) else ()
    for argument in arguments:
        value = getattr(layer, argument.name)
        if str(argument.type).removesuffix(" | None") != "Activation" or isinstance(value, type):
            continue
        optional = value is None and str(argument.type).endswith("None")
        if not optional and not callable(getattr(value, "apply", None)):
            yield argument.name, value


def _activation_hint(argument: str, value: object) -> str:
    name = getattr(value, "__name__", value)
    known = _ACTIVATIONS.get(name.lower()) if isinstance(name, str) else None
    return f"write {argument}={known}()" if known else f"write for example {argument}=Tanh()"


def _inner_layers(layer: Layer) -> Sequence[Layer]:
    """The layers inside ``layer``; none where it is a single one."""
    match layer:
        case Bidirectional(layer=ahead, backward=back):
            return [ahead] if back is None else [ahead, back]
        case Residual(layers=layers):
            return layers
        case Heads():
            return [each for chain in layer.chains for each in chain]
    return []
