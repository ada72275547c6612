"""The instruction sets of the compiled engine, and which of them this processor runs."""

from __future__ import annotations

from rnnhw.errors import UsageError, unknown_name
from rnnhw.execution import _engine

__all__ = ["available_isas", "select_isa"]


def available_isas() -> dict[str, bool]:
    """The instruction sets in this build, slowest first, and whether this processor has them."""
    return dict(_engine.built_isas())


def select_isa(name: str | None) -> tuple[int, str]:
    """Number and name of an instruction set; the fastest that runs here if none is named.

    Raises:
        UsageError: it is not built or this processor lacks it.
    """
    isas = available_isas()
    names = list(isas)
    if name is None:
        name = [candidate for candidate in names if isas[candidate]][-1]
    if name not in isas:
        raise UsageError(*unknown_name("instruction set", name, isas))
    if not isas[name]:
        usable = ", ".join(candidate for candidate in names if isas[candidate])
        raise UsageError(f"this processor has no {name}", f"it runs {usable}")
    return names.index(name), name
