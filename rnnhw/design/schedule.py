"""How the layers of an accelerator share lanes, time and memory: the schedules to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from rnnhw.errors import DesignError, plain_number, plain_numbers, whole_number

__all__ = ["SCHEDULES", "Arrangement", "Place", "Schedule"]

Place = Literal["on-chip", "streamed"]


@dataclass(frozen=True)
class Schedule:
    """What a schedule can be, and how the command line says it.

    ``words`` are its values by the words of its option, ``counts`` says what a whole number from 1
    counts; empty: it can be none. With ``by_layer`` a mapping may give layers different values, but
    not "auto". ``ordinary`` values leave the accelerator as it is without the schedule.
    """

    help: str
    metavar: str
    words: Mapping[str, object] = field(default_factory=dict)
    counts: str = ""
    by_layer: bool = False
    ordinary: tuple[object, ...] = ()

    def check(self, name: str, value: object) -> None:
        """Raise a DesignError where ``value`` of the schedule ``name`` is none of these."""
        if self.by_layer and isinstance(value, Mapping):
            for layer, one in value.items():
                self._check_one(f"{name} of {layer}", one, " for a layer", auto=False)
        elif value is not None or value not in self.ordinary:
            what = "a number" if self.counts else "one of these"
            self._check_one(name, value, f", or {what} by layer name" if self.by_layer else "")

    def _check_one(self, name: str, value: object, more: str, *, auto: bool = True) -> None:
        legal = [word for word in self.words.values() if auto or word != "auto"]
        if any(isinstance(value, type(word)) and value == word for word in legal):
            return
        if not self.counts:
            raise DesignError(f"{name}={value!r}", f"use {_listed(legal)}{more}")
        or_words = f", or {_listed(legal)}" if legal else ""
        _check_whole(name, value, f" {self.counts}{or_words}{more}")

    def is_special(self, value: object) -> bool:
        """Whether ``value`` changes how any layer works."""
        values = value.values() if isinstance(value, Mapping) else [value]
        return any(one not in self.ordinary for one in values)


def _schedule(help: str, metavar: str, **more: Any) -> Mapping[str, Schedule]:
    return {"schedule": Schedule(help, metavar, **more)}


def _same(*words: str) -> Mapping[str, object]:
    return {word: word for word in words}


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """The schedules of an accelerator; the defaults are one engine a layer, nothing else.

    ``engines``: "per-layer", every layer has lanes of its own and the layers work as a wavefront
    over the steps; "shared", one set of lanes and one post-processor do all layers in turn.

    ``overlap``: the columns of the next step's input run while the last step drains; "auto" where
    that is possible and gains something.

    ``interleave``: independent sequences that take turns on the lanes, so that one computes while
    another waits for its recurrence; "auto" where the lanes are chosen too.

    ``weights``: "on-chip", or "streamed" from an external memory at every step, for all layers
    that run each step or by layer name (on chip where left out); "auto" where the lanes are chosen
    too: streamed only where they do not fit. None: on chip, "auto" where the lanes are "auto".

    ``steps_in_parallel``: steps that a layer without state takes together, so that they share
    every weight word; for all such layers, or by layer name (1 where left out).

    Two constants of the user change what is computed, and reports tell them as assumptions:
    ``activity``, the share (above 0, up to 1) of the columns of dense products that are not zero,
    for every layer that has such products, or by layer name; ``step_latency``, the cycles of a step
    of the layers that are named, in place of the model's.

    Raises:
        DesignError: a value is none of these; the hint lists the legal ones.
    """

    engines: Literal["per-layer", "shared"] = field(
        default="per-layer",
        metadata=_schedule(
            "per-layer lanes (a wavefront), or one shared engine.",
            "KIND",
            words=_same("per-layer", "shared"),
            ordinary=("per-layer",),
        ),
    )
    overlap: bool | Literal["auto"] = field(
        default=False,
        metadata=_schedule(
            "Run the next step's inputs while one drains.",
            "on|off|auto",
            words={"on": True, "off": False, "auto": "auto"},
            ordinary=(False,),
        ),
    )
    interleave: int | Literal["auto"] = field(
        default=1,
        metadata=_schedule(
            "Independent sequences that take turns on the lanes.",
            "K|auto",
            words=_same("auto"),
            counts="sequences",
            ordinary=(1,),
        ),
    )
    weights: Place | Literal["auto"] | Mapping[str, Place] | None = field(
        default=None,
        metadata=_schedule(
            "on-chip, streamed (from external memory at every step) or auto.",
            "PLACE",
            words=_same("on-chip", "streamed", "auto"),
            by_layer=True,
            ordinary=(None, "on-chip", "auto"),
        ),
    )
    steps_in_parallel: int | Mapping[str, int] = field(
        default=1,
        metadata=_schedule(
            "Steps that layers without state take together.",
            "R",
            counts="steps",
            by_layer=True,
            ordinary=(1,),
        ),
    )
    activity: float | Mapping[str, float] = 1.0
    step_latency: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plain_numbers(self)
        for entry in fields(Arrangement):
            value = getattr(self, entry.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, entry.name, plain_number(value))
        for name, schedule in SCHEDULES.items():
            schedule.check(name, getattr(self, name))
        self._check_assumptions()

    def _check_assumptions(self) -> None:
        shares = self.activity if isinstance(self.activity, Mapping) else {"": self.activity}
        for name, share in shares.items():
            number = isinstance(share, int | float) and not isinstance(share, bool)
            if not number or not 0 < share <= 1:
                of = f" of {name}" if name else ""
                raise DesignError(
                    f"activity={share!r}{of}",
                    "give the share of columns that are not zero: above 0, up to 1; or one by "
                    "layer name",
                )
        if not isinstance(self.step_latency, Mapping):
            raise DesignError(
                f"step_latency={self.step_latency!r}", "give cycles by layer name: {'rnn': 120}"
            )
        for name, cycles in self.step_latency.items():
            _check_whole(f"step_latency of {name}", cycles, " cycles")

    @property
    def assumes(self) -> bool:
        """Whether a constant of the user stands in place of a computed number."""
        return self.activity != 1 or bool(self.step_latency)

    @property
    def computed(self) -> Arrangement:
        """The same without these constants."""
        return replace(self, activity=1.0, step_latency={})

    @property
    def special(self) -> tuple[str, ...]:
        """The names of what is not as by default."""
        return tuple(
            name for name, schedule in SCHEDULES.items() if schedule.is_special(getattr(self, name))
        )

    @property
    def streams(self) -> bool:
        """Whether any weights are asked to be streamed."""
        return "weights" in self.special


SCHEDULES: Mapping[str, Schedule] = {
    entry.name: entry.metadata["schedule"]
    for entry in fields(Arrangement)
    if "schedule" in entry.metadata
}
"""The schedules by the names of the fields; the other fields are assumptions."""


def _check_whole(name: str, value: object, what: str) -> None:
    try:
        whole_number(name, value, 1)
    except DesignError as error:
        raise DesignError(error.message, f"{error.hint}{what}") from None


def _listed(values: Iterable[object]) -> str:
    """``'a', 'b' or 'c'``."""
    *others, last = map(repr, values)
    return f"{', '.join(others)} or {last}" if others else last
