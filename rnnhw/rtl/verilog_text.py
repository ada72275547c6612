"""Verilog text: identifiers, numbers, instances, and a module that is written line by line."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rnnhw.errors import escaped

__all__ = ["Instance", "Module", "Outline", "hex_words", "identifier", "literal"]

_KEYWORDS = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before
begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class
clocking cmos config const constraint context continue cover covergroup coverpoint cross deassign
default defparam design disable dist do edge else end endcase endchecker endclass endclocking
endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive
endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect export
extends extern final first_match for force foreach forever fork forkjoin function generate genvar
global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include
initial inout input inside instance int integer interconnect interface intersect join join_any
join_none large let liblist library local localparam logic longint macromodule matches medium
modport module nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or
output package packed parameter pmos posedge primitive priority program property protected pull0
pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence
rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal
showcancelled signed small soft solve specify specparam static string strong strong0 strong1 struct
super supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait wait_order
wand weak weak0 weak1 while wildcard wire with within wone wor wreal xnor xor bool
"""
"""Of Verilog-2005 and SystemVerilog-2017, and one that simulators add."""

_LONGEST_STEM = 200  # of a file's name; file systems take 255 bytes

_RESERVED = frozenset(_KEYWORDS.split())


def identifier(name: str) -> str:
    """``name`` as a Verilog identifier: other characters become underscores, and what is a
    keyword of Verilog or SystemVerilog gets one behind it."""
    text = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not text or text[0].isdigit():
        text = f"n{text}"
    return f"{text}_" if text in _RESERVED else text


def literal(value: int, width: int) -> str:
    """A sized signed constant; the most negative number has no literal but its bits."""
    return f"$signed({width}'h{value & ((1 << width) - 1):x})"


def hex_words(values: Iterable[int], width: int) -> str:
    """An image for ``$readmemh``: one word of ``width`` bits a line, two's complement."""
    mask, digits = (1 << width) - 1, (width + 3) // 4
    return "".join(f"{value & mask:0{digits}x}\n" for value in values)


@dataclass(frozen=True)
class Instance:
    """A static module with its parameters, and what its ports are wired to."""

    module: str
    parameters: Mapping[str, int | str]
    ports: Mapping[str, str]

    def __getitem__(self, parameter: str) -> int:
        """A parameter that is a whole number."""
        return int(self.parameters[parameter])


