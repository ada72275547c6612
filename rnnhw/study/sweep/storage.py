"""The points of a sweep as trials in a storage of Optuna, for its dashboard and its plots.

The storage is written, never read back into a sweep: a sweep goes on from its log, because a
sampler that is resumed from Optuna's storage draws other points (its state is not stored). A point
that the storage holds already, from an earlier start of the same sweep, is not written again.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rnnhw.errors import UsageError
from rnnhw.files import check_writable
from rnnhw.study.sweep.front import Objective
from rnnhw.study.sweep.point import Measured, Point

__all__ = ["StoredTrials", "optuna_module", "storage_file"]

_MOST_BYTES = 1 << 16
"""Of a journal's first line, which is some 200."""

DESIGN = "design"
"""The parameter that names the design file, beside those that vary."""


def optuna_module(wanted_for: str) -> Any:
    """The package Optuna, without its messages.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise UsageError(
            f"{wanted_for} needs Optuna", "python -m pip install 'rnnhw[sweep]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def storage_file(place: str | Path) -> Path | None:
    """The file of a journal; None where ``place`` is the URL of a data base."""
    return None if "://" in str(place) else Path(place)


class StoredTrials:
    """A study that takes a trial for every finished point."""

    def __init__(
        self,
        place: str | Path,
        points: Sequence[Point],
        varied: Mapping[str, Sequence[Any]],
        objectives: Sequence[Objective],
    ) -> None:
        """Open the storage, and the study of this sweep in it.

        Args:
            place: a URL such as ``sqlite:///sweep.db``, or the path of a journal file.
            points: all points that the sweep may measure.
            varied: the values of the parameters that vary.
            objectives: the values of the trials.

        Raises:
            UsageError: Optuna is not installed, or the storage cannot be opened.
        """
        self._optuna = optuna = optuna_module("--optuna-storage")
        self._objectives = objectives
        values: dict[str, list[Any]] = {name: [] for name in (DESIGN, *varied)}
        for point in points:
            for name, value in _parameters(point).items():
                if value not in values[name]:
                    values[name].append(value)
        self._axes = {name: self._distribution(each) for name, each in values.items()}
        told = [[objective.name, objective.sense] for objective in objectives]
        digest = hashlib.sha256(json.dumps([told, values], default=str).encode()).hexdigest()
        self.name = f"rnnhw sweep {digest[:12]}"
        try:
            self._study = optuna.create_study(
                storage=self._opened(place),
                study_name=self.name,
                directions=[
                    "maximize" if objective.sense == "more" else "minimize"
                    for objective in objectives
                ],
                load_if_exists=True,
            )
            with warnings.catch_warnings():  # the names are "experimental" since Optuna 3.2
                warnings.simplefilter("ignore")
                self._study.set_metric_names([objective.name for objective in objectives])
            self._keys = {trial.user_attrs.get("key") for trial in self._study.trials}
        except UsageError:
            raise
        except Exception as error:  # of whatever data base the URL names
            said = str(error).partition("\n")[0]
            raise UsageError(
                f"--optuna-storage {place}: {type(error).__name__}: {said}",
                "give a URL such as sqlite:///sweep.db, or the path of a journal file",
            ) from None

    def add(self, point: Point, measured: Measured) -> None:
        """Write a finished point, unless the study has it."""
        if point.key in self._keys:
            return
        self._keys.add(point.key)
        state = self._optuna.trial.TrialState
        values = [measured.figures.get(objective.name) for objective in self._objectives]
        known = [float(value) for value in values if value is not None and math.isfinite(value)]
        whole = len(known) == len(values)
        self._study.add_trial(
            self._optuna.trial.create_trial(
                state=state.COMPLETE if whole else state.FAIL,
                values=known if whole else None,
                params=_parameters(point),
                distributions=self._axes,
                user_attrs={
                    "key": point.key,
                    "error": measured.error or "; ".join(measured.unjudged.values()) or None,
                    "bounds": dict(measured.bounds),
                    **measured.figures,
                },
            )
        )

    def _opened(self, place: str | Path) -> Any:
        """The storage at ``place``."""
        storages = self._optuna.storages
        file = storage_file(place)
        if file is None:
            return storages.get_storage(str(place))
        check_writable(file)
        _check_journal(file)
        backend = storages.journal.JournalFileBackend(str(file))
        return storages.JournalStorage(backend)

    def _distribution(self, values: Sequence[Any]) -> Any:
        kinds = self._optuna.distributions
        if all(type(value) is int for value in values):
            return kinds.IntDistribution(min(values), max(values))
        return kinds.CategoricalDistribution(values)


def _check_journal(file: Path) -> None:
    """Refuse to append to a file that is no journal of Optuna's.

    Raises:
        UsageError: it is none.
    """
    if not file.exists() or not file.stat().st_size:
        return
    with file.open("rb") as stream:
        first = stream.readline(_MOST_BYTES)
    entry = None
    with suppress(ValueError, RecursionError):
        entry = json.loads(first)
    if not isinstance(entry, dict) or "op_code" not in entry:
        raise UsageError(
            f"--optuna-storage {file}: no journal of Optuna", "name another file, or a new one"
        )


def _parameters(point: Point) -> dict[str, Any]:
    plain = (bool, int, float, str, type(None))
    values = {
        name: value if isinstance(value, plain) else str(value)
        for name, value in point.values.items()
    }
    return {DESIGN: Path(point.file).name, **values}
