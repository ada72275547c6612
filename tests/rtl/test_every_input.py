"""The static modules that compute, for ALL inputs of 8 bits: equal to golden's operations.

Modules of one or two operands run in Icarus Verilog over all values of what they read. Behind a
value comes its inverse with the enables low, so that a register that loads without being told to
is seen too. Of `rnnhw_select` and `rnnhw_lanes`, which read more, the gates are worked out. Run
with `pytest -m slow tests/rtl/test_every_input.py`; the log is in docs/verilog.md.
"""

import subprocess
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from helpers.aiger import next_values, read_aiger
from helpers.tools import simulated
from helpers.verilog import ICARUS

from rnnhw.numerics.cast import (
    OVERFLOW_NUMBER,
    ROUNDING_NUMBER,
    Overflow,
    Q,
    Rounding,
    cast,
)
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.project import static_module
from rnnhw.rtl.tools.yosys import find_tool

pytestmark = pytest.mark.slow
synthesised = pytest.mark.tools("yosys")

BYTES = np.arange(256)
SIGNED = np.where(BYTES < 128, BYTES, BYTES - 256)
PAIRS = 1 << 16
FIRST, SECOND = SIGNED[np.arange(PAIRS) & 255], SIGNED[np.arange(PAIRS) >> 8]


@dataclass
class Instance:
    """A module with parameters and inputs in Verilog; ``width`` bits of ``y``; ``expected`` raw
    integers, one for each value of the bench's input, of which the low ``width`` bits count."""

    module: str
    parameters: dict
    inputs: dict
    width: int
    expected: np.ndarray


def text_of(index, each):
    parameters = ", ".join(f".{name}({value})" for name, value in each.parameters.items())
    ports = ", ".join(f".{name}({value})" for name, value in each.inputs.items())
    wire = f"wire signed [{each.width - 1}:0] y{index};"
    return f"{wire} {each.module} #({parameters}) i{index} (.clk(clk), {ports}, .y(y{index}));"


def bench_of(instances, bits):
    """A test bench that prints all outputs for each of 2**bits inputs."""
    joined = ", ".join(f"y{index}" for index in reversed(range(len(instances))))
    lines = [text_of(index, each) for index, each in enumerate(instances)]
    return f"""
module bench;
  reg clk = 0;
  reg [1:0] en = 0;
  reg [{bits - 1}:0] in;
  integer k;
  {chr(10).join(lines)}
  task tick; begin #1 clk = 1; #1 clk = 0; end endtask
  initial begin
    for (k = 0; k < {1 << bits}; k = k + 1) begin
      in = k; en = 2'b01; tick;
      in = ~in; en = 2'b10; tick;
      en = 2'b00; tick;
      $display("%h", {{{joined}}});
    end
    $finish;
  end
endmodule
"""


def printed(simulator, folder, names, bench):
    """The lines of hexadecimal digits that a bench prints, as bits [lines, bits], lowest first."""
    folder.mkdir(exist_ok=True)
    (folder / "bench.v").write_text(bench)
    files = ["bench.v"]
    for name in names:
        (folder / f"{name}.v").write_text(static_module(name))
        files.append(f"{name}.v")
    place = folder / "place"
    place.mkdir()
    command = simulator.build(folder, files, "bench", place, None)
    said = simulator.run(command, folder, 600)
    lines = [line for line in said.split() if line[:1] in "0123456789abcdefxz" and "." not in line]
    assert not any("x" in line or "z" in line for line in lines)
    digits = max(map(len, lines))
    data = bytes.fromhex("".join(line.zfill(digits + digits % 2) for line in lines))
    rows = np.frombuffer(data, np.uint8).reshape(len(lines), -1)
    return np.unpackbits(rows[:, ::-1], axis=1, bitorder="little")


def assert_equal(instances, bits, folder, simulator=ICARUS):
    names = {each.module for each in instances}
    names |= {inner for name in names for inner in MODULES[name].holds}
    found = printed(simulator, folder, sorted(names), bench_of(instances, bits))
    assert len(found) == 1 << bits
    first = 0
    for each in instances:
        weights = 1 << np.arange(each.width, dtype=np.int64)
        values = found[:, first : first + each.width].astype(np.int64) @ weights
        first += each.width
        expected = np.asarray(each.expected, np.int64) & ((1 << each.width) - 1)
        wrong = np.flatnonzero(values != expected)
        assert not len(wrong), (each.module, each.parameters, wrong[:5], values[wrong[:5]])


