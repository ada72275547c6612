"""``rnnhw import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnhw.cli.output import show
from rnnhw.cli.progress import shown_progress
from rnnhw.errors import escaped
from rnnhw.importers.formats import ADDRESS, WORD
from rnnhw.importers.importing import ImportedDesign, import_network

__all__ = ["import_command", "imported_text"]


def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The trained network: .onnx, .keras, .h5, .pt2, .pt, .pth or .safetensors.",
            show_default=False,
            readable=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DESIGN.py",
            help="The design file to write; its weights go into the .npz beside it.",
            show_default=False,
            readable=False,
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE.npz",
            help="x [sequences, steps, features] and lengths, by which formats are chosen.",
            readable=False,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="Start at this node or value of a graph."),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="End with this node or value of a graph."),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            metavar="NAMES",
            help="The order of layers of a file that holds weights alone: rnn,last,head:relu.",
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option("--max-steps", metavar="N", min=1, help="The longest sequence, for means."),
    ] = None,
    word: Annotated[
        int, typer.Option("--word", metavar="BITS", min=2, max=24, help="Bits of numbers.")
    ] = WORD,
    address: Annotated[
        int,
        typer.Option("--address", metavar="BITS", min=2, max=20, help="Bits that address a table."),
    ] = ADDRESS,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="KIND",
            help="The design's task on --data, which then holds train_x, train_y, test_x...: "
            "classification or regression.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there.")
    ] = False,
) -> int:
    """Make a design of a trained network.

    Writes a readable design file and its weights; nothing of the file is run. What rnnhw
    cannot have is an error that names node, attribute and cure.
    """
    with shown_progress("parts of the data") as progress:
        result = import_network(
            file,
            output,
            data=data,
            start=start,
            end=end,
            layers=layers,
            max_steps=max_steps,
            word=word,
            address=address,
            task=task,
            force=force,
            progress=progress,
        )
    show(imported_text(result, judged=task is not None))
    return 0


def imported_text(result: ImportedDesign, *, judged: bool = False) -> str:
    """The files written, and the notes; ``judged`` tells that the design has a task."""
    lines = [f"{result.design}: {result.network.inputs} input features"]
    for step in result.network.branches.steps:
        count = sum(value.size for value in step.tensors.values())
        kind = type(step.layer).__name__
        called = f" (source: {step.origin})" if step.layer.name and step.origin else ""
        weights = f", {count:,} weights" if count else ""
        lines.append(f"  {kind} {step.layer.name}".rstrip() + weights + called)
    lines.append(f"{result.weights}: {result.weights.stat().st_size:,} bytes")
    lines += [f"note: {note}" for note in result.notes]
    data = "" if judged else " --data FILE.npz"
    lines.append(f"next: rnnhw verify {result.design}{data} --min snr_db=40")
    return escaped("\n".join(lines), keep="\n") + "\n"
