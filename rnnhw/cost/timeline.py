"""The first steps of a sequence: when which layer works on which step."""

from __future__ import annotations

from rnnhw.accelerator import Accelerator
from rnnhw.cost.model import SpanReport
from rnnhw.cost.processor import LayerProcessor, Processor

__all__ = ["processor_spans", "wavefront_spans"]

_MORE_STEPS = 3
"""Steps that are shown once the wavefront is full."""

_MOST_STEPS = 16

_MOST_SEQUENCES = 16
"""Sequences that are shown of those that are interleaved."""


def _shown(layers: int, steps: int | None, first: int = 0) -> int:
    """Enough steps to fill a wavefront of ``layers`` layers, of ``steps`` that there are;
    ``first`` is the first one that fills all windows."""
    wanted = min(layers + _MORE_STEPS, _MOST_STEPS) + first
    return wanted if steps is None else min(wanted, steps)


def wavefront_spans(machine: Accelerator, steps: int | None) -> tuple[SpanReport, ...]:
    """Every layer with its own machine, on the first steps of the first sequences; what waits for
    the end of the sequence, if it is shown."""
    first = max(reads.first for reads in machine.reads)
    shown = _shown(len(machine.stages[0]), steps, first)
    whole = shown == steps
    spans = machine.spans(shown, _MOST_SEQUENCES)
    return tuple(
        SpanReport(
            layer=machine.layers[span.index].name,
            step=None if machine.layers[span.index].once else span.step,
            start_cycle=span.start,
            end_cycle=span.end,
            sequence=span.sequence,
        )
        for span in sorted(spans, key=lambda span: (span.index, span.step, span.sequence))
        if whole or span.index in machine.stages[0]
    )


def processor_spans(cost: Processor, steps: int | None) -> tuple[SpanReport, ...]:
    """One layer after the other on one core; empty where the cycles of a layer are not known."""
    if cost.counted != "cycles" or not all(layer.has_cycles for layer in cost.layers):
        return ()
    layers = [layer for layer in cost.layers if not layer.once]
    shown = _shown(1, steps)
    order: list[tuple[LayerProcessor, int | None]] = [
        (layer, step) for step in range(shown) for layer in layers
    ]
    if shown == steps:
        order += [(layer, None) for layer in cost.layers if layer.once]
    spans, now = [], 0
    for layer, step in order:
        end = now + (layer.per_step or 0)
        spans.append(SpanReport(layer=layer.name, step=step, start_cycle=now, end_cycle=end))
        now = end
    names = [layer.name for layer in cost.layers]
    return tuple(sorted(spans, key=lambda span: (names.index(span.layer), span.start_cycle)))
