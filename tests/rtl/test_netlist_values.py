"""Expressions and statements of a netlist: their text, what they mean to a simulator, and walks."""

import random
import subprocess
from dataclasses import FrozenInstanceError

import pytest
from helpers.tools import simulated

from rnnhw.rtl.netlist import (
    FALSE,
    TRUE,
    UNWIRED,
    Bit,
    Choice,
    Concat,
    Constant,
    Instance,
    Net,
    Operation,
    Repeat,
    Signed,
    Slice,
    aligned,
    all_of,
    any_of,
    choice,
    concat,
    literal,
    net_of,
    nets,
    number_of,
    walk,
    with_nets,
    zeros,
)
from rnnhw.rtl.verilog_text import Module, wired

A, B, C = Net("a", 4), Net("b", 4, signed=True), Net("c")


def text(value):
    """The text of a value, as a module assigns it."""
    module = Module("m")
    module.assign(Net("y", 8), value)
    (line,) = [line for line in module.text().splitlines() if "assign" in line]
    return line.removeprefix("  assign y = ").removesuffix(";")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (A, "a"),
        (A.slice(2, 1), "a[2:1]"),
        (A.slice(0, 0), "a[0:0]"),
        (A.element(1, 2), "a[3:2]"),
        (A.bit(3), "a[3]"),
        (B.highest, "b[3]"),
        (A.slice(2, 1).highest, "a[2]"),
        (TRUE, "1'b1"),
        (zeros(8), "8'b0"),
        (Constant(2, 4, "b"), "4'b0010"),
        (Constant(5, 3), "3'd5"),
        (Constant(7), "7"),
        (literal(-128, 8), "$signed(8'h80)"),
        (Signed(A.slice(2, 1)), "$signed(a[2:1])"),
        (literal(10, 8), "$signed(8'ha)"),
        (Concat((A,)), "{a}"),
        (concat(A), "a"),
        (concat(FALSE, A, B), "{1'b0, a, b}"),
        (Repeat((A.bit(3),), 2), "{2{a[3]}}"),
        (aligned(A, 4), "a"),
        (aligned(A, 6), "{{2{a[3]}}, a}"),
        (aligned(A.slice(2, 1), 5, 2), "{{1{a[2]}}, a[2:1], 2'b0}"),
        (aligned(A, 6, 2), "{a, 2'b0}"),
        (aligned(A, 6, 1, unsigned=True), "{{1{1'b0}}, a, 1'b0}"),
        (choice(otherwise=A), "a"),
        (choice((C, A), (C & C, B), otherwise=zeros(4)), "c ? a : c & c ? b : 4'b0"),
        (A.equals(9), "a == 4'd9"),
        (A.equals(9).grouped, "(a == 4'd9)"),
        (~C, "~c"),
        (~(C & A), "~(c & a)"),
        (~~C, "~(~c)"),
        (A & ~C, "a & ~c"),
        (C & A.equals(9) & B, "c & (a == 4'd9) & b"),
        (C & (A | B), "c & (a | b)"),
        ((C | A) | B, "c | a | b"),
        (A + (B & C), "a + (b & c)"),
        (choice((C, A), otherwise=B) & A, "(c ? a : b) & a"),
        (choice((choice((C, A), otherwise=B), A), otherwise=B), "(c ? a : b) ? a : b"),
        (all_of(C), "c"),
        (any_of(A, B & C), "a | (b & c)"),
    ],
)
def test_text_of_an_expression(value, expected):
    assert text(value) == expected


def test_a_value_is_frozen_and_equal_to_one_that_holds_the_same():
    with pytest.raises(FrozenInstanceError):
        A.width = 5
    assert A == Net("a", 9) != B  # one net of a name
    assert aligned(A, 8) == aligned(Net("a", 4), 8) != aligned(B, 8)
    assert Concat((A,)) != Repeat((A,), 1)
    assert len({A & B, A & B, A | B}) == 2