# --- cast --------------------------------------------------------------------------------------
def casts(rounding, overflow):
    """Every way to drop, to fit and to stage a byte in one pair of modes."""
    folds = (0, 1) if rounding in (Rounding.TRN, Rounding.RND, Rounding.RND_MIN_INF) else (0,)
    for drop, width, unsigned, latency, folded in product(
        (-3, 0, 1, 2, 5, 7, 8, 9, 11), (1, 2, 4, 7, 8, 10), (0, 1), (1, 2), folds
    ):
        if unsigned and overflow is Overflow.WRAP_SM:
            continue
        to = Q(width - 1 + unsigned, 0, not unsigned, rounding, overflow)
        values = SIGNED
        if folded and drop > 0:
            half = {Rounding.TRN: 0, Rounding.RND: 1 << (drop - 1)}
            # The number to be cast is what the folded sum is less its constant.
            values = SIGNED - half.get(rounding, (1 << (drop - 1)) - 1)
        expected = [cast(int(value), drop, to)[0] for value in values]
        parameters = {
            "A_WIDTH": 8, "DROP": drop, "ROUNDING": ROUNDING_NUMBER[rounding],
            "OVERFLOW": OVERFLOW_NUMBER[overflow], "WIDTH": width, "UNSIGNED": unsigned,
            "FOLDED": folded, "LATENCY": latency,
        }  # fmt: skip
        inputs = {"en": "en", "a": "in"}
        yield Instance("rnnhw_cast", parameters, inputs, width + unsigned, np.array(expected))


@simulated
@pytest.mark.parametrize("rounding", list(Rounding))
def test_cast(rounding, tmp_path):
    instances = [each for overflow in Overflow for each in casts(rounding, overflow)]
    assert_equal(instances, 8, tmp_path)


# --- element by element ------------------------------------------------------------------------
@simulated
def test_add_and_subtract(tmp_path):
    instances = []
    for subtract, a, b, width in product((0, 1), (0, 3), (0, 2), (9, 12, 6)):
        expected = (FIRST << a) + (1 - 2 * subtract) * (SECOND << b)
        parameters = {"A_SHIFT": a, "B_SHIFT": b, "WIDTH": width, "SUBTRACT": subtract}
        inputs = {"en": "en[0]", "a": "in[7:0]", "b": "in[15:8]"}
        instances.append(Instance("rnnhw_add", parameters, inputs, width, expected))
    assert_equal(instances, 16, tmp_path)


@simulated
def test_multiply(tmp_path):
    inputs = {"en": "en", "a": "in[7:0]", "b": "in[15:8]"}
    instances = [
        Instance("rnnhw_multiply", {"WIDTH": width}, inputs, width, FIRST * SECOND)
        for width in (16, 20, 8)
    ]
    assert_equal(instances, 16, tmp_path)


@simulated
def test_shift(tmp_path):
    """All numbers of 8 bits by all amounts of 3 bits, a spare bit of the amount included."""
    index = np.arange(1 << 11)
    number, amount = SIGNED[index & 255], index >> 8
    inputs = {"en": "en[0]", "a": "in[7:0]", "by": "{1'b0, in[10:8]}"}
    instances = [
        Instance(
            "rnnhw_shift",
            {"BY_WIDTH": 4, "WIDTH": width},
            inputs,
            width,
            number << amount,
        )
        for width in (15, 18, 8)
    ]
    assert_equal(instances, 11, tmp_path)


@simulated
def test_clamp(tmp_path):
    instances = []
    ends = (-128, -127, -64, -1, 0, 1, 63, 127)
    for low, high in product(ends, ends):
        if low > high:
            continue
        limits = {"LOW": f"-8'sd{-low}" if low < 0 else f"8'sd{low}"}
        limits["HIGH"] = f"-8'sd{-high}" if high < 0 else f"8'sd{high}"
        for width in (8, 10):
            instances.append(
                Instance(
                    "rnnhw_clamp",
                    {**limits, "WIDTH": width},
                    {"en": "en[0]", "a": "in"},
                    width,
                    np.clip(SIGNED, low, high),
                )
            )
    assert_equal(instances, 8, tmp_path)


