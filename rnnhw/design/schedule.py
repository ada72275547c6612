"""How the layers of an accelerator share lanes, time and memory: the schedules to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from rnnhw.errors import DesignError, plain_number, plain_numbers, whole_number

__all__ = ["ENGINES", "PLACES", "Arrangement", "Place"]

Place = Literal["on-chip", "streamed"]

ENGINES = ("per-layer", "shared")
PLACES = ("on-chip", "streamed")


@dataclass(frozen=True)
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

    Two constants of the user's own change what is computed, and are told as assumptions:
    ``activity``, the share (above 0, up to 1) of the columns of dense products that are not zero,
    for every layer that has such products, or by layer name; ``step_latency``, the cycles of a step
    of the layers that are named, in place of the model's.

    Raises:
        DesignError: a value is none of these; the hint lists the legal ones.
    """

    engines: Literal["per-layer", "shared"] = "per-layer"
    overlap: bool | Literal["auto"] = False
    interleave: int | Literal["auto"] = 1
    weights: Place | Literal["auto"] | Mapping[str, Place] | None = None
    steps_in_parallel: int | Mapping[str, int] = 1
    activity: float | Mapping[str, float] = 1.0
    step_latency: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plain_numbers(self)
        if isinstance(self.steps_in_parallel, Mapping):
            object.__setattr__(self, "steps_in_parallel", plain_number(self.steps_in_parallel))
        if self.engines not in ENGINES:
            raise DesignError(f"engines={self.engines!r}", f"use {_listed(ENGINES)}")
        if self.overlap not in (True, False, "auto") or not isinstance(self.overlap, bool | str):
            raise DesignError(f"overlap={self.overlap!r}", "use True, False or 'auto'")
        if self.interleave != "auto":
            _whole("interleave", self.interleave, " sequences, or 'auto'")
        if isinstance(self.weights, Mapping):
            for name, place in self.weights.items():
                if place not in PLACES:
                    raise DesignError(
                        f"weights={{{name!r}: {place!r}}}", f"use {_listed(PLACES)} for a layer"
                    )
        elif self.weights is not None and self.weights not in (*PLACES, "auto"):
            raise DesignError(
                f"weights={self.weights!r}",
                f"use {_listed((*PLACES, 'auto'))}, or a mapping of layer names to these",
            )
        if isinstance(self.steps_in_parallel, Mapping):
            for name, steps in self.steps_in_parallel.items():
                _whole(f"steps_in_parallel of {name}", steps, " steps")
        else:
            _whole("steps_in_parallel", self.steps_in_parallel, ", or a number by layer name")
        for name in ("activity", "step_latency"):
            object.__setattr__(self, name, plain_number(getattr(self, name)))
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
            _whole(f"step_latency of {name}", cycles, " cycles")

    @property
    def assumes(self) -> bool:
        """Whether a constant of the user's own stands in place of what is computed."""
        return self.activity != 1 or bool(self.step_latency)

    @property
    def computed(self) -> Arrangement:
        """The same without these constants."""
        return replace(self, activity=1.0, step_latency={})

    @property
    def special(self) -> tuple[str, ...]:
        """The names of what is not as by default."""
        steps = self.steps_in_parallel
        most = max(steps.values(), default=1) if isinstance(steps, Mapping) else steps
        chosen = {
            "engines": self.engines != "per-layer",
            "overlap": self.overlap is not False,
            "interleave": self.interleave != 1,
            "weights": self.streams,
            "steps_in_parallel": most > 1,
        }
        return tuple(name for name, is_chosen in chosen.items() if is_chosen)

    @property
    def streams(self) -> bool:
        """Whether any weights are asked to be streamed."""
        if isinstance(self.weights, Mapping):
            return "streamed" in self.weights.values()
        return self.weights == "streamed"


def _whole(name: str, value: object, what: str) -> None:
    try:
        whole_number(name, value, 1)
    except DesignError as error:
        raise DesignError(error.message, f"{error.hint}{what}") from None


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join(map(repr, names))
