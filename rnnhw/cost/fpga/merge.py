"""Instances that synthesis merges: those of one module with equal parameters on equal nets."""

from __future__ import annotations

from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.netlist import Expression, Instance, Net, with_nets
from rnnhw.rtl.verilog_text import Module

__all__ = ["Sources", "distinct"]


class Sources:
    """The one net of those that hold the same: of several, the one that drives them."""

    def __init__(self, module: Module) -> None:
        self._sources: dict[Net, Net] = {
            net: value for net, value in module.drivers.items() if isinstance(value, Net)
        }
        self._words: dict[Expression, Expression] = {}

    def _net(self, net: Net) -> Net:
        while net in self._sources:
            net = self._sources[net]
        return net

    def of(self, expression: Expression) -> Expression:
        """An expression with the sources of its nets."""
        return with_nets(expression, self._net)

    def word(self, word: Expression) -> Expression:
        """The source of a word, seen through changes of its elements' width."""
        word = self.of(word)
        return self.word(self._words[word]) if word in self._words else word

    def resize(self, net: Net, source: Expression) -> None:
        """Let a word have a source's elements in another width."""
        self._words[net] = source

    def written(self, memory: Instance) -> tuple[Expression, ...]:
        """The write port of a vector: address and data."""
        ports = ("we", "write_bank", "write_index", "d")
        return tuple(self.of(memory.ports[port]) for port in ports)

    def join(self, net: Net, source: Net) -> None:
        """Let a net hold what another one does."""
        if self._net(net) != self._net(source):
            self._sources[self._net(net)] = source


def distinct(module: Module) -> tuple[list[Instance], Sources]:
    """The instances that are left of a layer's, in order, and the sources of the nets then."""
    sources = Sources(module)
    kept: list[Instance] = []
    seen: dict[tuple[object, ...], Instance] = {}
    for instance in module.instances:
        facts = MODULES[instance.module]
        if facts.merges:
            inputs = [
                (port, sources.of(value))
                for port, value in instance.ports.items()
                if port in facts.inputs
            ]
            key = instance.module, *instance.parameters.items(), *inputs
            if key in seen:
                sources.join(instance.net(facts.result), seen[key].net(facts.result))
                continue
            seen[key] = instance
        if instance.module == "rnnhw_broadcast":
            # The index is the column less the first one.
            place = (instance.module, instance["FIRST"], instance["INDEX_BITS"])
            sources.join(instance.net("index"), seen.setdefault(place, instance).net("index"))
        if instance.module == "rnnhw_resize_word" and not instance["SHIFT"]:
            sources.resize(instance.net("y"), instance.ports["a"])
        kept.append(instance)
    return kept, sources
