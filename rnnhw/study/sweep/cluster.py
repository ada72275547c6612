"""Points measured on a Dask cluster: texts and data travel, never objects of Python.

A design travels as the bytes of the files that it reads, which a worker receives once. The worker
lays them out as they lie here, measures, and returns JSON. The client releases a future when its
result is here: otherwise Dask runs finished points again when a worker dies.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from rnnhw.design.design import load
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.profiles import profile_files
from rnnhw.study.sweep.point import Measured, Point, Question, measure

__all__ = ["cluster_points"]

_AHEAD = 2
"""Points a worker thread has beside the one that it runs."""

_PATIENCE = "30s"

_ENDED = ("finished", "error", "cancelled")
"""The states of a future that runs no more; others are "pending" and "lost"."""


def cluster_points(
    points: Sequence[Point], question: Question, address: str
) -> Iterator[tuple[Point, Measured]]:
    """Every point with what is measured of it, in the order in which they are finished.

    Args:
        points: what is measured.
        question: the measurement, the same for all points.
        address: the scheduler's, such as ``tcp://10.0.0.1:8786``.

    Raises:
        UsageError: Dask is not installed, or nothing answers at ``address``.
        RnnhwError: a point killed its workers again and again, or failed as no point may.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--scheduler {address}: {error}", "give the address that `dask scheduler` prints"
        ) from None
    with client:
        yield from _run(distributed, client, points, question)


def _run(
    distributed: Any, client: Any, points: Sequence[Point], question: Question
) -> Iterator[tuple[Point, Measured]]:
    blobs: dict[str, Any] = {}
    waiting = list(reversed(points))
    threads = max(sum(client.nthreads().values()), 1)
    running: dict[str, Point] = {}
    done = distributed.as_completed()

    def submit() -> None:
        point = waiting.pop()
        layout, asked = _layout(point, question)
        for digest, file in layout.values():
            if digest not in blobs:
                # The result of a task, not scattered data: that is lost for good with its worker.
                content = file.read_bytes()
                blobs[digest] = client.submit(bytes, content, key=f"rnnhw-{digest}")
        future = client.submit(
            _measured_there,
            {name: digest for name, (digest, _) in layout.items()},
            [blobs[digest] for digest, _ in layout.values()],
            msgspec.json.encode(asked),
            pure=False,
        )
        running[future.key] = point
        done.add(future)

    for _ in range(min(len(waiting), threads * (1 + _AHEAD))):
        submit()
    while running:
        future = next(done)
        if future.status not in _ENDED:
            # Its worker died after it finished, before its result was fetched: it runs again.
            done.add(future)
            continue
        point = running.pop(future.key)
        if future.status != "finished":
            raise RnnhwError(f"{point.label}: {future.exception()}")
        found = msgspec.json.decode(future.result(), type=dict[str, Any])
        future.release()
        if waiting:
            submit()
        yield point, Measured(**found)


def _layout(point: Point, question: Question) -> tuple[dict[str, tuple[str, Path]], dict[str, Any]]:
    """The files of a point (digest and path) by their place below a common folder, and the
    question with the places instead of paths."""
    design = load(point.file, {**question.settings, **point.values})
    own = question.profile is not None and Path(question.profile).suffix == ".toml"
    files = [*design.files, *(profile_files(question.profile) if own else [])]  # type: ignore[arg-type]
    there = [file.absolute() for file in files if file.is_file()]
    there = [Path(os.path.normpath(file)) for file in there]
    root = Path(os.path.commonpath([file.parent for file in there]))
    layout = {
        str(file.relative_to(root)): (hashlib.sha256(file.read_bytes()).hexdigest(), file)
        for file in there
    }
    asked = {
        "file": _below(Path(point.file), root),
        "values": dict(point.values),
        "key": point.key,
        "question": asdict(replace(question, profile=None)),
        "profile": question.profile if not own else _below(Path(str(question.profile)), root),
        "own_profile": own,
    }
    return layout, asked


def _below(file: Path, root: Path) -> str:
    return str(Path(os.path.normpath(file.absolute())).relative_to(root))


def _measured_there(layout: Mapping[str, str], contents: Sequence[bytes], asked: bytes) -> bytes:
    """Lay out the files and measure; on the worker."""
    given = msgspec.json.decode(asked)
    with tempfile.TemporaryDirectory(prefix="rnnhw-") as name:
        folder = Path(name)
        for place, content in zip(layout, contents, strict=True):
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        profile = given["profile"]
        if given["own_profile"]:
            profile = str(folder / profile)
        question = Question(**{**given["question"], "profile": profile})
        point = Point(str(folder / given["file"]), given["values"], given["key"])
        found = measure(point, question)
        told = found.error.replace(f"{folder}{os.sep}", "")
    return msgspec.json.encode(asdict(replace(found, error=told)))


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise UsageError("--scheduler needs Dask", "pip install 'rnnhw[cluster]'") from None
    return distributed
