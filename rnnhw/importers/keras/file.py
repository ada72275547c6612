"""A Keras file as layer configurations with their weights in order.

``.keras`` is a zip file of ``metadata.json``, ``config.json`` and ``model.weights.h5``, in which
layers are counted by class in their order: the third LSTM is ``layers/lstm_2``, whatever its name
is. A legacy ``.h5`` has the configuration as an attribute, and its layers by name.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw.errors import DesignError, UsageError
from rnnhw.files import read_json
from rnnhw.importers.archive import opened_zip
from rnnhw.importers.network import FloatArray, checked_tensor

__all__ = ["KerasFile", "opened_keras"]

_AGAIN = "the file is damaged: save it again"

Config = Mapping[str, Any]
Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class KerasFile:
    """The configuration of a model, the version of Keras that wrote it, and its weights.

    ``weights(name, shapes)`` are the arrays of the layer called ``name``, of these shapes; a size
    of None may be any.
    """

    model: Config
    version: str
    weights: Callable[[str, Sequence[Shape]], list[FloatArray]]


@contextmanager
def opened_keras(path: Path) -> Iterator[KerasFile]:
    """The model of a ``.keras`` or legacy ``.h5`` file, open for its weights.

    Raises:
        DesignError: it cannot be read, is none, or holds weights alone.
        UsageError: the package ``h5py`` is not installed.
    """
    h5py = _h5py()
    if path.suffix.lower() == ".keras":
        with opened_zip(path, ".keras file") as archive:
            config = archive.json("config.json")
            metadata = archive.json("metadata.json")
            content = archive.read("model.weights.h5")
        version = metadata.get("keras_version", "") if isinstance(metadata, dict) else ""
        with _hdf5(h5py, str(path), io.BytesIO(content)) as file:
            model = _model(path, config)
            tree = _Tree(h5py, str(path), file, model)
            yield KerasFile(model, str(version), tree.counted)
        return
    with _hdf5(h5py, str(path), path) as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise DesignError(
                f"{path}: it holds weights without an architecture",
                "save the whole model: model.save('model.keras')",
            )
        content = text if isinstance(text, bytes) else str(text).encode()
        try:
            config = read_json(content)
        except ValueError as error:
            raise DesignError(f"{path}: model_config: {error}", _AGAIN) from None
        version = file.attrs.get("keras_version", "")
        version = version.decode(errors="replace") if isinstance(version, bytes) else str(version)
        model = _model(path, config)
        yield KerasFile(model, version, _Tree(h5py, str(path), file, model).named)


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise UsageError(
            "reading Keras files needs the package h5py", 'python -m pip install "rnnhw[keras]"'
        ) from None
    return h5py


@contextmanager
def _hdf5(h5py: Any, place: str, source: object) -> Iterator[Any]:
    """An HDF5 file; whatever its library raises, in one line."""
    try:
        with h5py.File(source, "r") as file:
            yield file
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        reason = str(error.strerror or error).lower().partition(":")[0]
        raise DesignError(f"{place}: {reason}", "give the path of a Keras file") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError):
        raise DesignError(f"{place}: not a Keras file (unreadable)", _AGAIN) from None


def _model(path: Path, config: object) -> Config:
    """The configuration below the class, whose layers are a list."""
    match config:
        case {"class_name": str(), "config": {"layers": [*_]}}:
            return config  # type: ignore[return-value]
        case {"class_name": str(kind)}:
            raise DesignError(
                f"{path}: a model of class {kind[:40]!r}, whose layers are Python code",
                "save a Sequential or functional model",
            )
    raise DesignError(f"{path}: its configuration is no Keras model", _AGAIN)


class _Tree:
    """The arrays of an HDF5 file, by the two ways in which Keras has ordered them."""

    def __init__(self, h5py: Any, place: str, file: Any, model: Config) -> None:
        self._h5py = h5py
        self._place = place
        self._file = file
        self._groups = _counted_names(model)

    def counted(self, name: str, shapes: Sequence[Shape]) -> list[FloatArray]:
        """Weights of a ``.keras`` file: all ``vars`` below the layer's group, in order."""
        key = self._groups[name]
        for top in ("layers", "_layer_checkpoint_dependencies"):
            group = self._child(self._file, top)
            layer = None if group is None else self._child(group, key)
            if layer is not None:
                return self._checked(name, list(self._vars(layer, 0)), shapes)
        return self._checked(name, [], shapes)

    def named(self, name: str, shapes: Sequence[Shape]) -> list[FloatArray]:
        """Weights of a legacy file: those that the attribute of the layer's group lists."""
        top = self._child(self._file, "model_weights")
        layer = self._child(self._file if top is None else top, name)
        found = []
        if layer is not None:
            for each in _names(layer.attrs):
                node: Any = layer
                for part in each.split("/"):
                    node = None if node is None else self._child(node, part)
                if node is None:
                    raise DesignError(f"{self._place}: layer {name!r}: no {each!r}", _AGAIN)
                found.append(node)
        return self._checked(name, found, shapes)

    def _child(self, group: Any, name: str) -> Any:
        """A member that is part of this file: links to other files are not followed."""
        if not isinstance(group, self._h5py.Group) or name not in group:
            return None
        if not isinstance(group.get(name, getlink=True), self._h5py.HardLink):
            raise DesignError(f"{self._place}: {name!r} is a link to elsewhere", _AGAIN)
        return group[name]

    def _vars(self, group: Any, depth: int) -> Iterator[Any]:
        """The datasets ``vars/0``, ``vars/1``... of a group, then those of its groups, those of
        the forward direction first."""
        own = self._child(group, "vars")
        if own is not None:
            for name in sorted(own, key=lambda each: (len(each), each)):
                yield self._child(own, name)
        if depth > _DEEPEST:
            raise DesignError(f"{self._place}: nested too deeply", _AGAIN)
        order = sorted(set(group) - {"vars"}, key=lambda name: (name != "forward_layer", name))
        for name in order:
            if name not in _NO_WEIGHTS:
                yield from self._vars(self._child(group, name), depth + 1)

    def _checked(
        self, name: str, datasets: Sequence[Any], shapes: Sequence[Shape]
    ) -> list[FloatArray]:
        place = f"{self._place}: layer {name!r}"
        if len(datasets) != len(shapes):
            raise DesignError(
                f"{place} has {len(datasets)} weights, {len(shapes)} are needed", _AGAIN
            )
        return [self._array(place, *each) for each in zip(datasets, shapes, strict=True)]

    def _array(self, place: str, dataset: Any, shape: Shape) -> FloatArray:
        """The numbers of a dataset, of the shape that the layer needs."""
        if not isinstance(dataset, self._h5py.Dataset) or dataset.dtype.kind not in "fiu":
            raise DesignError(f"{place}: a weight is no array of numbers", _AGAIN)
        fits = len(shape) == len(dataset.shape) and all(
            wanted in (None, size) for wanted, size in zip(shape, dataset.shape, strict=True)
        )
        if not fits or math.prod(dataset.shape) > _MOST_ELEMENTS:
            shown = ["any" if size is None else size for size in shape]
            raise DesignError(
                f"{place}: a weight has shape {list(dataset.shape)}, the layer needs {shown}",
                _AGAIN,
            )
        if dataset.external or dataset.is_virtual:
            raise DesignError(f"{place}: a weight is kept in another file", _AGAIN)
        return checked_tensor(place, np.asarray(dataset[()], np.float64))