def test_walks_reach_the_nets_of_slices_and_bits():
    value = choice((C, aligned(A, 8)), (A.equals(1), zeros(8)), otherwise=concat(B.slice(3, 0), C))
    assert list(nets(value)) == [C, A, A, A, B, C]
    assert [part for part in walk(value) if isinstance(part, Bit)] == [A.bit(3)]
    assert [net_of(part) for part in (A, A.bit(0), A.slice(1, 0), ~A, TRUE)] == [
        A,
        A,
        A,
        None,
        None,
    ]
    assert isinstance(value, Choice)
    assert value.conditions == (C, A.equals(1))
    assert value.values == (aligned(A, 8), zeros(8), concat(B.slice(3, 0), C))


def test_nets_are_replaced_everywhere():
    value = choice(
        (A.equals(1), aligned(A, 8)), (C, Signed(A.slice(1, 0))), otherwise=A.bit(2) | ~B
    )
    replaced = with_nets(value, lambda net: Net("z") if net == A else net)
    assert list(nets(replaced)) == [Net("z") if net == A else net for net in nets(value)]
    assert text(replaced) == text(value).replace("a", "z")


def test_the_number_of_a_literal_is_its_bits():
    assert [number_of(literal(n, 4)) for n in (-8, -1, 0, 7)] == [8, 15, 0, 7]
    assert number_of(A) == number_of(5) == number_of("file") == 0


def test_what_an_instance_is_wired_to():
    instance = Instance("rnnhw_add", {"WIDTH": 4, "FILE": "f"}, {"a": A, "y": A.bit(0)})
    assert instance["WIDTH"] == 4
    assert (instance.port("a"), instance.port("b")) == (A, UNWIRED)
    assert instance.net("a") == A
    for wrong in (lambda: instance["FILE"], lambda: instance.net("y")):
        with pytest.raises(AssertionError):
            wrong()


# --- modules -------------------------------------------------------------------------------------
def module():
    """A module with a clock and two numbers, one of which is read."""
    made = Module("m")
    made.port("input", "clk")
    made.port("input", "x", 4, signed=True)
    made.port("output", "y", 4)
    return made


def test_text_of_a_module():
    made = module()
    made.comment("a row\nof bits")
    made.declare("late", 4)
    behind = made.delayed(Net("behind", 3, lowest=1), concat(made.nets["x"].slice(1, 0), TRUE))
    made.wire("early", 4, "x")
    ports = {**wired("clk"), **wired("ly", "ear")}
    made.instance("rnnhw_add", "sum", {"WIDTH": 4, "FILE": "f.hex"}, ports)
    made.instance("rnnhw_last", "last", {}, wired("y"))
    made.drive({"late": behind, "y": "late"})
    assert made.text() == (
        "module m (\n"
        "  input wire clk,\n"
        "  input wire signed [3:0] x,\n"
        "  output wire [3:0] y\n"
        ");\n"
        "  wire [3:0] late;\n"
        "  reg [3:1] behind;\n"
        "\n"
        "  // a row\\u000aof bits\n"
        "  always @(posedge clk) behind <= {x[1:0], 1'b1};\n"
        "  wire signed [3:0] early = x;\n"
        "  rnnhw_add #(\n"
        '    .WIDTH(4), .FILE("f.hex")\n'
        "  ) sum (\n"
        "    .clk(clk), .ly(early)\n"
        "  );\n"
        "  rnnhw_last last (\n"
        "    .y(y)\n"
        "  );\n"
        "  assign late = behind;\n"
        "  assign y = late;\n"
        "endmodule\n"
    )
    assert made.registers == 3
    assert made.wires == {Net("early"): Net("x")}
    assert made.drivers == {Net("early"): Net("x"), Net("late"): behind, Net("y"): Net("late")}
    assert [instance.name for instance in made.instances] == ["sum", "last"]


def test_a_name_that_no_net_has_is_an_error_at_once():
    made = module()
    with pytest.raises(KeyError, match="nothing"):
        made.assign("y", "nothing")
    with pytest.raises(KeyError, match="nothing"):
        made.instance("rnnhw_add", "sum", {}, {"a": "nothing"})


