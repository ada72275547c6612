"""Several outputs of a graph: the layers in front of all of them, and a head for every one."""

from __future__ import annotations

from collections.abc import Sequence

from rnnhw.errors import DesignError, few
from rnnhw.importers.network import Branches, Step, named, simplified
from rnnhw.importers.tracing import Chain

__all__ = ["branched"]


def branched(chains: Sequence[Chain], outputs: Sequence[str]) -> Branches:
    """The layers of ``chains``, which compute the values called ``outputs``.

    Raises:
        DesignError: nothing is computed, the outputs do not depend on one input, or some of them
            share layers that others do not read.
    """
    cure = f"choose one: --to {outputs[0]}"
    if len({chain.source.name for chain in chains}) > 1:
        raise DesignError(f"outputs {few(outputs)} read different inputs", cure)
    shared = _shared([chain.steps for chain in chains])
    trunk = simplified(chains[0].steps[:shared])
    heads = [simplified(chain.steps[shared:]) for chain in chains] if len(chains) > 1 else []
    for position, head in enumerate(heads):
        for other in heads[:position]:
            if any(_same(a, b) for a in head for b in other if a.tensors):
                raise DesignError(
                    f"outputs {few(outputs)} share layers that others of them do not read", cure
                )
    if sum(not head for head in heads) > 1:
        raise DesignError(f"outputs {few(outputs)}: two of them are the same value", cure)
    every = named([*trunk, *(step for head in heads for step in head)], ends=_ends(trunk, heads))
    if not every or (heads and not all(heads) and not trunk):
        raise DesignError("nothing is computed between input and output", "choose --to")
    found: list[tuple[Step, ...]] = []
    cursor = len(trunk)
    for head in heads:
        found.append(tuple(every[cursor : cursor + len(head)]))
        cursor += len(head)
    return Branches(tuple(every[: len(trunk)]), tuple(found))


def _ends(trunk: Sequence[Step], heads: Sequence[Sequence[Step]]) -> set[int]:
    """The places, in one row, of the layers that give outputs: an output has a name."""
    if not heads:
        return set()
    ends = {len(trunk) - 1} if not all(heads) else set()
    cursor = len(trunk)
    for head in heads:
        cursor += len(head)
        ends |= {cursor - 1} if head else set()
    return ends


def _shared(chains: Sequence[Sequence[Step]]) -> int:
    """How many layers from the input on are the same in all chains."""
    first = chains[0]
    most = min(map(len, chains))
    return next(
        (k for k in range(most) if not all(_same(first[k], each[k]) for each in chains)), most
    )


def _same(a: Step, b: Step) -> bool:
    """Whether two steps are one layer of the source: the same arrays, not equal ones."""
    return a is b or (
        a.layer == b.layer
        and len(a.inner) == len(b.inner)
        and all(map(_same, a.inner, b.inner))
        and a.tensors.keys() == b.tensors.keys()
        and all(a.tensors[key] is b.tensors[key] for key in a.tensors)
    )
