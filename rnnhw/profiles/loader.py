"""Find a profile, read it, and say what is wrong with it in the words of its file."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from rnnhw.errors import few, unknown_name
from rnnhw.files import read_toml
from rnnhw.profiles.asic import Asic
from rnnhw.profiles.boards import Board
from rnnhw.profiles.device_families import family_file, family_of
from rnnhw.profiles.fpga import Fpga
from rnnhw.profiles.microcontroller import Microcontroller
from rnnhw.profiles.schema import HINTS, FieldError, ProfileError, UnknownProfileError

__all__ = ["Profile", "kind_of", "load_profile", "profile_files", "profile_names", "profile_sha256"]

Profile: TypeAlias = Fpga | Microcontroller | Asic
"""A target. Tell the kinds apart with isinstance; a board is read as the device on it."""

_SUFFIX = ".toml"
_KINDS: Mapping[object, type[msgspec.Struct]] = MappingProxyType(
    {"fpga": Fpga, "microcontroller": Microcontroller, "asic": Asic, "board": Board}
)
# Of the types that msgspec names in its errors: the rule and the cure in a TOML file's words.
_TYPES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "int | float": ("must be a number", "write the number alone, without quotes"),
        "int": ("must be a whole number", "write it without quotes and without a point"),
        "str": ("must be text", "put it in quotes"),
        "bool": ("must be true or false", "write true or false, without quotes"),
        "object": ("must be a table", "give its fields under a [heading] or in {braces}"),
        "array": ("must be an array", "put it in [brackets] or under [[headings]]"),
    }
)


def profile_names() -> list[str]:
    """Names of the shipped profiles, sorted."""
    return sorted(
        entry.name.removesuffix(_SUFFIX)
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(_SUFFIX)
    )


def load_profile(name_or_path: str | os.PathLike[str]) -> Profile:
    """Load a shipped profile by name, or a user's by the path of its .toml file.

    A board gives its device with what the board adds.

    Raises:
        UnknownProfileError: no profile of this name is shipped.
        ProfileError: a file cannot be read or breaks a rule of the schema; the message names the
            field and the cure.
    """
    file, loaded = _load(name_or_path)
    if isinstance(loaded, Board):
        return _on_board(file, loaded, _device(name_or_path, file, loaded))
    if not isinstance(loaded, Asic) and loaded.extends:
        raise ProfileError(
            f"{file}: extends: a device extends nothing, got {loaded.extends!r}",
            'remove it, or write kind = "board"',
        )
    if isinstance(loaded, Fpga) and loaded.fits_of:
        return _with_fits(name_or_path, file, loaded)
    return loaded


def profile_sha256(name_or_path: str | os.PathLike[str]) -> str:
    """SHA-256 of the profile file's bytes, in hexadecimal: which data a report was made with.

    Where a profile refers to others (a board to its device, a device to another's fits, or to its
    family for what it leaves out), of all their bytes, one file after the other. Raises the same
    errors as `load_profile` for a file that cannot be found or read.
    """
    digest = hashlib.sha256()
    for _, content in _referring(name_or_path):
        digest.update(content)
        digest.update(_family_content(content))
    return digest.hexdigest()


def profile_files(name_or_path: str | os.PathLike[str]) -> list[Path]:
    """The user's own files of a profile: its file and those that it refers to.

    Raises the same errors as `load_profile` for a file that cannot be found or read.
    """
    places = [Path(place) for place, _ in _referring(name_or_path)]
    return [place for place in places if place.suffix.lower() == _SUFFIX]


def _referring(
    name_or_path: str | os.PathLike[str],
) -> Iterator[tuple[str | os.PathLike[str], bytes]]:
    """A profile and the files that it refers to, in turn, with their bytes."""
    place: str | os.PathLike[str] = name_or_path
    seen: set[str] = set()
    while str(place) not in seen:
        seen.add(str(place))
        content = _read(place)[1]
        yield place, content
        referred = _reference(content)
        if not referred:
            break
        place = _beside(place, referred)


def kind_of(profile: Profile) -> str:
    """What a profile describes, in a word or two for people."""
    if isinstance(profile, Asic):
        return "ASIC"
    kind = "FPGA" if isinstance(profile, Fpga) else "microcontroller"
    return f"{kind} board" if profile.extends else kind


def _load(name_or_path: str | os.PathLike[str]) -> tuple[str, Profile | Board]:
    """The file's name for messages and what it holds, without what it refers to."""
    file, content = _read(name_or_path)
    try:
        return file, _parsed(content)
    except msgspec.ValidationError as error:
        data = read_toml(content)
        _take_from_family(data)
        raise _explain(file, data, error) from error
    except ValueError as error:
        raise ProfileError(
            f"{file}: not a TOML file: {error}", "correct it, in UTF-8; see https://toml.io"
        ) from error


