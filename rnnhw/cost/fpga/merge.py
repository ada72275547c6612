"""What synthesis merges: instances of one module with the same parameters on the same nets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["Names", "distinct"]

_SAME = re.compile(r"^(?:wire (?:signed )?(?:\[\d+:0\] )?|assign )(\w+) = ([A-Za-z_]\w*);$")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b")


class Names:
    """The one name of nets that hold the same: of several, that of their source."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._sources = {match[1]: match[2] for line in lines if (match := _SAME.match(line))}
        self._words: dict[str, str] = {}

    def of(self, net: str) -> str:
        """The source of a net."""
        while net in self._sources:
            net = self._sources[net]
        return net

    def word(self, net: str) -> str:
        """The source of a word, seen through changes of its elements' width."""
        net = self.of(net)
        return self.word(self._words[net]) if net in self._words else net

    def resize(self, net: str, source: str) -> None:
        """Let a word have a source's elements in another width."""
        self._words[net] = source

    def within(self, text: str) -> str:
        """An expression with the sources of its nets."""
        return _NAME.sub(lambda match: self.of(match[0]), text)

    def written(self, memory: Instance) -> tuple[str, ...]:
        """What writes a vector: where and what."""
        ports = ("we", "write_bank", "write_index", "d")
        return tuple(self.within(memory.ports[port]) for port in ports)

    def join(self, net: str, source: str) -> None:
        """Let a net hold what another one does."""
        if self.of(net) != self.of(source):
            self._sources[self.of(net)] = source


def distinct(module: Module) -> tuple[list[Instance], Names]:
    """The instances that are left of a layer's, in order, and the names of the nets then."""
    names = Names(module.lines)
    kept: list[Instance] = []
    seen: dict[tuple[object, ...], Instance] = {}
    for instance in module.instances:
        facts = MODULES[instance.module]
        if facts.merges:
            inputs = [
                (port, names.within(text))
                for port, text in instance.ports.items()
                if port in facts.inputs
            ]
            key = instance.module, *instance.parameters.items(), *inputs
            if key in seen:
                names.join(instance.ports[facts.result], seen[key].ports[facts.result])
                continue
            seen[key] = instance
        if instance.module == "rnnhw_broadcast":
            # The index is the column less the first one.
            place = (instance.module, instance["FIRST"], instance["INDEX_BITS"])
            names.join(instance.ports["index"], seen.setdefault(place, instance).ports["index"])
        if instance.module == "rnnhw_resize_word" and not instance["SHIFT"]:
            names.resize(instance.ports["y"], instance.ports["a"])
        kept.append(instance)
    return kept, names
