"""A search as a file: a certificate where it is closed, else where it stands.

Both are what :mod:`rnnhw.proof.check` reads: the states of each state of the automaton, packed
and compressed byte plane by byte plane. Those of a certificate are sorted; those of an open search
keep the order in which they were found, which is what it needs to go on.
"""

from __future__ import annotations

import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw.design.claims import Claim
from rnnhw.errors import DesignError
from rnnhw.files import written_whole
from rnnhw.proof.check import DAMAGES, damage
from rnnhw.proof.outcome import Keys, Verdict
from rnnhw.proof.search import Frontier, Search

__all__ = ["resumed", "save"]

_META = "certificate.json"
_SMALL = 8 << 20
"""Bytes of a set that are compressed with the usual effort, in a second or two. More than that take
the lowest but one, which gives a tenth more and takes a seventh of the time."""


def save(path: Path, search: Search, verdict: Verdict) -> None:
    """Write the certificate of a closed search, or the state of an open one.

    Raises:
        UsageError: the place cannot be written.
    """
    at = search.frontier
    meta: dict[str, Any] = {
        "format": 1,
        "verdict": verdict.value,
        "digest": search.claim.digest,
        "states": search.counts,
    }
    if verdict is not Verdict.CLOSED:
        meta |= {
            "done": at.done.tolist(),
            "ends": at.ends.tolist(),
            "starts": at.starts.tolist(),
        }
    with written_whole(path) as file, zipfile.ZipFile(file, "w") as archive:
        _put(archive, _META, json.dumps(meta).encode())
        for state in range(search.claim.automaton.states):
            keys = search.keys(state)
            if verdict is Verdict.CLOSED:
                keys = keys[np.lexsort(keys.T[::-1])]
            planes = keys.astype(">u8").view(np.uint8).reshape(len(keys), 8 * keys.shape[1]).T
            effort = lzma.PRESET_DEFAULT if planes.size <= _SMALL else 1
            packed = lzma.compress(np.ascontiguousarray(planes).tobytes(), preset=effort)
            _put(archive, f"set_{state}.xz", packed)


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Without the time: the same search gives the same bytes."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


def resumed(path: Path, search: Search) -> None:
    """Let ``search`` stand where the search of the file stopped.

    Raises:
        DesignError: the file is none of an open search, or one of another claim.
        UsageError: the memory does not hold its states.
    """
    claim = search.claim
    try:
        with zipfile.ZipFile(path) as archive:
            meta = json.loads(archive.read(_META))
            if meta["verdict"] == Verdict.CLOSED.value:
                raise ValueError("it is a certificate: `--check` checks it")
            if meta["digest"] != claim.digest:
                raise ValueError("it is of another design, or of another claim")
            frontier = _frontier(claim, meta)
            sets = [
                _keys(archive.read(f"set_{state}.xz"), count, claim.words)
                for state, count in enumerate(meta["states"])
            ]
        search.restore(sets, frontier)
    except DAMAGES as error:
        raise DesignError(
            f"{path}: no search that can go on: {damage(error)}",
            "`rnnhw prove DESIGN -o FILE` writes one where a bound stops it",
        ) from None


def _frontier(claim: Claim, meta: dict[str, Any]) -> Frontier:
    states = claim.automaton.states
    done, ends, counts = (np.array(meta[n], np.int64) for n in ("done", "ends", "states"))
    starts = np.array(meta["starts"], np.int64).reshape(-1, states)
    levels = np.concatenate([starts, ends[None], counts[None]])
    if (
        {done.shape, ends.shape, counts.shape} != {(states,)}
        or len(starts) == 0
        or (np.diff(levels, axis=0) < 0).any()
        or ((done < starts[-1]) | (done > ends)).any()
        or starts[0].any()
    ):
        raise ValueError("its levels do not follow one another")
    return Frontier(done, ends, starts)


def _keys(packed: bytes, count: int, words: int) -> Keys:
    raw = lzma.LZMADecompressor().decompress(packed, count * words * 8 + 1)
    if len(raw) != count * words * 8:
        raise ValueError(f"a set does not hold its {count} states")
    planes = np.frombuffer(raw, np.uint8).reshape(words * 8, count)
    return np.ascontiguousarray(planes.T).view(">u8").astype(np.uint64)
