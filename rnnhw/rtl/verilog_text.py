"""Verilog text: identifiers, memory images, and modules that are built of netlists and printed."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType

from rnnhw.errors import escaped
from rnnhw.rtl.netlist import (
    FALSE,
    Assign,
    Bit,
    Choice,
    Clocked,
    Comment,
    Concat,
    Constant,
    Declaration,
    Expression,
    Group,
    Instance,
    Net,
    Operation,
    Parameter,
    Prefix,
    Repeat,
    Signed,
    Slice,
    Statement,
    expressions,
    net_of,
    walk,
)

__all__ = ["Module", "Outline", "Wiring", "hex_words", "identifier", "wired"]

Wiring = Expression | str
"""The connection of a port; a string is the name of a net that is declared."""

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


def hex_words(values: Iterable[int], width: int) -> str:
    """An image for ``$readmemh``: one word of ``width`` bits a line, two's complement."""
    mask, digits = (1 << width) - 1, (width + 3) // 4
    return "".join(f"{value & mask:0{digits}x}\n" for value in values)


def wired(ports: str, prefix: str = "") -> dict[str, Wiring]:
    """Ports that are wired to the nets of their names, perhaps behind a prefix."""
    return {port: f"{prefix}{port}" for port in ports.split()}


# --- modules -------------------------------------------------------------------------------------
@dataclass
class Module:
    """A module under construction, with the images and the static modules that it needs.

    A net may be given by its name wherever a value is driven or read. The name is looked up at
    once: it is that of a net that is declared before.
    """

    name: str
    ports: list[tuple[str, Net]] = field(default_factory=list)
    declarations: list[Declaration] = field(default_factory=list)
    """In front of all statements."""
    statements: list[Statement] = field(default_factory=list)
    unused: Declaration | None = None
    """Reads what nothing else reads (:meth:`ignore_unread`); no part of the netlist."""
    images: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    nets: dict[str, Net] = field(default_factory=dict)
    renamed: list[Net] = field(default_factory=list)
    """The nets that could not have the name that was asked for."""
    doubled: list[Net] = field(default_factory=list)
    """The nets that have the name of another one."""
    image_names: Callable[[str], str] = str
    """Gives an image's file a name that no other file of the project has."""

    # --- nets ------------------------------------------------------------------------------------
    def fresh(self, name: str) -> str:
        """An identifier like ``name`` that nothing else in the module has."""
        unused = identifier(name)
        while unused in self.names:
            unused += "_"
        self.names.add(unused)
        return unused

    def _net(self, name: str, width: int, *, signed: bool) -> Net:
        net = Net(self.fresh(name), width, signed)
        if net.name != identifier(name):
            self.renamed.append(net)
        return self._known(net)

    def _known(self, net: Net) -> Net:
        if net.name in self.nets:
            self.doubled.append(net)
        self.nets[net.name] = net
        return net

    def port(self, direction: str, name: str, width: int = 0, *, signed: bool = False) -> None:
        """Declare a port; ``width`` 0 is a single bit."""
        self.names.add(name)
        self.ports.append((direction, self._known(Net(name, width, signed))))

    def declare(self, name: str, width: int = 0, *, signed: bool = False) -> Net:
        """Declare a wire in front of all statements, for what is read before it is written;
        ``width`` 0 is a single bit."""
        net = self._net(name, width, signed=signed)
        self.declarations.append(Declaration(net))
        return net

    def declare_as(self, net: Net, kind: str) -> Net:
        """Declare in front of all statements a ``wire`` or a ``reg`` that may have readers yet."""
        self.declarations.append(Declaration(self._known(net), kind=kind))
        return net

    def wire(
        self, name: str, width: int, value: Wiring | None = None, *, signed: bool = True
    ) -> Net:
        """Declare a wire and give its net, whose name may differ where it is taken."""
        driver = None if value is None else self.value(value)
        net = self._net(name, width, signed=signed)
        self.statements.append(Declaration(net, driver))
        return net

    def value(self, wiring: Wiring) -> Expression:
        """The expression itself, or the net of that name."""
        return self.nets[wiring] if isinstance(wiring, str) else wiring

    # --- statements ------------------------------------------------------------------------------
    def comment(self, text: str) -> None:
        """A comment, after an empty line; no character of ``text`` ends it."""
        self.statements.append(Comment(text))

    def assign(self, target: Wiring, value: Wiring) -> None:
        """Drive a net or a slice of it."""
        self.statements.append(Assign(self.value(target), self.value(value)))

    def drive(self, values: Mapping[str, Wiring]) -> None:
        """Drive nets by their names."""
        for net, value in values.items():
            self.assign(net, value)

    def clocked(self, target: Net, value: Wiring) -> None:
        """Load a register at every clock."""
        self.statements.append(Clocked(target, self.value(value)))

    def delayed(self, target: Net, value: Wiring) -> Net:
        """Declare a register in front of all statements, and load it at every clock."""
        self.declare_as(target, "reg")
        self.clocked(target, value)
        return target

    def instance(
        self,
        module: str,
        name: str,
        parameters: Mapping[str, Parameter],
        ports: Mapping[str, Wiring],
    ) -> None:
        """Instantiate a static module."""
        wired = {port: self.value(wiring) for port, wiring in ports.items()}
        self.statements.append(Instance(module, dict(parameters), wired, self.fresh(name)))

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

    def ignore_unread(self, *partly: Net) -> None:
        """Read the nets and inputs that nothing reads, or not in all of their bits, so that a
        linter does not warn of them: those that appear whole only where they are driven, and those
        of ``partly``."""
        parts = Counter(part for s in self.statements for e in expressions(s) for part in walk(e))
        by_bits = {target.net for target, _ in self.assigns if isinstance(target, Slice)}
        unread = [net for direction, net in self.ports if direction == "input" and not parts[net]]
        unread += [
            net
            for net in (each.net for each in self._all_declarations)
            if net in partly or parts[net] <= 1 - (net in by_bits)
        ]
        if unread:
            whole = Prefix((Concat((FALSE, *unread)),), "&")
            self.unused = Declaration(Net(self.fresh("unused")), whole)

    # --- what there is ---------------------------------------------------------------------------
    @property
    def instances(self) -> list[Instance]:
        """The static modules that are instantiated, in order."""
        return [statement for statement in self.statements if isinstance(statement, Instance)]

    @property
    def assigns(self) -> list[tuple[Expression, Expression]]:
        """The nets and slices that are driven apart from their declarations, with their values."""
        return [(s.target, s.value) for s in self.statements if isinstance(s, Assign)]

    @property
    def wires(self) -> dict[Net, Expression]:
        """The wires that are declared with their values."""
        return {
            statement.net: statement.value
            for statement in self.statements
            if isinstance(statement, Declaration) and statement.value is not None
        }

    @property
    def drivers(self) -> dict[Net, Expression]:
        """The drivers of whole nets, but for the outputs of instances."""
        return self.wires | {net: value for net, value in self.assigns if isinstance(net, Net)}

    @property
    def _all_declarations(self) -> list[Declaration]:
        inner = [each for each in self.statements if isinstance(each, Declaration)]
        return [*self.declarations, *inner]

    @property
    def nets_meet(self) -> bool:
        """Whether two nets have one name, or one was renamed and nobody took notice."""
        used = {net_of(p) for s in self.statements for e in expressions(s) for p in walk(e)}
        return bool(self.doubled) or not used.issuperset(self.renamed)

    @property
    def used(self) -> set[str]:
        """The modules that are instantiated."""
        return {instance.module for instance in self.instances}

    @property
    def registers(self) -> int:
        """Bits of the registers that the module has beside those of its instances."""
        return sum(each.net.bits for each in self._all_declarations if each.kind == "reg")

    def text(self) -> str:
        """The Verilog text."""
        ports = ",\n".join(f"  {way} wire {_kind(net)}{net.name}" for way, net in self.ports)
        body = [*self.declarations, *self.statements]
        lines = [line for statement in body for line in _lines(statement)]
        lines += ["", *_lines(self.unused)] if self.unused else []
        indented = "\n".join(f"  {line}" if line else "" for line in lines)
        return f"module {self.name} (\n{ports}\n);\n{indented}\nendmodule\n"


