"""From a file of another tool to a design file: which reader, and what is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from rnnhw.design.design import load
from rnnhw.design.tasks import Classification, Regression
from rnnhw.design.tasks.recordings import Recorded
from rnnhw.design.tasks.samples import Samples, load_samples
from rnnhw.errors import DesignError, RnnhwError, UsageError, unknown_name
from rnnhw.files import check_output, check_writable, scratch_folder, written_whole
from rnnhw.importers.formats import ADDRESS, WORD, chosen_formats
from rnnhw.importers.keras.reader import import_keras
from rnnhw.importers.network import Imported
from rnnhw.importers.onnx.reader import import_onnx
from rnnhw.importers.torch.exported import import_exported
from rnnhw.importers.torch.state import import_state
from rnnhw.importers.writer import design_text, weights_bytes
from rnnhw.layers.cells import Mean

__all__ = ["TASKS", "ImportedDesign", "import_network", "read_network"]


@dataclass(frozen=True)
class ImportedDesign:
    """The files that were written, the network, and what the user should know."""

    design: Path
    weights: Path
    network: Imported
    notes: tuple[str, ...]


def read_network(
    file: Path, *, start: str | None = None, end: str | None = None, layers: str | None = None
) -> Imported:
    """The network that a file of another tool holds; no code of the file is run.

    Args:
        file: ``.onnx``; ``.keras`` or ``.h5``; ``.pt2`` of ``torch.export.save``; a state dict or
            checkpoint of ``torch.save`` (``.pt``, ``.pth``, ``.ckpt``); ``.safetensors``.
        start, end: the nodes or values at which a graph is cut; ``start`` of a checkpoint is the
            key of its state dict.
        layers: the order of a file that holds weights alone.

    Raises:
        DesignError: the file cannot be read, or holds what rnnhw cannot have.
        UsageError: an option does not fit the kind of file.
    """
    suffix = file.suffix.lower()
    if layers is not None and suffix in (".onnx", ".keras", ".h5", ".hdf5", ".pt2"):
        raise UsageError(f"--layers {layers}: {suffix} files hold the order of their layers", "")
    if suffix == ".onnx":
        return import_onnx(file, start, end)
    if suffix in (".keras", ".h5", ".hdf5"):
        return import_keras(file, start, end)
    if suffix == ".pt2":
        return import_exported(file, start, end)
    if suffix in (".pt", ".pth", ".ckpt", ".bin", ".safetensors"):
        if end is not None:
            raise UsageError(f"--to {end}: the file holds no graph", "name the layers in --layers")
        return import_state(file, layers, start)
    raise UsageError(
        f"{file}: files {suffix or 'without suffix'} are not known",
        "give .onnx, .keras, .h5, .pt2, .pt, .pth or .safetensors",
    )


def import_network(
    file: str | Path,
    output: str | Path,
    *,
    data: str | Path | None = None,
    start: str | None = None,
    end: str | None = None,
    layers: str | None = None,
    max_steps: int | None = None,
    word: int = WORD,
    address: int = ADDRESS,
    task: str | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, whole: None,
) -> ImportedDesign:
    """Write a design file and its weights for a network of another tool.

    Args:
        file: the source; see :func:`read_network`, which also has ``start``, ``end``, ``layers``.
        output: the design file, ``.py``; the weights go into the ``.npz`` beside it.
        data: an ``.npz`` with x [sequences, steps, features], by which formats are chosen; with
            ``task`` the splits of a task: train_x, train_lengths, train_y and those of test.
        max_steps: the longest sequence, for sums over time.
        word: bits of numbers.
        address: bits of what addresses a table.
        task: one of :data:`TASKS`, which the design then has on ``data``; formats are chosen by
            its training split. The arrays are what the network reads: nothing is standardised.
        force: write over files that are there.
        progress: is told how many parts of the data are done, of how many.

    Raises:
        DesignError: the source or the data cannot be read, or holds what rnnhw cannot have.
        UsageError: a file is there already, or an option does not fit.
    """
    source, design = Path(file), Path(output)
    weights = design.with_suffix(".npz")
    given = None if data is None else Path(data)
    judged = _task(task, given)
    _check_places(design, weights, [source, *([given] if given else [])], force)
    network = read_network(source, start=start, end=end, layers=layers)
    try:
        samples = _samples(given, network) if judged is None else _training(judged, network)
    except RnnhwError as error:
        raise error.at(str(given)) from None
    notes = [*network.notes, *_fed(network)]
    limit, note = _limit(network, samples, max_steps)
    notes += note
    if samples is None:
        notes.append(
            "formats are wide guesses: import again with --data FILE.npz to have them chosen"
        )
    chosen = chosen_formats(
        network.branches, network.inputs, limit, samples, word, address, progress
    )
    written = partial(
        design_text,
        network,
        chosen,
        source=source.name,
        digest=hashlib.sha256(source.read_bytes()).hexdigest(),
        weights=weights.name,
        notes=notes,
        max_steps=limit,
        word=word,
        address=address,
    )
    content = weights_bytes(network)
    _check(written(), content, design.name, weights.name)
    text = written()
    if judged is not None and given is not None:
        place = os.path.relpath(given.resolve(), design.resolve().parent)
        text = written(task=(type(judged).__name__, Path(place).as_posix()))
    with written_whole(weights) as stream:
        stream.write(content)
    with written_whole(design) as stream:
        stream.write(text.encode())
    return ImportedDesign(design, weights, replace(network, max_steps=limit), tuple(notes))


def _check_places(design: Path, weights: Path, inputs: Sequence[Path], force: bool) -> None:
    if design.suffix != ".py":
        raise UsageError(f"--output {design}: a design file is Python", "name the file *.py")
    for place in (design, weights):
        check_writable(place)
        check_output(place, inputs)
        if place.exists() and not force:
            raise UsageError(f"{place} is there already", "--force writes over it")


TASKS: dict[str, type[Recorded]] = {"classification": Classification, "regression": Regression}
"""The tasks that an imported design may have, by the name that ``--task`` takes."""


def _task(name: str | None, data: Path | None) -> Recorded | None:
    if name is None:
        return None
    if name not in TASKS:
        raise UsageError(*unknown_name("task", name, TASKS))
    if data is None:
        raise UsageError(
            f"--task {name}: no data to judge by",
            "give --data FILE.npz with train_x, train_lengths, train_y, test_x, test_lengths and "
            "test_y",
        )
    return TASKS[name](data, standardise=False)


def _training(task: Recorded, network: Imported) -> Samples:
    """The training split of a task, which has the features that the network reads."""
    task.samples()  # what is wrong with the split that judges is told now
    samples = replace(task, split="train").samples()
    if samples.x.shape[2] != network.inputs:
        raise DesignError(
            f"train_x has {samples.x.shape[2]} features, but the network reads {network.inputs}",
            f"give [sequences, steps, {network.inputs} features]",
        )
    return samples


def _samples(data: Path | None, network: Imported) -> Samples | None:
    if data is None:
        return None
    return load_samples(data, real_answers=None, features=network.inputs)


def _fed(network: Imported) -> list[str]:
    """Notes on first states that the source reads from inputs."""
    return [
        f"feed the first state {step.layer.name}.{key} as an array of the data; the source reads "
        f"input {source!r}"
        for step in network.branches.steps
        for key, source in step.fed.items()
    ]


_GUESSED_STEPS = 1024


def _limit(
    network: Imported, samples: Samples | None, asked: int | None
) -> tuple[int | None, list[str]]:
    """The longest sequence, for which sums over time get their words, and a note where it is a
    guess."""
    if asked is not None:
        return asked, []
    if not any(isinstance(step.layer, Mean) for step in network.branches.steps):
        return None, []
    known = [network.max_steps or 0]
    if samples is not None:
        known.append(int(np.max(samples.lengths)))
    if max(known):
        return max(known), []
    return _GUESSED_STEPS, [
        f"max_steps={_GUESSED_STEPS} is a guess: the mean's word and table depend on the longest "
        "sequence, --max-steps N"
    ]


def _check(text: str, weights: bytes, name: str, weights_name: str) -> None:
    """Load what will be written, so that nothing is written that does not load."""
    with scratch_folder() as folder:
        (folder / name).write_text(text)
        (folder / weights_name).write_bytes(weights)
        try:
            _ = load(folder / name).parameters
        except RnnhwError as error:
            message = error.message.replace(f"{folder}/", "")
            raise DesignError(message, error.hint or "choose another --word") from None
