"""The analysis of designs: ranges, events and memory, and the memory over a varied parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rnnhw.design.design import Design, load
from rnnhw.dynamics.memory import layer_memories, remembering
from rnnhw.dynamics.model import Analysis, DesignAnalysis, Variant
from rnnhw.dynamics.observed import Observed, observe
from rnnhw.dynamics.ranges import signal_ranges, signal_rates
from rnnhw.errors import DesignError, UsageError
from rnnhw.execution.simulate import chosen_samples

__all__ = ["WORDS", "analyze", "analyze_design"]

Progress = Callable[[int, int], None]

WORDS = (4, 6, 8, 10, 12, 16)
"""The values of a parameter ``word`` where nothing else is asked for."""


def analyze(
    files: Sequence[str | Path],
    settings: Mapping[str, object] | None = None,
    vary: Mapping[str, Sequence[object]] | None = None,
    data: Path | None = None,
    *,
    isa: str | None = None,
    progress: Progress | None = None,
    loaded: Callable[[Design], None] | None = None,
) -> Analysis:
    """Analyse design files on their task, or on the file ``data``.

    Args:
        files: design files; their memory is drawn side by side.
        settings: parameters of all designs; text is read as the type of the default.
        vary: one parameter with its values, whole or real numbers; left out, ``word`` over
            :data:`WORDS` where every design has one. No value: nothing is varied.
        data: as :func:`rnnhw.execution.simulate.simulate` takes it.
        isa: the instruction set.
        progress: called with the parts done and their number.
        loaded: called with every design before anything runs.

    Raises:
        DesignError: a design, its weights or its data are wrong.
        UsageError: a parameter is unknown, or more than one is varied.
    """
    chosen = dict(settings or {})
    designs = [load(file, chosen) for file in files]
    name, values = _varied(designs, chosen, vary)
    if vary is None and not any(design.network.states() for design in designs):
        name, values = "", []  # nothing that could remember
    grid = [
        (file, value, _loaded(file, {**chosen, name: value})) for file in files for value in values
    ]
    for design in [*designs, *(variant for _, _, variant in grid)]:
        if loaded is not None and isinstance(design, Design):
            loaded(design)
    parts = [_parts(each) for each in (*designs, *(variant for _, _, variant in grid))]
    tick = _Ticks(sum(parts), progress)
    found = [analyze_design(design, data, isa=isa, progress=tick) for design in designs]
    variants = [
        _variant(Path(file).stem, value, variant, data, isa, tick) for file, value, variant in grid
    ]
    return Analysis(tuple(found), name, tuple(variants))


def _parts(design: Design | str) -> int:
    """The run on the task and the layers; a variant that cannot be has none."""
    try:
        return 0 if isinstance(design, str) else 1 + len(remembering(design.network))
    except DesignError:
        return 0


def _nothing() -> None:
    """No progress is told."""


class _Ticks:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self) -> None:
        self._done = min(self._done + 1, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)


def _varied(
    designs: Sequence[Design],
    settings: Mapping[str, object],
    vary: Mapping[str, Sequence[object]] | None,
) -> tuple[str, list[object]]:
    """The parameter and its values; an empty name where nothing is varied."""
    if vary is None:
        every = all(_is_number(design.settings.get("word")) for design in designs)
        if not every or "word" in settings:
            return "", []
        own = {int(str(design.settings["word"])) for design in designs}
        return "word", list[object](sorted({*WORDS, *own}))
    if not vary:
        return "", []
    if len(vary) > 1:
        raise UsageError(
            f"analyze varies one parameter, not {', '.join(vary)}", "call it once for each"
        )
    [(name, values)] = vary.items()
    for value in values:
        try:
            float(str(value))
        except ValueError:
            raise UsageError(
                f"--vary {name}={value}: {value!r} is not a number",
                "figures are drawn over numbers",
            ) from None
    return name, list(values)


def _loaded(file: str | Path, settings: Mapping[str, object]) -> Design | str:
    """The design, or why there is none with these settings."""
    try:
        return load(file, settings)
    except DesignError as error:
        return error.message


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _variant(
    name: str,
    value: object,
    design: Design | str,
    data: Path | None,
    isa: str | None,
    progress: Callable[[], None],
) -> Variant:
    """A variant that the design cannot be is told, not an end: words may be too narrow."""
    number = float(str(value))
    if isinstance(design, str):
        return Variant(name, number, (), design)
    try:
        observed = _observed(design, data, isa, progress)
        layers = tuple(layer_memories(design, observed, isa, progress))
        return Variant(name, number, layers)
    except DesignError as error:
        return Variant(name, number, (), error.message)


def analyze_design(
    design: Design,
    data: Path | None = None,
    *,
    isa: str | None = None,
    progress: Callable[[], None] = _nothing,
) -> DesignAnalysis:
    """Ranges, events and memory of one design; ``progress`` is called behind the run on the task
    and behind every layer.

    Raises:
        DesignError: the design, its weights or its data are wrong.
    """
    observed = _observed(design, data, isa, progress)
    layers = list(layer_memories(design, observed, isa, progress))
    notes = [] if layers else ["no layer keeps a state from step to step: no memory"]
    return DesignAnalysis(
        design=design.path.stem if design.path else "design",
        title=design.title,
        settings={name: str(value) for name, value in design.settings.items()},
        sequences=len(observed.samples.lengths),
        steps=int(observed.samples.lengths.sum()),
        ranges=tuple(signal_ranges(design, observed)),
        rates=tuple(signal_rates(design, observed)),
        layers=tuple(layers),
        notes=tuple(notes),
    )


def _observed(
    design: Design, data: Path | None, isa: str | None, progress: Callable[[], None]
) -> Observed:
    samples = chosen_samples(design, data)
    found = observe(design, samples, str(data or design.place), isa, None)
    progress()
    return found
