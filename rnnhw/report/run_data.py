"""Runs of a design as what JSON holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rnnhw.design.demands import Check
from rnnhw.execution.rest import STEPS, LayerRest
from rnnhw.execution.simulate import Simulation
from rnnhw.execution.verify import Verification
from rnnhw.report.json_text import all_zero_rows, head, judgement, score_figures

__all__ = ["simulation_data", "verification_data"]


def simulation_data(result: Simulation, checks: Sequence[Check]) -> dict[str, Any]:
    """The results of a run, and the demands on it."""
    return {
        **head("simulation"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "isa": result.run.isa,
        "sequences": result.batch.sequences,
        "steps": int(result.batch.lengths.sum()),
        **score_figures(result.score),
        "events": {name: events._asdict() for name, events in result.events.items()},
        "underflows": result.underflows,
        "all_zero": all_zero_rows(result.all_zero),
        "zero_outputs": list(result.zero_outputs),
        **_several_outputs(result),
        "counts": {layer: asdict(counts) for layer, counts in result.run.counts.items()},
        "total_counts": asdict(result.counts),
        **(judgement(checks) if checks else {}),
    }


def _several_outputs(result: Simulation) -> dict[str, Any]:
    """Every output by its name, where there are several."""
    network = result.design.network
    return _several(
        network.outputs,
        {
            node.name: {
                "units": node.units,
                "format": repr(node.format),
                "vectors": int(result.run.by_output[node.name].lengths.sum()),
                "zero_units": list(result.zero_units[node.name]),
                **score_figures(result.further.get(node.name)),
            }
            for node in network.outputs
        },
    )


def _several(outputs: Sequence[object], by_name: dict[str, Any]) -> dict[str, Any]:
    """``by_name`` under one more key, where there is more than one output."""
    return {"outputs": by_name} if len(outputs) > 1 else {}


def verification_data(result: Verification) -> dict[str, Any]:
    """All errors, events, scores and the judgement."""

    def error(signal: Any) -> dict[str, Any]:
        return {
            "max_error": signal.max_error,
            "max_error_lsb": signal.max_error_lsb,
            "rms_error": signal.rms_error,
            "rms_error_lsb": signal.rms_error_lsb,
            "snr_db": signal.snr_db,
            "worst_sequence_step_unit": list(signal.worst),
        }

    return {
        **head("verification"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "sequences": result.sequences,
        **score_figures(result.score),
        **score_figures(result.float_score, "float_"),
        "output": error(result.output),
        **_several(
            result.outputs,
            {
                output.name: {**error(output), **_further(result, output.name)}
                for output in result.outputs
            },
        ),
        "signals": {signal.name: error(signal) for signal in result.signals},
        "sources": {
            source.source: {
                **error(source.output),
                **_several(source.outputs, {one.name: error(one) for one in source.outputs}),
                **score_figures(source.score),
            }
            for source in result.sources
        },
        "events": {name: events._asdict() for name, events in result.events.items()},
        "underflows": dict(result.underflows),
        "all_zero": all_zero_rows(result.all_zero),
        "zero_units": {
            signal.name: list(signal.zero_units) for signal in result.signals if signal.zero_units
        },
        "zero_input": {
            "sequences": result.rest_sequences,
            "max_steps": STEPS,
            "layers": {rest.layer: _rest(rest) for rest in result.rests},
        },
        **judgement(result.checks),
    }


def _further(result: Verification, output: str) -> dict[str, Any]:
    """The scores of a further output, where its answers are known."""
    score, of_float = result.further.get(output, (None, None))
    return {**score_figures(score), **score_figures(of_float, "float_")}


def _rest(rest: LayerRest) -> dict[str, Any]:
    return {
        "skipped": rest.skipped or None,
        "repeating_sequences": rest.repeating,
        "states": {
            state.name: {
                "units": state.units,
                "stuck_units": list(state.stuck),
                "largest_lsb": state.largest_lsb,
            }
            for state in rest.states
        },
    }
