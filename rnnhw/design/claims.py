"""Claims about a design: statements over all input sequences of an automaton's language.

A claim is data: networks step by step, the symbols as they read them, the automaton's tables, and
where in a packed key every element of a state lies. A search decides it, a certificate is bound to
it by its digest, and the check of a certificate reads it anew from the design.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.arguments import chosen_arguments
from rnnhw.design.design import Design
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer, Automaton, AutomatonTask
from rnnhw.design.weights import Parameters
from rnnhw.errors import DesignError, RnnhwError, UsageError, described, unknown_name
from rnnhw.graph.matrix import Matrix
from rnnhw.graph.network import Network, Scan, event_signals
from rnnhw.graph.nodes import Matvec, Node, State, Tensor
from rnnhw.graph.streaming import streamed
from rnnhw.numerics.cast import Interval, Q, quantise
from rnnhw.numerics.tables import Table

__all__ = ["Claim", "Packing", "Subject", "claim_of", "other_task", "task_automaton"]

IntArray = NDArray[np.int64]
WORD = 64
"""Bits of a word of a key."""


class Packing(NamedTuple):
    """A state vector of a subject in the key: unit ``u`` lies in word ``words[u]``, from bit
    ``shifts[u]`` on, as its raw integer less the format's least one."""

    subject: int
    name: str
    node: State
    first: IntArray
    words: tuple[int, ...]
    shifts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Subject:
    """A network of scans alone, its numbers, and the raw input vectors [symbols, features]."""

    network: Network
    parameters: Parameters
    symbols: IntArray