_KNOWN = 32
"""Files that are remembered by their bytes: a report asks five times for the same one, and every
point of a sweep again, which took a ninth of the time of 60 points."""


@lru_cache(maxsize=_KNOWN)
def _parsed(content: bytes) -> Profile | Board:
    data = read_toml(content)
    _take_from_family(data)
    return msgspec.convert(data, Fpga | Microcontroller | Asic | Board)


# --- what a profile leaves to its family ---------------------------------------------------------
def _take_from_family(data: dict[str, Any]) -> bool:
    """Give an FPGA the shapes of block RAM and the operands of a multiplier that its family has,
    where it leaves them out; whether it left any out."""
    name = data.get("family")
    family = family_of(name) if data.get("kind") == "fpga" and isinstance(name, str) else None
    if family is None:
        return False
    taken = False
    for table, field, value in (
        ("block_ram", "modes", family.block_ram),
        ("dsp", "operands", family.multiplier),
    ):
        entry = data.get(table)
        if value is not None and isinstance(entry, dict) and field not in entry:
            entry[field] = msgspec.to_builtins(value)
            taken = True
    return taken


@lru_cache(maxsize=_KNOWN)
def _family_content(content: bytes) -> bytes:
    """The bytes of the family's file, where a profile takes something from it."""
    try:
        data = read_toml(content)
    except ValueError:
        return b""
    return family_file(data["family"]) if _take_from_family(data) else b""


# --- profiles that refer to others ---------------------------------------------------------------
@lru_cache(maxsize=_KNOWN)
def _reference(content: bytes) -> str:
    """The profile that a file refers to, or nothing; its errors are for `load_profile` to tell."""
    try:
        data = read_toml(content)
    except ValueError:
        return ""
    found = data.get("extends" if data.get("kind") == "board" else "fits_of", "")
    return found if isinstance(found, str) else ""


def _beside(place: str | os.PathLike[str], name: str) -> str:
    """A profile's name, or the path of a file that is named relative to the file it stands in."""
    if not name.lower().endswith(_SUFFIX):
        return name
    return str(Path(place).parent / name)


def _referred(
    place: str | os.PathLike[str], file: str, field: str, name: str
) -> tuple[str, Profile | Board]:
    try:
        return _load(_beside(place, name))
    except ProfileError as error:
        raise ProfileError(f"{file}: {field}: {error.message}", error.hint) from error


def _device(place: str | os.PathLike[str], file: str, board: Board) -> Fpga | Microcontroller:
    _, device = _referred(place, file, "extends", board.extends)
    if isinstance(device, Board | Asic):
        what = "a board" if isinstance(device, Board) else "an ASIC node"
        raise ProfileError(
            f"{file}: extends: {board.extends!r} is {what}", "name an FPGA or a microcontroller"
        )
    if isinstance(device, Fpga) and device.fits_of:
        return _with_fits(_beside(place, board.extends), file, device)
    return device


def _on_board(file: str, board: Board, device: Fpga | Microcontroller) -> Fpga | Microcontroller:
    """The device with the board's names and what the board adds to it."""
    names: dict[str, object] = {
        "name": board.name,
        "title": board.title,
        "vendor": board.vendor,
        "extends": device.name,
        "external_memories": (*device.external_memories, *board.external_memories),
        "clock_sources": (*device.clock_sources, *board.clock_sources),
        "note": " ".join(note for note in (device.note, board.note) if note),
    }
    if board.flash is not None:
        if isinstance(device, Fpga) or device.flash is not None:
            reason = "is an FPGA and has no" if isinstance(device, Fpga) else "has its own"
            raise ProfileError(
                f"{file}: flash: {board.extends!r} {reason} program memory",
                "describe it as one of external_memories",
            )
        names["flash"] = board.flash
    return msgspec.structs.replace(device, **names)


