"""Arrays of an ``.npz`` file: headers first, then the members that are wanted, then no more.

A file of a few kilobytes can claim an array of any size, or hold gigabytes of zeros that nobody
asked for. So a member's shape and dtype are read from its header, which is short; what they say
must be what the archive holds; and a member is unpacked only when it is asked for.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError

__all__ = ["Header", "Npz", "open_npz"]

_SUFFIX = ".npy"
_MOST_HEADER_BYTES = 1 << 16
_SAVE = "save numeric arrays with numpy.savez"


@dataclass(frozen=True)
class Header:
    """What an array claims to be, before it is read."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class Npz(Mapping[str, NDArray[np.generic]]):
    """The arrays of an open file by key; an array is read when it is asked for.

    ``headers`` are the shapes and dtypes of all of them.
    """

    def __init__(self, place: str, archive: zipfile.ZipFile, headers: Mapping[str, Header]) -> None:
        self._place = place
        self._archive = archive
        self.headers = headers

    def __getitem__(self, key: str) -> NDArray[np.generic]:
        self.headers[key]
        name = key if key in self._archive.NameToInfo else key + _SUFFIX
        with _explained(self._place), self._archive.open(name) as member:
            return np.asarray(np.lib.format.read_array(member, allow_pickle=False))

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """The arrays of an ``.npz`` file, of which nothing is read but the headers.

    Raises:
        DesignError: the file is missing, is no ``.npz``, names an array twice, holds Python
            objects, or an array is not of the size that it claims; also when an array is read.
    """
    place = str(path)
    with _explained(place):
        file = path.open("rb")
    with file:
        with _explained(place):
            if file.read(6) == b"\x93NUMPY":
                raise DesignError(
                    f"{place}: one bare array", "save it with numpy.savez(FILE, x=array)"
                )
            archive = zipfile.ZipFile(file)
            headers = _headers(place, archive)
        with archive:
            yield Npz(place, archive, headers)


def _headers(place: str, archive: zipfile.ZipFile) -> dict[str, Header]:
    headers: dict[str, Header] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(_SUFFIX)
        if key in headers:
            raise DesignError(f"{place}: two arrays are named {key!r}", "give each its own key")
        with archive.open(info) as member:
            headers[key] = _header(place, key, info, member)
    return headers


def _header(place: str, key: str, info: zipfile.ZipInfo, member: IO[bytes]) -> Header:
    start = io.BytesIO(member.read(_MOST_HEADER_BYTES))
    version = np.lib.format.read_magic(start)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of the .npy format")
    shape, _, dtype = read(start)
    if dtype.hasobject:
        raise DesignError(
            f"{place}: not a plain .npz file (it holds Python objects, which are never unpickled)",
            _SAVE,
        )
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size != info.file_size - start.tell():
        claimed = " x ".join(map(str, shape))
        raise DesignError(
            f"{place}: {key} claims to be {claimed if len(claimed) < 80 else 'of a vast shape'}, "
            f"and the file holds {max(info.file_size - start.tell(), 0):,} bytes of it",
            "the file is damaged: save it again",
        )
    return Header(tuple(map(int, shape)), dtype)


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """Whatever a reader of files raises, in one line about the file."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{place}: {reason}", "give the path of an .npz file") from None
    except MemoryError as error:
        raise DesignError(f"{place}: too large: {error}", "give it in parts") from None
    except (
        ValueError,
        TypeError,
        SyntaxError,
        OSError,
        EOFError,
        KeyError,
        IndexError,
        OverflowError,
        RecursionError,
        RuntimeError,  # encrypted
        NotImplementedError,  # an unknown compression
        UnicodeError,
        zipfile.BadZipFile,
        zlib.error,
    ):
        raise DesignError(f"{place}: not a plain .npz file (unreadable)", _SAVE) from None
