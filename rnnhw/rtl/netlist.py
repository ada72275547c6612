"""Netlists as values: the nets of a module, expressions of them, and statements.

The writers of :mod:`rnnhw.rtl` build these values, :mod:`rnnhw.rtl.verilog_text` prints them, and
the estimates of :mod:`rnnhw.cost.fpga` walk them. Text is made once, at the end; nothing reads it
back, so that a change of how Verilog is laid out changes no estimate.

- All values are frozen and compare by what they hold: two operands are one register if they are
  equal. Of nets the name alone counts, as a module has one net of a name. The width of some, such
  as the tokens of a post-processor, is known only when all their readers are written.
- An expression is a tree: nets, constants, and slices of nets are its leaves, and a
  :class:`Composite` has operands. :func:`walk` and :func:`with_nets` are the only recursions
  beside the printer's.
- Parentheses follow from the tree where they are needed. A :class:`Group` stands for those that
  the text has beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_, or_
from typing import TypeAlias

__all__ = [
    "FALSE", "FIRST_STEP", "TRUE", "UNWIRED", "Assign", "Bit", "Bits", "Choice", "Clocked",
    "Comment", "Concat", "Constant", "Declaration", "Expression", "Group", "Instance", "Net",
    "Number", "Operation", "Parameter", "Prefix", "Repeat", "Signed", "Slice", "Statement",
    "aligned", "all_of", "any_of", "choice", "concat", "expressions", "literal", "net_of", "nets",
    "number_of", "walk", "with_nets", "zeros",
]  # fmt: skip


# --- expressions ---------------------------------------------------------------------------------
class Expression:
    """A leaf or a composite; ``&``, ``|``, ``~`` and ``+`` of expressions are expressions."""

    def __and__(self, other: Expression) -> Expression:
        return _operation("&", self, other)

    def __or__(self, other: Expression) -> Expression:
        return _operation("|", self, other)

    def __add__(self, other: Expression) -> Expression:
        return _operation("+", self, other)

    def __invert__(self) -> Expression:
        return Prefix((self,), "~")

    @property
    def grouped(self) -> Expression:
        """The expression in parentheses that its place does not need."""
        return Group((self,))


def _operation(operator: str, *operands: Expression) -> Expression:
    """An operation between operands. ``a & b`` and another one make a single ``a & b & c``."""
    flat: list[Expression] = []
    for operand in operands:
        match operand:
            case Operation(inner, same) if same == operator:
                flat += inner
            case _:
                flat.append(operand)
    return Operation(tuple(flat), operator)


# --- leaves --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Net(Expression):
    """A net of ``width`` bits, numbered from ``lowest`` on; ``width`` 0 is a single bit without a
    number."""

    name: str
    width: int = field(default=0, compare=False)
    signed: bool = field(default=False, compare=False)
    lowest: int = field(default=0, compare=False)

    @property
    def bits(self) -> int:
        """How many bits the net has."""
        return max(self.width, 1)

    @property
    def highest(self) -> Bit:
        """The bit that is the sign of a signed net."""
        return Bit(self, self.width - 1)

    def bit(self, index: int) -> Bit:
        """One bit of the net."""
        return Bit(self, index)

    def element(self, number: int, width: int) -> Slice:
        """The element of ``width`` bits of that number of a word, the lowest bits being 0."""
        return Slice(self, (number + 1) * width - 1, number * width)

    def slice(self, high: int, low: int) -> Slice:
        """The bits from ``high`` down to ``low``."""
        return Slice(self, high, low)

    def equals(self, number: int) -> Expression:
        """Whether the net is a number."""
        return Operation((self, Constant(number, self.width)), "==")


@dataclass(frozen=True)
class Slice(Expression):
    """The bits of a net from ``high`` down to ``low``."""

    net: Net
    high: int
    low: int

    @property
    def width(self) -> int:
        """How many bits the slice has."""
        return self.high - self.low + 1

    @property
    def highest(self) -> Bit:
        """The bit that is the sign where the slice is an element."""
        return Bit(self.net, self.high)


@dataclass(frozen=True)
class Bit(Expression):
    """One bit of a net."""

    net: Net
    index: int


@dataclass(frozen=True)
class Constant(Expression):
    """A number of ``width`` bits in a base of Verilog: ``d``, ``h`` or ``b``; without a width it is
    a plain number."""

    value: int
    width: int = 0
    base: str = "d"


# --- composites ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Composite(Expression):
    """An expression with operands."""

    operands: tuple[Expression, ...]


class Concat(Composite):
    """``{a, b}``, the first operand in the highest bits."""


class Choice(Composite):
    """``condition ? value : ... : value``, in that order."""

    @property
    def conditions(self) -> tuple[Expression, ...]:
        """The conditions, one fewer than the values."""
        return self.operands[:-1:2]

    @property
    def values(self) -> tuple[Expression, ...]:
        """The values that are chosen among."""
        return (*self.operands[1::2], self.operands[-1])


class Group(Composite):
    """One operand in parentheses."""


@dataclass(frozen=True)
class Signed(Expression):
    """A slice or a constant as a number with a sign."""

    number: Slice | Constant

    @property
    def width(self) -> int:
        """How many bits the number has."""
        return self.number.width


@dataclass(frozen=True)
class Repeat(Composite):
    """``{count{a}}``."""

    count: int


@dataclass(frozen=True)
class Prefix(Composite):
    """An operator in front of one operand: ``~a``, or ``&a`` of all its bits."""

    operator: str


@dataclass(frozen=True)
class Operation(Composite):
    """An operator between operands: ``a & b``, ``a == b``."""

    operator: str


Parameter: TypeAlias = int | str | Expression
"""A string is the name of a file."""

Bits: TypeAlias = Net | Slice
"""A net, or an element of a word."""

Number: TypeAlias = Net | Signed
"""A number with a sign."""

TRUE, FALSE = Constant(1, 1, "b"), Constant(0, 1, "b")
FIRST_STEP = Net("first_step")
"""The net of a layer that is high in the first step of a sequence."""
UNWIRED = Net("")
"""The connection of a port that an instance leaves out."""


def zeros(width: int) -> Constant:
    """So many bits that are zero."""
    return Constant(0, width, "b")


def literal(value: int, width: int) -> Signed:
    """A signed number; the most negative one has no literal but its bits."""
    return Signed(Constant(value & ((1 << width) - 1), width, "h"))


def concat(*parts: Expression) -> Expression:
    """The concatenation of several parts, or the only one."""
    return parts[0] if len(parts) == 1 else Concat(parts)


def aligned(value: Bits, width: int, shift: int = 0, *, unsigned: bool = False) -> Expression:
    """A number shifted left by ``shift`` and extended to ``width`` bits."""
    more = width - value.width - shift
    parts: list[Expression] = [value]
    if more:
        parts.insert(0, Repeat((FALSE if unsigned else value.highest,), more))
    if shift:
        parts.append(zeros(shift))
    return concat(*parts)


def choice(*cases: tuple[Expression, Expression], otherwise: Expression) -> Expression:
    """The value of the first condition that holds."""
    operands = (*(part for case in cases for part in case), otherwise)
    return Choice(operands) if cases else otherwise


def any_of(*conditions: Expression) -> Expression:
    """Whether one of the conditions holds."""
    return reduce(or_, conditions)


def all_of(*conditions: Expression) -> Expression:
    """Whether all of the conditions hold."""
    return reduce(and_, conditions)


# --- walks ---------------------------------------------------------------------------------------
def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all its operands, but not the nets of slices and bits."""
    yield expression
    if isinstance(expression, Composite):
        for operand in expression.operands:
            yield from walk(operand)