class Outline(Module):
    """A module that holds no images: what there is without the numbers.

    ``constant_bits`` counts the bits that are the same in all words of a table.
    """

    constant_bits = 0

    def ignore_unread(self, *partly: Net) -> None:
        """Nothing: no linter sees an outline, and to look for what nothing reads takes an eighth
        of the time in which one is written and estimated."""

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


# --- text ----------------------------------------------------------------------------------------
def _lines(statement: Statement) -> list[str]:
    """The lines of a statement."""
    match statement:
        case Comment(text):
            return ["", f"// {escaped(text)}"]
        case Declaration(net, value, kind):
            driven = f" = {_text(value)}" if value is not None else ""
            return [f"{kind} {_kind(net)}{net.name}{driven};"]
        case Assign(target, value):
            return [f"assign {_text(target)} = {_text(value)};"]
        case Clocked(target, value):
            return [f"always @(posedge clk) {_text(target)} <= {_text(value)};"]
        case Instance(module, parameters, ports, name):
            assigned = _listed({key: _parameter(value) for key, value in parameters.items()})
            wired = _listed({port: _text(value) for port, value in ports.items()})
            front = (
                [f"{module} #(", *assigned, f") {name} ("] if assigned else [f"{module} {name} ("]
            )
            return [*front, *wired, ");"]