@dataclass(frozen=True, eq=False)
class Claim:
    """That every edge that can be reached gives what the automaton expects.

    With two subjects an answer is right if both give the same. ``within`` bounds raw integers of
    signals of the first subject, and casts of its signals ``never`` may change a value that does
    not fit; both are asked at every step.
    """

    subjects: tuple[Subject, ...]
    automaton: Automaton
    within: Mapping[str, Interval] = field(default_factory=dict)
    never: tuple[str, ...] = ()

    @property
    def packings(self) -> tuple[Packing, ...]:
        """Every state vector in the key: subject after subject, each element in the width of its
        format, from the highest bit of a word down, none across two words. So keys in ascending
        order are states in the order of their first elements, which compresses well."""
        packings, at = [], 0
        for index, subject in enumerate(self.subjects):
            for name, node in subject.network.states().items():
                assert isinstance(node, State)
                width, places = node.format.width, []
                for _ in range(node.units):
                    if at % WORD + width > WORD:
                        at += WORD - at % WORD
                    places.append((at // WORD, WORD - at % WORD - width))
                    at += width
                first = np.zeros(node.units, np.int64)
                if node.initial is not None:
                    first = subject.parameters.raw[node.initial.key].ravel()
                words, shifts = zip(*places, strict=True)
                packings.append(Packing(index, name, node, first, words, shifts))
        return tuple(packings)

    @property
    def words(self) -> int:
        """Words of 64 bits of a key, at least one."""
        return max((packing.words[-1] + 1 for packing in self.packings), default=1)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the claim is made of: graphs, weights, tables, alphabet, automaton,
        bounds, and the layout of its keys."""
        text = json.dumps(_described(self), separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def in_words(self) -> str:
        """The claim in words."""
        asked = []
        if (self.automaton.expected != UNWANTED).any():
            equal = len(self.subjects) > 1
            kind = "sign" if self.automaton.answer is Answer.SIGN else "class"
            asked.append(f"equal {kind} of both" if equal else "right")
        asked += [f"{name} within its bounds" for name in self.within]
        asked += [f"{name} never clips or wraps" for name in self.never]
        return ", ".join(asked)


def task_automaton(design: Design, given: Mapping[str, object] | None = None) -> Automaton:
    """The automaton of the design's task; ``given`` are arguments of its method ``automaton`` by
    name, where text is read as the type of the default.

    Raises:
        DesignError: there is no task with such a method, or it raises.
        UsageError: an argument is unknown or of the wrong type.
    """
    task: object = design.task
    if not isinstance(task, AutomatonTask):
        kind = "the design has no task" if task is None else f"{type(task).__name__} has none"
        raise DesignError(
            f"{design.place}: no automaton says what is right: {kind}",
            "give a task with a method automaton(), such as BinaryAddition, Recall, Parity, "
            "ModuloCounter or S3WordProblem",
        )
    method: Callable[..., Automaton] = task.automaton
    place, owner = str(design.place), f"{type(task).__name__}.automaton()"
    chosen = chosen_arguments(method, given or {}, place=place, owner=owner, option="--automaton")
    try:
        return method(**chosen)
    except RnnhwError as error:
        raise error.at(place) from None
    except Exception as error:  # of a user's own task
        raise DesignError(f"{place}: {owner}: {described(error)}") from error


def other_task(design: Design, other: Design) -> str:
    """How the task of ``other`` differs from that of ``design``, by whose language the two are
    compared; "" if it does not, or has no automaton."""
    task: object = other.task
    if not isinstance(task, AutomatonTask):
        return ""
    mine, its = task_automaton(design).asking(), task_automaton(other).asking()
    pairs = ((mine.alphabet, its.alphabet), (mine.next, its.next), (mine.expected, its.expected))
    if all(np.array_equal(one, two) for one, two in pairs):
        return ""
    return (
        f"{other.place} has another task ({type(task).__name__}): the sequences, and the "
        f"steps whose answers are compared, are those of {design.place} "
        f"({type(design.task).__name__})"
    )


def claim_of(
    design: Design,
    automaton: Automaton | None = None,
    *,
    other: Design | None = None,
    within: Mapping[str, Interval] | None = None,
    never: tuple[str, ...] = (),
) -> Claim:
    """The claim that ``design`` answers as its task's automaton (or ``automaton``) expects.

    With ``other`` it is that both answer the same wherever the automaton wants an answer; with
    ``within`` (raw integers, both ends included) and ``never`` that these hold at every step, and
    no more is asked of the answers.

    Raises:
        DesignError: there is no automaton, a network has no finite state or gives no answer where
            one is wanted, or a symbol does not fit the input format.
        UsageError: ``within`` or ``never`` names no signal, or a cast that is not there.
    """
    asked = automaton or task_automaton(design)
    if other is not None:
        asked = asked.asking()
    elif within or never:
        asked = asked.language()
    subjects = []
    late = 0
    for each in (design, *(() if other is None else (other,))):
        try:
            # A head beside the judged one matters only where a signal of it may be meant.
            network = each.network
            if not (within or never):
                network = network.only(network.output)
            stream = streamed(network)
            if not stream.last and asked.asks_within(stream.late):
                raise DesignError(
                    f"the automaton wants an answer in the first {stream.late} steps, where the "
                    "window gives no output",
                    f"lead with steps that have no answer: BinaryAddition(lead={stream.late})",
                )
            late = max(late, stream.late)
            symbols = _symbols(stream.network, asked)
        except RnnhwError as error:
            raise error.at(each.place) from None
        subjects.append(Subject(stream.network, each.parameters, symbols))
    if late and (within or never):
        raise DesignError(
            f"{design.place}: a window gives no output in the first {late} steps, where its layers "
            "do not run: bounds on signals are not told from there on",
            "prove the answers, or give the network without its window",
        )
    if other is not None:
        single = subjects[0].network.output.units == 1
        asked = replace(asked, answer=Answer.SIGN if single else Answer.CLASS)
    claim = Claim(tuple(subjects), asked.after(late), dict(within or {}), never)
    _check_answers(design, other, claim)
    _check_signals(claim)
    return claim


def _symbols(network: Network, automaton: Automaton) -> IntArray:
    """The alphabet in the input's format."""
    source, alphabet = network.source, automaton.alphabet
    if alphabet.shape[1] != source.units:
        raise DesignError(
            f"input: {source.units} features, but the automaton's symbols have {alphabet.shape[1]}",
            "give an alphabet [symbols, features]",
        )
    raw, events = quantise(alphabet, source.format)
    if events.total:
        raise DesignError(
            f"input: a symbol of the automaton does not fit {source.format}",
            "give Formats(input=...) more integer bits",
        )
    return raw


def _check_answers(design: Design, other: Design | None, claim: Claim) -> None:
    """Refuse outputs that the automaton's answers cannot be read from."""
    expected, units = claim.automaton.expected, claim.subjects[0].network.output.units
    wanted = (expected != UNWANTED) & (claim.automaton.next != FORBIDDEN)
    if not wanted.any() and not claim.within and not claim.never:
        raise DesignError(
            f"{design.place}: the automaton wants no answer, so nothing can be wrong",
            "give an automaton that expects some, or --within / --never",
        )
    if other is not None:
        theirs = claim.subjects[1].network.output.units
        if units != theirs:
            raise DesignError(
                f"{other.place}: {theirs} outputs, but {design.place} has {units}",
                "compare designs whose outputs are of one kind",
            )
        return
    if not wanted.any():
        return
    needed = 1 if claim.automaton.answer is Answer.SIGN else int(expected.max()) + 1
    if units < needed or (claim.automaton.answer is Answer.SIGN and units != 1):
        raise DesignError(
            f"{design.place}: {units} outputs for answers of {needed}",
            f"{_judged(design)} must give {needed} unit{'s' * (needed > 1)}",
        )


def _judged(design: Design) -> str:
    """The output that gives the answers, in words."""
    network = design.network
    if len(network.outputs) == 1:
        return "the last layer"
    return f"the first of Design(outputs=[...]), {network.output.name!r},"


def _check_signals(claim: Claim) -> None:
    """Refuse bounds on what is not there, or that no value keeps."""
    signals = claim.subjects[0].network.signals()
    for name, (low, high) in claim.within.items():
        if name not in signals:
            raise UsageError(*unknown_name("signal", name, signals))
        if low > high:
            raise UsageError(
                f"{name}: no value of {signals[name].format} lies within the bounds",
                "give the lower bound first",
            )
    casts = [name for name, _ in event_signals(claim.subjects[0].network)]
    for name in claim.never:
        if name not in casts:
            raise UsageError(*unknown_name("cast", name, casts))


# --- the digest --------------------------------------------------------------------------------
def _described(claim: Claim) -> dict[str, Any]:
    automaton = claim.automaton
    return {
        "subjects": [_subject(subject) for subject in claim.subjects],
        "layout": [(p.subject, p.name, p.words, p.shifts) for p in claim.packings],
        "next": automaton.next.tolist(),
        "expected": automaton.expected.tolist(),
        "answer": automaton.answer.value,
        "within": sorted((name, *ends) for name, ends in claim.within.items()),
        "never": sorted(claim.never),
    }


def _subject(subject: Subject) -> dict[str, Any]:
    network, raw = subject.network, subject.parameters.raw
    place = {node: index for index, node in enumerate(network.nodes)}
    layers = []
    for layer in network.nodes[1:]:
        assert isinstance(layer, Scan)
        nodes = {node: index for index, node in enumerate(layer.graph.nodes)}
        layers.append(
            {
                "name": layer.name,
                "sources": [place[source] for source in layer.sources],
                "nodes": [_node(node, nodes, raw) for node in layer.graph.nodes],
                "updates": [[nodes[state], nodes[value]] for state, value in layer.graph.updates],
                "output": nodes[layer.graph.output],
            }
        )
    return {
        "symbols": subject.symbols.tolist(),
        "input": repr(network.source.format),
        "layers": layers,
        "weights": {
            tensor.key: hashlib.sha256(raw[tensor.key].astype("<i8").tobytes()).hexdigest()
            for tensor in network.tensors
        },
    }


def _node(node: Node, places: Mapping[Node, int], raw: Mapping[str, IntArray]) -> list[Any]:
    """An operation by its kind and every field; a matrix by the terms of its rows."""

    def plain(value: object) -> Any:
        match value:
            case Node():
                return places[value]
            case Q():
                return repr(value)
            case Tensor():
                return [value.key, value.shape, repr(value.format)]
            case Table():
                return [repr(value.address), repr(value.format), *value.contents]
            case tuple():
                return [plain(each) for each in value]
            case Matrix():
                assert isinstance(node, Matvec)
                weights = np.zeros(0) if node.weights is None else raw[node.weights.key].ravel()
                rows = value.stored_rows(weights, node.units, node.vector.units)
                return [[list(row.columns), list(row.parameters)] for row in rows]
        assert value is None or isinstance(value, str | int), value
        return value

    return [type(node).__name__, *(plain(getattr(node, entry.name)) for entry in fields(node))]