def _with_fits(place: str | os.PathLike[str], file: str, device: Fpga) -> Fpga:
    """The device with the fits of its family."""
    _, other = _referred(place, file, "fits_of", device.fits_of)
    if not isinstance(other, Fpga) or other.fits_of:
        raise ProfileError(
            f"{file}: fits_of: {device.fits_of!r} has no fits of its own",
            "name an FPGA with fits, or remove it",
        )
    if other.lut.unit != device.lut.unit:
        raise ProfileError(
            f"{file}: fits_of: {device.fits_of!r} has {other.lut.unit}, not {device.lut.unit}",
            "name an FPGA of the same family",
        )
    try:
        return msgspec.structs.replace(device, fits=(*device.fits, *other.fits))
    except FieldError as error:
        problem = f"{file}: {error.field}: {error.problem}, got {error.value!r}"
        raise ProfileError(problem, "remove the fit or fits_of") from error


def _read(name_or_path: str | os.PathLike[str]) -> tuple[str, bytes]:
    """The name to show for a profile and its bytes."""
    name = os.fspath(name_or_path)
    path = Path(name)
    if path.suffix.lower() == _SUFFIX:
        try:
            return name, path.read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a null byte in the name
            reason = getattr(error, "strerror", None) or error
            raise ProfileError(
                f"{name}: cannot read this profile: {reason}",
                f"give the path of a {_SUFFIX} file or one of: {few(profile_names())}",
            ) from error
    if isinstance(name_or_path, os.PathLike) or path.name != name:
        raise ProfileError(
            f"{name}: not a profile file", f"a profile's file name ends in {_SUFFIX}"
        )
    if name not in profile_names():
        message, hint = unknown_name("profile", name, profile_names())
        raise UnknownProfileError(message, f"{hint}; or the path of a {_SUFFIX} file")
    return name + _SUFFIX, (resources.files(__package__) / (name + _SUFFIX)).read_bytes()


def _explain(file: str, data: dict[str, Any], error: msgspec.ValidationError) -> ProfileError:
    """Say a validation error in the terms of the file: field path, value and cure."""
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", str(error), re.DOTALL)
    problem, path = (found[1], found[2] or "") if found else (str(error), "")
    cause = error.__cause__
    if isinstance(cause, FieldError):
        field = _join(path, cause.field)
        return ProfileError(f"{file}: {field}: {cause.problem}, got {cause.value!r}", cause.hint)
    steps: list[str | int] = [
        int(index) if index else key for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)
    ]
    value: Any = data
    for step in steps:
        value = value[step]
    named = re.search(r"(required|unknown) field `(.+)`$", problem)
    if named is None:
        typed = re.match(r"Expected `([^`]+)`, got", problem)
        problem, cure = _TYPES.get(typed[1] if typed else "", ("is not a value it takes", ""))
        cure = cure or _expected(data.get("kind"), steps) or "see the shipped profiles"
        return ProfileError(f"{file}: {path}: {problem}, got {value!r}", cure)
    name, field = named[2], _join(path, named[2])
    if named[1] == "required":
        cure = _expected(data.get("kind"), [*steps, name])
        return ProfileError(f"{file}: {field}: missing", f"add it{cure and f': {cure}'}")
    known = _type_at(data.get("kind"), steps)
    names = [f.encode_name for f in known.fields] if isinstance(known, inspect.StructType) else []
    close = difflib.get_close_matches(name, names, n=1)
    cure = f"did you mean {close[0]!r}?" if close else f"remove it; known: {', '.join(names)}"
    return ProfileError(f"{file}: {field}: unknown field, got {value[name]!r}", cure)


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _expected(kind: object, steps: list[str | int]) -> str:
    """What the field at `steps` takes, where that can be said in a few words."""
    if steps == ["kind"]:
        return f"one of {', '.join(map(str, _KINDS))}"
    wanted = _type_at(kind, steps)
    if isinstance(wanted, inspect.LiteralType):
        return f"one of {', '.join(map(str, wanted.values))}"
    return HINTS.get(str(steps[-1]), "")


def _type_at(kind: object, steps: list[str | int]) -> inspect.Type | None:
    """The schema's type of the field at `steps`, or None where the schema has no such field."""
    if kind not in _KINDS:
        return None
    here: inspect.Type = inspect.type_info(_KINDS[kind])
    for step in steps:
        if isinstance(here, inspect.UnionType):
            here = here.types[0]
        if isinstance(here, inspect.VarTupleType):
            here = here.item_type
        elif isinstance(here, inspect.TupleType) and isinstance(step, int):
            here = here.item_types[step]
        elif isinstance(here, inspect.StructType):
            types = {field.encode_name: field.type for field in here.fields}
            if step not in types:
                return None
            here = types[str(step)]
        else:
            return None
    return here