@simulated
@pytest.mark.parametrize("unsigned", [0, 1])
def test_lookup(unsigned, tmp_path):
    rng = np.random.default_rng(0)
    tables = rng.integers(0, 256, (3, 256))
    instances = []
    for count in (1, 3):
        words = "\n".join(f"{word:02x}" for word in tables[:count].ravel())
        (tmp_path / f"table{count}.hex").write_text(words + "\n")
        for chosen in range(count):
            entries = tables[chosen] if unsigned else SIGNED[tables[chosen]]
            parameters = {"UNSIGNED": unsigned, "TABLES": count, "SELECT_WIDTH": 2,
                          "FILE": f'"table{count}.hex"'}  # fmt: skip
            inputs = {"en": "en[0]", "select": f"2'd{chosen}", "a": "in"}
            instances.append(Instance("rnnhw_lookup", parameters, inputs, 8 + unsigned, entries))
    assert_equal(instances, 8, tmp_path)


# --- registers, by their functions -------------------------------------------------------------
# More inputs than can be simulated: yosys turns the module into gates, and the function of every
# register is worked out for all values of all that it reads, its own included.
def gates_of(name, parameters, folder):
    (folder / f"{name}.v").write_text(static_module(name))
    chosen = " ".join(f"-set {key} {value}" for key, value in parameters.items())
    script = (
        f"read_verilog {name}.v; chparam {chosen} {name}; prep -flatten -top {name}; "
        "dffunmap; techmap; opt_clean; aigmap; write_aiger -symbols gates.aig"
    )
    command = [find_tool("yosys").command, "-q", "-p", script]
    subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)
    return read_aiger((folder / "gates.aig").read_bytes())


def bits(name, width):
    return [name if width == 1 else f"{name}[{place}]" for place in range(width)]


@synthesised
@pytest.mark.parametrize(("a", "b", "width"), [(0, 0, 8), (3, 0, 11), (0, 2, 6), (1, 2, 10)])
def test_select_of_every_triple(a, b, width, tmp_path):
    parameters = {"A_SHIFT": a, "B_SHIFT": b, "WIDTH": width}
    circuit = gates_of("rnnhw_select", parameters, tmp_path)
    y = bits("y", width)
    # The other bits of the number whose sign decides are not read at all.
    free = [*bits("a", 8), *bits("b", 8), "s[7]"]
    found = next_values(circuit, y, free, {"en": 1})
    chosen = np.concatenate([FIRST << a, SECOND << b])
    np.testing.assert_array_equal(found, chosen & ((1 << width) - 1))
    kept = next_values(circuit, y, [*y, "a[0]", "b[0]", "s[7]"], {
        "en": 0, **dict.fromkeys([*bits("a", 8)[1:], *bits("b", 8)[1:]], 1)
    })  # fmt: skip
    np.testing.assert_array_equal(kept, np.arange(len(kept)) & ((1 << width) - 1))


@synthesised
def test_a_step_of_the_lanes(tmp_path):
    """Operand and weight registers, their product, and the sum from every sum of 8 bits."""
    width = 8
    parameters = {"LANES": 1, "OPERAND_WIDTH": 8, "WEIGHT_WIDTH": 8, "WIDTH": width}
    circuit = gates_of("rnnhw_lanes", parameters, tmp_path)
    lane = "mac[0]"
    for port, register in (("operands", "operand"), ("weights", "weight")):
        found = next_values(circuit, bits(f"{lane}.{register}", 8), bits(port, 8))
        np.testing.assert_array_equal(found, BYTES)
    operand, weight = bits(f"{lane}.operand", 8), bits(f"{lane}.weight", 8)
    product = bits(f"{lane}.product", 16)
    kept = [name for name in product if name in circuit.names]  # the others are read by nothing
    found = next_values(circuit, kept, [*operand, *weight])
    np.testing.assert_array_equal(found, FIRST * SECOND & ((1 << len(kept)) - 1))
    assert len(kept) >= width
    total = bits(f"{lane}.sum", width)
    mask = (1 << width) - 1
    free = [*product[:width], *total]
    number = np.arange(1 << (2 * width))
    term, before = number & mask, number >> width
    for valid, first, expected in [
        (1, 1, term),
        (1, 0, (term + before) & mask),
        (0, 0, before),
        (0, 1, before),
    ]:
        # The flags are numbered from 0 in the gates, as v[3:1] is the range of the text.
        found = next_values(circuit, total, free, {"v[2]": valid, "f[2]": first})
        np.testing.assert_array_equal(found, expected)