def test_nets_meet_where_a_new_name_is_not_used_or_two_have_one():
    made = module()
    renamed = made.wire("x", 4)
    assert renamed.name == "x_"
    assert made.nets_meet  # what was to read it reads the port
    made.assign("y", renamed)
    assert not made.nets_meet
    made.declare_as(Net("x_"), "reg")
    assert made.nets_meet


def test_a_net_is_unread_unless_it_is_read_as_a_whole():
    made = module()
    whole, parts, none = (made.declare(name, 4) for name in ("whole", "parts", "none"))
    for net in (whole, parts):
        made.assign(net, zeros(4))
    made.assign(none.slice(1, 0), parts.slice(1, 0))
    made.assign("y", whole)
    made.ignore_unread()
    assert text_of_unused(made) == "&{1'b0, clk, x, parts, none}"
    made.ignore_unread(whole)
    assert text_of_unused(made) == "&{1'b0, clk, x, whole, parts, none}"


def text_of_unused(made):
    """What the last line of a module reads."""
    line = made.text().splitlines()[-2]
    return line.partition(" = ")[2].removesuffix(";")


# --- what a simulator makes of it ----------------------------------------------------------------
def drawn(r, bits, depth):
    """A random expression of single bits."""
    kind = r.choice(["net", "and", "or", "not", "equal", "sum", "choice", "group"])
    if depth == 0 or kind == "net":
        return r.choice([*bits, TRUE, FALSE])
    one, two, three = (drawn(r, bits, depth - 1) for _ in range(3))
    match kind:
        case "and":
            return all_of(one, two, three)
        case "or":
            return one | two
        case "not":
            return ~one
        case "equal":
            return Operation((one, two), "==")
        case "sum":
            return one + two
        case "choice":
            return choice((one, two), otherwise=three)
    return one.grouped


def value_of(expression, values):
    """The bit that an expression is by the tree alone."""
    if isinstance(expression, Net):
        return values[expression]
    if isinstance(expression, Constant):
        return expression.value
    bits = [value_of(operand, values) for operand in expression.operands]
    match expression:
        case Operation(operator="&"):
            return min(bits)
        case Operation(operator="|"):
            return max(bits)
        case Operation(operator="+"):
            return sum(bits) % 2
        case Operation(operator="=="):
            return int(bits[0] == bits[1])
        case Choice():
            return bits[1] if bits[0] else bits[2]
    return bits[0] if text(expression).startswith("(") else 1 - bits[0]


@simulated
def test_a_simulator_reads_an_expression_as_its_tree(tmp_path):
    """All values of 4 bits in 150 random trees: parentheses stand wherever they are needed."""
    r, bits = random.Random(1), [Net(name) for name in "pqrs"]
    trees = [drawn(r, bits, 4) for _ in range(150)]
    made = Module("m")
    for bit in bits:
        made.port("input", bit.name)
    made.port("output", "y", len(trees))
    for position, tree in enumerate(trees):
        made.assign(Slice(made.nets["y"], position, position), tree)
    bench = f"""module bench; reg [3:0] x; wire [{len(trees) - 1}:0] y; integer i;
  m m(.p(x[0]), .q(x[1]), .r(x[2]), .s(x[3]), .y(y));
  initial for (i = 0; i < 16; i = i + 1) begin x = i; #1 $display("%b", y); end
endmodule
"""
    (tmp_path / "m.v").write_text(made.text() + bench)
    build = ["iverilog", "-g2005", "-o", "m.vvp", "m.v"]
    subprocess.run(build, cwd=tmp_path, check=True)
    run = ["vvp", "-n", "m.vvp"]
    said = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    for number, line in enumerate(said.split()):
        values = {bit: number >> place & 1 for place, bit in enumerate(bits)}
        assert [int(bit) for bit in reversed(line)] == [value_of(t, values) for t in trees], number
    assert len({text(tree) for tree in trees}) > 100