@dataclass
class Module:
    """A module under construction, with the images and the static modules that it needs."""

    name: str
    ports: list[str] = field(default_factory=list)
    declarations: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    renamed: list[str] = field(default_factory=list)
    """The nets that could not have the name that was asked for."""
    image_names: Callable[[str], str] = str
    """Gives an image's file a name that no other file of the project has."""

    def fresh(self, name: str) -> str:
        """An identifier like ``name`` that nothing else in the module has."""
        unused = identifier(name)
        while unused in self.names:
            unused += "_"
        self.names.add(unused)
        return unused

    def _net(self, name: str) -> str:
        net = self.fresh(name)
        if net != identifier(name):
            self.renamed.append(net)
        return net

    def port(self, direction: str, name: str, width: int = 0, *, signed: bool = False) -> None:
        """Declare a port; ``width`` 0 is a single bit."""
        self.names.add(name)
        self.ports.append(f"{direction} wire {_kind(width, signed)}{name}")

    def comment(self, text: str) -> None:
        """A comment, after an empty line; no character of ``text`` ends it."""
        self.lines += ["", f"// {escaped(text)}"]

    def add(self, *lines: str) -> None:
        """Write lines as they are."""
        self.lines += lines

    def declare(self, name: str, width: int = 0, *, signed: bool = False) -> str:
        """Declare a wire in front of all lines, for what is read before it is written; ``width``
        0 is a single bit."""
        name = self._net(name)
        self.declarations.append(f"wire {_kind(width, signed)}{name};")
        return name

    def wire(self, name: str, width: int, value: str = "", *, signed: bool = True) -> str:
        """Declare a wire and give its name, which may differ where it is taken."""
        name = self._net(name)
        self.add(f"wire {_kind(width, signed)}{name}{f' = {value}' if value else ''};")
        return name

    def image(self, name: str, values: Iterable[int], width: int) -> str:
        """A memory image; gives the file's name."""
        stem, words = f"{self.name}_{identifier(name)}"[:_LONGEST_STEM], hex_words(values, width)
        if self.images.get(f"{stem}.hex") != words:
            stem = self.image_names(stem)
        self.images[f"{stem}.hex"] = words
        return f"{stem}.hex"

    def table(self, name: str, words: Sequence[int], width: int) -> str:
        """The image of a table, whose words no trained number changes; gives the file's name."""
        return self.image(name, words, width)

    def instance(
        self,
        module: str,
        name: str,
        parameters: Mapping[str, int | str],
        ports: Mapping[str, str],
    ) -> None:
        """Instantiate a static module."""
        self.instances.append(Instance(module, dict(parameters), dict(ports)))
        name = self.fresh(name)
        assigned = _wrapped([f".{key}({value})" for key, value in parameters.items()])
        wired = _wrapped([f".{key}({value})" for key, value in ports.items()])
        if assigned:
            self.add(f"{module} #(", *assigned, f") {name} (", *wired, ");")
        else:
            self.add(f"{module} {name} (", *wired, ");")

    def ignore_unread(self, *partly: str) -> None:
        """Read the nets and inputs that nothing reads, or not in all of their bits, so that a
        linter does not warn of them: those that appear whole only where they are declared and
        driven, and those of ``partly``."""
        lines = [line for line in self.lines if not line.startswith("//")]
        text = re.sub(r"\.\w+\(", "(", "\n".join([*self.declarations, *lines]))
        whole = Counter(re.findall(r"\b[A-Za-z_]\w*\b(?!\[)", text))
        driven = set(re.findall(r"^assign (\w+)\[", text, re.MULTILINE))
        declared = re.findall(r"^(?:wire|reg) (?:signed )?(?:\[[^]]*\] )?(\w+)", text, re.MULTILINE)
        inputs = [port.split()[-1] for port in self.ports if port.startswith("input")]
        unread = [name for name in inputs if name not in whole]
        unread += [
            name for name in declared if name in partly or whole[name] <= 2 - (name in driven)
        ]
        if unread:
            self.add("", f"wire {self.fresh('unused')} = &{{1'b0, {', '.join(unread)}}};")

    @property
    def used(self) -> set[str]:
        """The modules that are instantiated."""
        return {instance.module for instance in self.instances}

    @property
    def registers(self) -> int:
        """Bits of the registers that the module has beside those of its instances."""
        declared = _REGISTERS.findall("\n".join([*self.declarations, *self.lines]))
        return sum(int(high) - int(low) + 1 if high else 1 for high, low in declared)

    def text(self) -> str:
        """The Verilog text."""
        ports = ",\n".join(f"  {port}" for port in self.ports)
        lines = [*self.declarations, *self.lines]
        body = "\n".join(f"  {line}" if line else "" for line in lines)
        return f"module {self.name} (\n{ports}\n);\n{body}\nendmodule\n"


_REGISTERS = re.compile(r"^reg (?:signed )?(?:\[(\d+):(\d+)\] )?\w+;", re.MULTILINE)


class Outline(Module):
    """A module that holds no images: what there is without the numbers.

    ``constant_bits`` counts the bits that are the same in all words of a table.
    """

    constant_bits = 0

    def image(self, name: str, values: Iterable[int], width: int) -> str:
        """The file's name alone."""
        return f"{self.name}_{identifier(name)}.hex"

    def table(self, name: str, words: Sequence[int], width: int) -> str:
        """The file's name alone; what its words have in common is counted."""
        changing = 0
        for word in words:
            changing |= word ^ words[0]
        if len(words) > 1:
            self.constant_bits += width - (changing & ((1 << width) - 1)).bit_count()
        return self.image(name, words, width)


def _wrapped(parts: Sequence[str]) -> list[str]:
    """A comma-separated list in indented lines of at most a hundred characters where it can be."""
    text = ", ".join(part.replace(" ", _SPACE) for part in parts)
    lines = textwrap.wrap(text, 92, break_long_words=False, break_on_hyphens=False)
    return [f"  {line.replace(_SPACE, ' ')}" for line in lines]


_SPACE = "\0"
"""Stands for a space at which a line does not break."""


def _kind(width: int, signed: bool) -> str:
    """The type of a net; ``width`` 0 is a single bit."""
    return f"{'signed ' * signed}{f'[{width - 1}:0] ' if width else ''}"
