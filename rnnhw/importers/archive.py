"""Members of zip files of unknown origin: sizes are checked before anything is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnnhw.errors import DesignError
from rnnhw.files import read_json

__all__ = ["Archive", "opened_zip"]

_MOST_BYTES = 1 << 32
_MOST_TEXT = 1 << 26
_MOST_MEMBERS = 1 << 16
_GREATEST_RATIO = 1100
"""Deflate packs 1032 to 1 at most: a member that claims more is none."""


class Archive:
    """An open zip file, whose members are read whole."""

    def __init__(self, place: str, archive: zipfile.ZipFile) -> None:
        self._place = place
        self._archive = archive
        self.names = tuple(info.filename for info in archive.infolist())
        if len(self.names) > _MOST_MEMBERS or len(set(self.names)) != len(self.names):
            raise DesignError(f"{place}: {len(self.names):,} members, or one twice", _AGAIN)

    def size(self, name: str) -> int:
        """How many bytes a member claims to be."""
        return self._info(name).file_size

    def read(self, name: str, most: int = _MOST_BYTES) -> bytes:
        """The bytes of a member.

        Raises:
            DesignError: it is not there, or larger than ``most`` or than what is packed can be.
        """
        info = self._info(name)
        if info.file_size > min(most, max(info.compress_size, 1) * _GREATEST_RATIO):
            raise DesignError(f"{self._place}: {name} claims {info.file_size:,} bytes", _AGAIN)
        with _explained(self._place):
            return self._archive.read(info)

    def json(self, name: str) -> Any:
        """The value of a member that is JSON."""
        content = self.read(name, _MOST_TEXT)
        try:
            return read_json(content)
        except ValueError as error:
            raise DesignError(f"{self._place}: {name}: {error}", _AGAIN) from None

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._archive.NameToInfo:
            raise DesignError(f"{self._place}: no {name} in it", _AGAIN)
        return self._archive.getinfo(name)


_AGAIN = "the file is damaged: save it again"


@contextmanager
def opened_zip(path: Path, kind: str) -> Iterator[Archive]:
    """A zip file; ``kind`` is what it should be, for messages.

    Raises:
        DesignError: it cannot be read, or is none.
    """
    place = str(path)
    with _explained(place, kind), path.open("rb") as file, zipfile.ZipFile(file) as archive:
        yield Archive(place, archive)


@contextmanager
def _explained(place: str, kind: str = "zip file") -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{place}: {reason}", f"give the path of a {kind}") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeError, OSError):
        raise DesignError(f"{place}: not a {kind} (unreadable)", _AGAIN) from None
    except (RuntimeError, OverflowError, ValueError):  # encrypted; offsets that cannot be
        raise DesignError(f"{place}: not a plain {kind}", _AGAIN) from None