def net_of(expression: Expression) -> Net | None:
    """The net that a leaf is, or is of."""
    match expression:
        case Net():
            return expression
        case Slice(net=net) | Bit(net=net) | Signed(number=Slice(net=net)):
            return net
    return None


def nets(expression: Expression) -> Iterator[Net]:
    """The nets of an expression, with those of slices and bits."""
    for part in walk(expression):
        if net := net_of(part):
            yield net


def with_nets(expression: Expression, of: Callable[[Net], Net]) -> Expression:
    """The expression with other nets in place of its own."""
    match expression:
        case Net():
            return of(expression)
        case Slice() | Bit():
            return replace(expression, net=of(expression.net))
        case Signed(Slice(net) as bits):
            return Signed(replace(bits, net=of(net)))
        case Composite():
            operands = tuple(with_nets(operand, of) for operand in expression.operands)
            return replace(expression, operands=operands)
    return expression


def number_of(expression: Parameter) -> int:
    """The bits of a :func:`literal`, as a number without a sign; 0 for all else."""
    match expression:
        case Signed(Constant(value)):
            return value
    return 0


# --- statements ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Comment:
    """A comment behind an empty line."""

    text: str


@dataclass(frozen=True)
class Declaration:
    """A net as a ``wire``, perhaps with its value, or as a ``reg``."""

    net: Net
    value: Expression | None = None
    kind: str = "wire"


@dataclass(frozen=True)
class Assign:
    """A value for a net or a slice of it."""

    target: Expression
    value: Expression


@dataclass(frozen=True)
class Clocked:
    """A value for a register at every clock."""

    target: Net
    value: Expression


@dataclass(frozen=True)
class Instance:
    """A static module with its parameters, and what its ports are wired to."""

    module: str
    parameters: Mapping[str, Parameter]
    ports: Mapping[str, Expression]
    name: str = ""

    def __getitem__(self, parameter: str) -> int:
        """A parameter that is a whole number."""
        value = self.parameters[parameter]
        assert isinstance(value, int)
        return value

    def port(self, name: str) -> Expression:
        """The connection of a port; :data:`UNWIRED` where the instance has no such port."""
        return self.ports.get(name, UNWIRED)

    def net(self, port: str) -> Net:
        """The net that a port is wired to, and nothing else."""
        net = self.ports[port]
        assert isinstance(net, Net)
        return net


Statement: TypeAlias = Comment | Declaration | Assign | Clocked | Instance


def expressions(statement: Statement) -> Iterator[Expression]:
    """The nets that a statement drives and the expressions that it reads."""
    match statement:
        case Declaration(value=value) if value is not None:
            yield value
        case Assign() | Clocked():
            yield from (statement.target, statement.value)
        case Instance():
            yield from statement.ports.values()