def _text(expression: Expression) -> str:
    """The text of an expression."""
    match expression:
        case Net(name=name):
            return name
        case Slice(net, high, low):
            return f"{net.name}[{high}:{low}]"
        case Bit(net, index):
            return f"{net.name}[{index}]"
        case Constant(value, width, base):
            form = {"b": f"0{width}b" if value else "b", "h": "x"}.get(base, base)
            digits = format(value, form)
            return f"{width}'{base}{digits}" if width else digits
        case Concat(operands):
            return f"{{{', '.join(map(_text, operands))}}}"
        case Repeat((operand,), count):
            return f"{{{count}{{{_text(operand)}}}}}"
        case Choice(conditions=conditions, values=(*values, last)):
            cases = zip(conditions, values, strict=True)
            return "".join(f"{_operand(c, Choice)} ? {_text(v)} : " for c, v in cases) + _text(last)
        case Group((operand,)):
            return f"({_text(operand)})"
        case Signed(number):
            return f"$signed({_text(number)})"
        case Prefix((operand,), operator):
            return f"{operator}{_operand(operand, Operation | Choice | Prefix)}"
        case Operation(operands, operator):
            return f" {operator} ".join(_operand(each, Operation | Choice) for each in operands)
    raise AssertionError(f"no text for {expression}")


def _operand(expression: Expression, weaker: type | UnionType) -> str:
    """An operand, in parentheses where it is of a kind that binds no stronger."""
    text = _text(expression)
    return f"({text})" if isinstance(expression, weaker) else text


def _parameter(value: Parameter) -> str:
    match value:
        case int():
            return str(value)
        case str():
            return f'"{value}"'
    return _text(value)


def _listed(connections: Mapping[str, str]) -> list[str]:
    """Ports or parameters in indented lines of at most a hundred characters where it can be."""
    parts = (f".{key}({value})" for key, value in connections.items())
    text = ", ".join(part.replace(" ", _SPACE) for part in parts)
    lines = textwrap.wrap(text, 92, break_long_words=False, break_on_hyphens=False)
    return [f"  {line.replace(_SPACE, ' ')}" for line in lines]


_SPACE = "\0"
"""Stands for a space at which a line does not break."""


def _kind(net: Net) -> str:
    """The type of a net in front of its name."""
    last = net.lowest + net.width - 1
    return f"{'signed ' * net.signed}{f'[{last}:{net.lowest}] ' if net.width else ''}"
