"""Names of an emitted project: distinct identifiers and files, whatever layers are called.

Names that differ in a design may meet as identifiers (``a b`` and ``a_b``), and they may meet what
is ours: a static module, the test bench, a port, a net. Modules and files are told apart by one
table for the whole project. Nets of a layer are named after the signals of its cell; where such a
name meets a net of ours, all signals get numbers (:func:`numbered`), which meet nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from rnnhw.errors import LONGEST_NAME, DesignError, check_name
from rnnhw.graph.nodes import Input, Node, State, StepGraph, previous
from rnnhw.rtl.verilog_text import identifier

__all__ = ["Names", "bench_ends", "numbered", "top_name"]

_BENCH_FILES = ("_tb.v", "_tb_x.hex")
_BENCH_FILES_OF_OUTPUT = ("_tb_y{0}.hex", "_tb_cycles{0}.hex")

_OUR_MODULES = ("_tb", "_pins")
"""Behind the name of the top module: its test bench, and its frame for placement."""


class Names:
    """Names that are taken, told apart without regard to case as some file systems do."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.casefold() for name in taken}

    def copy(self) -> Names:
        """The same names for a trial."""
        return Names(self._taken)

    def take(self, names: Iterable[str]) -> None:
        """Give no other these names."""
        self._taken |= {name.casefold() for name in names}

    def fresh(self, wanted: str, behind: Sequence[str] = ()) -> str:
        """``wanted`` with as many underscores as it takes that it, and it with each of the endings
        ``behind``, is taken by nothing; it is taken then."""
        name = wanted
        while any((name + end).casefold() in self._taken for end in ("", *behind)):
            name += "_"
        self._taken |= {(name + end).casefold() for end in ("", *behind)}
        return name


def bench_ends(suffixes: Iterable[str] = ("",)) -> tuple[str, ...]:
    """The files of the test bench, behind the name of the top module; ``suffixes`` are those of
    the outputs' ports."""
    of_outputs = (end.format(suffix) for suffix in suffixes for end in _BENCH_FILES_OF_OUTPUT)
    return (*_BENCH_FILES, *of_outputs)


def top_name(name: str, names: Names) -> str:
    """The top module of a design file called ``name``.

    Raises:
        DesignError: the name is too long for the files that are named after it.
    """
    try:
        check_name(name)
    except DesignError as error:
        raise DesignError(
            f"modules are named after the design's file: {error.message}", error.hint
        ) from None
    return names.fresh(identifier(name), _OUR_MODULES)


# --- nets of a layer -----------------------------------------------------------------------------
def numbered(graph: StepGraph) -> StepGraph:
    """The graph with signals ``u0_NAME``, ``u1_NAME``..., which no net of ours is called.

    Inputs keep their names, which are those of ports.
    """
    new: dict[Node, Node] = {}
    for position, node in enumerate(graph.nodes):
        changes: dict[str, Any] = {
            entry.name: _with(new, getattr(node, entry.name)) for entry in fields(node)
        }
        if not isinstance(node, Input):
            stem = f"u{position}_{identifier(node.vector_name)[:LONGEST_NAME]}"
            changes["name"] = previous(stem) if isinstance(node, State) else stem
        new[node] = replace(node, **changes)
    updates = []
    for state, value in graph.updates:
        renamed = new[state]
        assert isinstance(renamed, State)
        updates.append((renamed, new[value]))
    return replace(
        graph, nodes=tuple(new.values()), updates=tuple(updates), output=new[graph.output]
    )


def _with(new: dict[Node, Node], value: object) -> object:
    if isinstance(value, Node):
        return new[value]
    if isinstance(value, tuple) and value and isinstance(value[0], Node):
        return tuple(new[each] for each in value)
    return value
