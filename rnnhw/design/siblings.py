"""Modules that a design file imports from the folder of the file.

They are those of one design alone: once it is loaded they are forgotten, so that another folder's
module of the same name is read, and a changed one read again. No bytecode is written for them:
Python takes an old one for a source of the same length that changed within the same second.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

__all__ = ["siblings_of"]

_LOCK = threading.RLock()
"""Where Python looks for modules, and which it knows, is the whole process's."""

_loading: list[Path] = []
"""The folders of the design files that are being loaded: one may load another."""


@contextmanager
def siblings_of(file: Path) -> Iterator[list[Path]]:
    """Let the design file at ``file`` import modules beside it, ``name.py`` in the same folder; the
    list holds their files at the end, sorted."""
    folder = file.resolve().parent
    files: list[Path] = []
    with _LOCK:
        hidden = _modules_in([folder, *_loading], sys.modules)
        _forget(hidden)
        others = set(sys.modules)
        wrote = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(folder))
        _loading.append(folder)
        try:
            yield files
        finally:
            _loading.pop()
            sys.path.remove(str(folder))
            sys.dont_write_bytecode = wrote
            modules = _modules_in([folder], set(sys.modules) - others)
            _forget(modules)
            sys.modules.update(hidden)
            files += sorted(Path(str(module.__file__)) for module in modules.values())


def _modules_in(folders: list[Path], names: Iterable[str]) -> dict[str, ModuleType]:
    """The modules of these ``names`` that are files of these folders, but not packages."""
    # This takes most of the time of a load: hundreds of modules lie in a few folders, and a stat of
    # a folder is one call of the system, where resolving its path is one for every part of it.
    wanted = {_identity(folder) for folder in folders} - {None}
    inside: dict[str, bool] = {}
    found = {}
    for name in tuple(names):
        if "." in name or name == "__main__":
            continue
        module = sys.modules.get(name)
        place = getattr(module, "__file__", None)
        if module is None or place is None:
            continue
        folder = os.path.dirname(place)  # noqa: PTH120  a Path takes ten times as long
        if folder not in inside:
            inside[folder] = _identity(Path(folder)) in wanted
        if inside[folder]:
            found[name] = module
    return found


def _identity(folder: Path) -> tuple[int, int] | None:
    """Equal for two paths to the same folder; None where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _forget(modules: dict[str, ModuleType]) -> None:
    for name in modules:
        del sys.modules[name]