_DEEPEST = 6
_MOST_ELEMENTS = 1 << 30
_NO_WEIGHTS = {"seed_generator", "dropout"}


def _names(attributes: Any) -> list[str]:
    """The attribute ``weight_names``, which long lists have in parts."""
    parts = [attributes[key] for key in ("weight_names",) if key in attributes]
    if not parts:
        keys = sorted(
            (key for key in attributes if re.fullmatch(r"weight_names\d+", key)),
            key=lambda key: int(key.removeprefix("weight_names")),
        )
        parts = [attributes[key] for key in keys]
    return [
        name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        for part in parts
        for name in np.ravel(part)
    ]


def _counted_names(model: Config) -> dict[str, str]:
    """By layer name the group in a ``.keras`` file: the class in snake case, counted."""
    seen: Counter[str] = Counter()
    found = {}
    for layer in model["config"]["layers"]:
        match layer:
            case {"class_name": str(kind), "config": {"name": str(name)}}:
                snake = _snake_case(kind)
                found[name] = f"{snake}_{seen[snake]}" if seen[snake] else snake
                seen[snake] += 1
            case _:
                raise DesignError("a layer has no class or name", _AGAIN)
    return found


def _snake_case(name: str) -> str:
    """As Keras: ``SimpleRNN`` is ``simple_rnn``, ``LSTM`` ``lstm``."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
