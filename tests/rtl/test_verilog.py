"""The element-wise Verilog modules against the definitions in numerics, every cycle."""

import random
import re
import subprocess
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.tools import linted, simulated

import rnnhw
from rnnhw.numerics.cast import (
    OVERFLOW_NUMBER,
    ROUNDING_NUMBER,
    Overflow,
    Q,
    Rounding,
    cast,
)

VERILOG = Path(rnnhw.__file__).parent / "rtl" / "verilog"
OPERATIONS = [
    f"rnnhw_{name}"
    for name in (
        "add", "multiply", "select", "clamp", "cast", "lookup", "register", "unit_ram", "unit_rom"
    )
]  # fmt: skip


# --- one bench for many instances ----------------------------------------------------------------
@dataclass
class Case:
    """One instance: ``ports`` wires inputs to stimuli; ``expected`` is the output y or q of every
    cycle as an integer, None where it is not defined."""

    module: str
    parameters: dict
    ports: dict
    width: int
    expected: list
    output: str = "y"


def run(directory, stimuli, cases):
    """What every case gives behind each clock edge: [case][cycle], None where a bit is X."""
    cycles = {len(values) for _, values in stimuli.values()}
    assert len(cycles) == 1
    (count,) = cycles
    lines = ["`timescale 1ns/1ps", "module bench;", "reg clk = 0;", "integer t = 0;"]
    for name, (width, values) in stimuli.items():
        (directory / f"{name}.hex").write_text(
            "".join(f"{value & ((1 << width) - 1):x}\n" for value in values)
        )
        lines += [
            f"reg [{width - 1}:0] {name}_all [0:{count - 1}];",
            f'initial $readmemh("{name}.hex", {name}_all);',
            f"wire [{width - 1}:0] {name} = {name}_all[t];",
        ]
    for index, case in enumerate(cases):
        parameters = ", ".join(f".{key}({value})" for key, value in case.parameters.items())
        wired = {"clk": "clk", **case.ports, case.output: f"y{index}"}
        ports = ", ".join(f".{key}({value})" for key, value in wired.items())
        lines += [
            f"wire [{case.width - 1}:0] y{index};",
            f"{case.module} #({parameters}) case{index} ({ports});",
        ]
    lines += [
        "initial begin",
        f"  while (t < {count}) begin",
        "    #5 clk = 1; #4",
        *(f'    $display("%b", y{index});' for index in range(len(cases))),
        "    #1 clk = 0; t = t + 1;",
        "  end",
        "  $finish;",
        "end",
        "endmodule",
    ]
    (directory / "bench.v").write_text("\n".join(lines))
    sources = sorted({str(VERILOG / f"{case.module}.v") for case in cases})
    subprocess.run(
        ["iverilog", "-g2005", "-s", "bench", "-o", "bench.vvp", "bench.v", *sources],
        cwd=directory, check=True, timeout=120,
    )  # fmt: skip
    ran = subprocess.run(
        ["vvp", "bench.vvp"], cwd=directory, check=True, timeout=120, capture_output=True, text=True
    )
    assert "WARNING" not in ran.stdout
    words = [line for line in ran.stdout.splitlines() if re.fullmatch("[01xz]+", line)]
    assert len(words) == count * len(cases)
    return [[number(word) for word in words[index :: len(cases)]] for index in range(len(cases))]


def number(bits):
    """Two's complement bits as an integer."""
    if set(bits) - {"0", "1"}:
        return None
    return int(bits, 2) - (int(bits[0]) << len(bits))


def check(directory, stimuli, cases):
    # Icarus takes more than twice as long for a bench of twice as many instances.
    starts = range(0, len(cases), 200)
    runs = [run(directory, stimuli, cases[start : start + 200]) for start in starts]
    compared = 0
    for case, found in zip(cases, chain.from_iterable(runs), strict=True):
        for cycle, (got, wanted) in enumerate(zip(found, case.expected, strict=True)):
            if wanted is not None:
                compared += 1
                assert got == wanted, (case.module, case.parameters, case.ports, cycle)
    assert compared > len(cases)


def wrapped(value, width):
    """``value`` modulo 2**width, signed."""
    return (value + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))


def staged(values, *enables):
    """``values`` of an operation behind one register for each list of enables, the first being
    that of the register which is loaded first."""
    registers = [None] * len(enables)
    found = []
    for cycle, value in enumerate(values):
        before = [value, *registers]
        for stage, enable in enumerate(enables):
            if enable[cycle]:
                registers[stage] = before[stage]
        found.append(registers[-1])
    return found


def edges(width, count, seed=1):
    """Signed words: the edges first, then random ones of random size."""
    rng = random.Random(seed)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    fixed = [v for v in (low, high, 0, -1, 1, low + 1, high - 1, -2, 2) if low <= v <= high]
    drawn = [rng.randint(low, high) >> rng.randrange(width) for _ in range(count)]
    return (fixed + drawn)[:count]


def random_bits(count, seed):
    return [random.Random(f"{seed} {i}").random() < 0.6 for i in range(count)]


def shuffled(values, seed):
    return random.Random(seed).sample(values, len(values))


# --- the cast ------------------------------------------------------------------------------------
def constant(drop, rounding):
    """What a folded rounding has added."""
    if drop <= 0 or rounding is Rounding.TRN:
        return 0
    return (1 << (drop - 1)) - (rounding is Rounding.RND_MIN_INF)


def cast_case(a_width, drop, q, folded, values, port, enables):
    """An instance; ``values`` hold the rounding constant already where it is folded."""
    latency = 2 if drop > 0 and q.rounding is not Rounding.TRN and not folded else 1
    added = constant(drop, q.rounding) if folded else 0
    results = [cast(value - added, q.fraction + drop, q)[0] for value in values]
    return Case(
        "rnnhw_cast",
        {
            "A_WIDTH": a_width, "DROP": drop, "ROUNDING": ROUNDING_NUMBER[q.rounding],
            "OVERFLOW": OVERFLOW_NUMBER[q.overflow], "WIDTH": q.width,
            "UNSIGNED": int(not q.signed), "FOLDED": int(folded), "LATENCY": latency,
        },
        {"a": port, "en": "{en1, en0}" if latency == 2 else "{2{en0}}"},
        q.width + (not q.signed),
        staged(results, *enables[:latency]),
    )  # fmt: skip


def formats(width, rounding):
    for overflow in Overflow:
        for signed in (True, False):
            if signed or overflow is not Overflow.WRAP_SM:
                yield Q(width - signed, 0, signed, rounding, overflow)


def cast_cases(a_width, drops, widths, values, port, enables):
    for rounding in Rounding:
        for drop in drops:
            for width in widths:
                for q in formats(width, rounding):
                    for folded in (False, True)[: 1 + rounding.shift_invariant]:
                        yield cast_case(a_width, drop, q, folded, values, port, enables)


@simulated
@pytest.mark.parametrize("a_width", [1, 2, 5])
def test_casts_of_small_words_exhaustively(tmp_path, a_width):
    values = list(range(-(1 << (a_width - 1)), 1 << (a_width - 1)))
    values = shuffled(values, 1) + shuffled(values, 2) + values
    always = [True] * len(values)
    drops = [-3, -1, 0, 1, 2, a_width - 1, a_width, a_width + 2]
    widths = [1, 2, 3, a_width + 1] if a_width > 2 else [1, 2]
    cases = list(cast_cases(a_width, dict.fromkeys(drops), widths, values, "a", [always, always]))
    stimuli = {"a": (a_width, values), "en0": (1, always), "en1": (1, always)}
    check(tmp_path, stimuli, cases)


@simulated
@pytest.mark.parametrize("a_width", [24, 48, 64])
def test_casts_of_wide_words_at_their_edges(tmp_path, a_width):
    rng = random.Random(a_width)
    values = edges(a_width, 40, seed=a_width)
    low, high = -(1 << (a_width - 1)), (1 << (a_width - 1)) - 1
    drops, widths = [-2, 0, 1, 7, a_width - 2, a_width + 3], [1, 8, 18, a_width - 1]
    for drop in (1, 7):  # ties, and their neighbours, around the edges of the words
        for width in widths:
            for near in (1 << (width - 1), 1 << width, -(1 << (width - 1)), 0, 5, -4):
                tie = (near << drop) + (1 << (drop - 1))
                values += [v for v in (tie - 1, tie, tie + 1) if low <= v <= high]
    rng.shuffle(values)
    enables = [random_bits(len(values), seed) for seed in (1, 2)]
    cases = list(cast_cases(a_width, drops, widths, values, "a", enables))
    cases = rng.sample(cases, 300)
    stimuli = {"a": (a_width, values), "en0": (1, enables[0]), "en1": (1, enables[1])}
    check(tmp_path, stimuli, cases)


def test_the_modes_of_the_module_are_those_of_the_table():
    text = (VERILOG / "rnnhw_cast.v").read_text()
    written = {n: int(v) for n, v in re.findall(r"localparam integer (\w+) = (\d+);", text)}
    numbers = {**ROUNDING_NUMBER, **OVERFLOW_NUMBER}
    assert written == {mode.value: number for mode, number in numbers.items()}


def test_the_modes_of_the_c_code_are_those_of_the_table():
    text = (ROOT / "ext" / "word_cast.h").read_text()
    for name, numbers in (("rounding", ROUNDING_NUMBER), ("overflow", OVERFLOW_NUMBER)):
        (body,) = re.findall(rf"enum rnnhw_{name} {{(.*?)}};", text, re.DOTALL)
        written = re.findall(r"RNNHW_(\w+)", body)
        assert written == [mode.value for mode in sorted(numbers, key=numbers.__getitem__)]


# --- the other operations ------------------------------------------------------------------------
WIDTHS = [(1, 1), (1, 7), (8, 8), (13, 6), (30, 48)]
COUNT = 150


@pytest.fixture
def operands():
    """Stimuli of several widths with enables: (stimuli, values by name, enables)."""
    stimuli = {}
    for width in sorted({width for pair in WIDTHS for width in pair}):
        for name in "abs":
            stimuli[f"{name}{width}"] = (width, shuffled(edges(width, COUNT, 3), f"{name}{width}"))
    enables = [random_bits(COUNT, seed) for seed in (5, 6)]
    stimuli |= {f"en{i}": (1, enable) for i, enable in enumerate(enables)}
    return stimuli, {name: values for name, (_, values) in stimuli.items()}, enables


@simulated
def test_sums_and_differences(tmp_path, operands):
    stimuli, values, (en0, _) = operands
    cases = []
    for a, b in WIDTHS:
        for a_shift, b_shift in [(0, 0), (3, 0), (0, 5), (2, 2)]:
            for width in (1, 4, max(a + a_shift, b + b_shift) + 1, 64):
                for subtract in (0, 1):
                    sums = [
                        wrapped((x << a_shift) + (-1) ** subtract * (y << b_shift), width)
                        for x, y in zip(values[f"a{a}"], values[f"b{b}"], strict=True)
                    ]
                    parameters = {
                        "A_WIDTH": a, "A_SHIFT": a_shift, "B_WIDTH": b, "B_SHIFT": b_shift,
                        "WIDTH": width, "SUBTRACT": subtract,
                    }  # fmt: skip
                    ports = {"en": "en0", "a": f"a{a}", "b": f"b{b}"}
                    cases.append(Case("rnnhw_add", parameters, ports, width, staged(sums, en0)))
    check(tmp_path, stimuli, cases)


@simulated
def test_products(tmp_path, operands):
    stimuli, values, enables = operands
    cases = []
    for a, b in WIDTHS:
        for width in (1, 5, a + b - 1, a + b, 80):
            if width:
                pairs = zip(values[f"a{a}"], values[f"b{b}"], strict=True)
                products = [wrapped(x * y, width) for x, y in pairs]
                parameters = {"A_WIDTH": a, "B_WIDTH": b, "WIDTH": width}
                ports = {"en": "{en1, en0}", "a": f"a{a}", "b": f"b{b}"}
                found = staged(products, *enables)
                cases.append(Case("rnnhw_multiply", parameters, ports, width, found))
    check(tmp_path, stimuli, cases)


@simulated
def test_selections(tmp_path, operands):
    stimuli, values, (en0, _) = operands
    cases = []
    for a, b in WIDTHS:
        for s in (1, 8):
            for a_shift, b_shift in [(0, 0), (3, 0), (0, 5)]:
                for width in (3, max(a + a_shift, b + b_shift), 60):
                    triples = zip(values[f"s{s}"], values[f"a{a}"], values[f"b{b}"], strict=True)
                    chosen = [
                        wrapped(x << a_shift if sign >= 0 else y << b_shift, width)
                        for sign, x, y in triples
                    ]
                    parameters = {
                        "S_WIDTH": s, "A_WIDTH": a, "A_SHIFT": a_shift,
                        "B_WIDTH": b, "B_SHIFT": b_shift, "WIDTH": width,
                    }  # fmt: skip
                    ports = {"en": "en0", "s": f"s{s}", "a": f"a{a}", "b": f"b{b}"}
                    cases.append(
                        Case("rnnhw_select", parameters, ports, width, staged(chosen, en0))
                    )
    check(tmp_path, stimuli, cases)


@simulated
def test_shifts(tmp_path, operands):
    stimuli, values, (en0, _) = operands
    cases = []
    for a in (1, 7, 13, 48):
        for bits in (1, 2, 3, 5):
            amounts = shuffled([*range(1 << bits)] * COUNT, f"by{bits}")[:COUNT]
            stimuli[f"by{bits}"] = (bits + 1, amounts)
            pairs = list(zip(values[f"a{a}"], amounts, strict=True))
            for width in (1, a, a + 2, a + (1 << bits) - 1):
                shifted = [wrapped(x << by, width) for x, by in pairs]
                parameters = {"A_WIDTH": a, "BY_WIDTH": bits + 1, "WIDTH": width}
                ports = {"en": "en0", "a": f"a{a}", "by": f"by{bits}"}
                cases.append(Case("rnnhw_shift", parameters, ports, width, staged(shifted, en0)))
    check(tmp_path, stimuli, cases)


@simulated
def test_limits(tmp_path, operands):
    stimuli, values, (en0, _) = operands
    cases = []
    for a in (1, 7, 13, 48):
        ends = -(1 << (a - 1)), (1 << (a - 1)) - 1
        limits = {ends, (0, ends[1]), (0, 0), (ends[0], 0), (ends[0] // 3, ends[1] // 5)}
        for low, high in limits:
            needed = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
            for width in (needed, a, a + 3):
                clamped = [min(max(x, low), high) for x in values[f"a{a}"]]
                parameters = {
                    "A_WIDTH": a, "WIDTH": width,
                    "LOW": f"$signed({a}'h{low % (1 << a):x})",
                    "HIGH": f"$signed({a}'h{high:x})",
                }  # fmt: skip
                ports = {"en": "en0", "a": f"a{a}"}
                cases.append(Case("rnnhw_clamp", parameters, ports, width, staged(clamped, en0)))
    check(tmp_path, stimuli, cases)


@simulated
def test_tables(tmp_path, operands):
    stimuli, values, (en0, _) = operands
    stimuli["pick"] = (2, [i % 3 for i in range(COUNT)])
    cases = []
    for a, width, unsigned, tables in [
        (1, 1, 0, 1), (1, 1, 1, 1), (8, 9, 0, 1), (8, 7, 1, 3), (7, 18, 0, 3), (6, 3, 0, 2),
    ]:  # fmt: skip
        rng = random.Random(a)
        words = [rng.randrange(1 << width) for _ in range(tables << a)]
        file = f"table{len(cases)}.hex"
        (tmp_path / file).write_text("".join(f"{word:x}\n" for word in words))
        bits = 1 if tables < 3 else 2
        select = [{1: 0, 2: i % 3 % 2, 3: i % 3}[tables] for i in range(COUNT)]
        found = [
            words[(table << a) + (x % (1 << a))]
            for table, x in zip(select, values[f"a{a}"], strict=True)
        ]
        if not unsigned:
            found = [wrapped(word, width) for word in found]
        parameters = {
            "ADDRESS_WIDTH": a, "WIDTH": width, "UNSIGNED": unsigned, "TABLES": tables,
            "SELECT_WIDTH": bits, "FILE": f'"{file}"',
        }  # fmt: skip
        ports = {"en": "en0", "select": f"pick[{bits - 1}:0]", "a": f"a{a}"}
        if tables == 1:
            ports["select"] = "1'b0"
        cases.append(Case("rnnhw_lookup", parameters, ports, width + unsigned, staged(found, en0)))
    check(tmp_path, stimuli, cases)


@simulated
def test_registers(tmp_path, operands):
    stimuli, values, (en0, _) = operands
    cases = [
        Case(
            "rnnhw_register", {"WIDTH": width}, {"en": "en0", "d": f"a{width}"}, width,
            staged(values[f"a{width}"], en0), output="q",
        )
        for width in (1, 8, 48)
    ]  # fmt: skip
    check(tmp_path, stimuli, cases)


# --- memories that are read unit by unit ---------------------------------------------------------
@simulated
def test_constants_unit_by_unit(tmp_path):
    count = 80
    rst = [True, True, *(i == 50 for i in range(2, count))]
    steps = random_bits(count, 9)
    cases = []
    for units, width, unsigned in [(1, 4, 0), (2, 1, 1), (5, 8, 0), (8, 9, 1), (33, 18, 0)]:
        words = [random.Random(i).randrange(1 << width) for i in range(units)]
        file = f"constants{units}.hex"
        (tmp_path / file).write_text("".join(f"{word:x}\n" for word in words))
        unit, found = 0, []
        for reset, step in zip(rst, steps, strict=True):
            unit = 0 if reset else (unit + step) % units
            found.append(words[unit] if unsigned else wrapped(words[unit], width))
        parameters = {"UNITS": units, "WIDTH": width, "UNSIGNED": unsigned, "FILE": f'"{file}"'}
        ports = {"rst": "rst", "next": "next"}
        bits = width + unsigned
        cases.append(Case("rnnhw_unit_rom", parameters, ports, bits, found, output="q"))
    check(tmp_path, {"rst": (1, rst), "next": (1, steps)}, cases)


@simulated
def test_words_unit_by_unit(tmp_path):
    count = 400
    rng = random.Random(4)
    rst = [True, True, *(i == 300 for i in range(2, count))]
    steps, writes = random_bits(count, 9), [False, False, *random_bits(count - 2, 10)]
    cases, stimuli = [], {"rst": (1, rst), "next": (1, steps), "we": (1, writes)}
    for units, width, unsigned in [(1, 4, 0), (2, 1, 1), (5, 8, 0), (8, 9, 1), (33, 18, 0)]:
        given = [rng.randrange(1 << width) for _ in range(count)]
        stimuli[f"d{units}"] = (width + unsigned, given)
        memory, reads, place, found = [None] * units, 0, 0, []
        for reset, step, write, word in zip(rst, steps, writes, given, strict=True):
            reads = 0 if reset else (reads + step) % units
            value = memory[reads]  # what was there before this cycle's write
            found.append(value if unsigned or value is None else wrapped(value, width))
            if write:
                memory[place] = word
                place = (place + 1) % units
            if reset:
                place = 0
        parameters = {"UNITS": units, "WIDTH": width, "UNSIGNED": unsigned}
        ports = {"rst": "rst", "next": "next", "we": "we", "d": f"d{units}"}
        bits = width + unsigned
        cases.append(Case("rnnhw_unit_ram", parameters, ports, bits, found, output="q"))
    check(tmp_path, stimuli, cases)


# --- what the tools say --------------------------------------------------------------------------
MODULES = sorted(VERILOG.glob("*.v"))


def test_every_operation_has_its_file():
    assert {path.stem for path in MODULES} >= set(OPERATIONS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_file_holds_one_module_of_its_name_and_its_licence(path):
    text = path.read_text()
    assert text.startswith("// SPDX-License-Identifier: MIT\n")
    assert "`default_nettype none" in text
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == [path.stem]


def lint(module, **parameters):
    if "parameter FILE" in (VERILOG / f"{module}.v").read_text():
        parameters["FILE"] = '"image.hex"'  # every instance of ours has one
    given = [f"-G{name}={value}" for name, value in parameters.items()]
    return subprocess.run(
        ["verilator", "--lint-only", "-Wall", f"-I{VERILOG}", "--top-module", module, *given,
         str(VERILOG / f"{module}.v")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@linted
@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_verilator_has_no_warning(path):
    found = lint(path.stem)
    assert found.returncode == 0 and found.stderr == ""


@linted
@pytest.mark.parametrize(
    ("module", "parameters"),
    [
        ("rnnhw_add", {"A_WIDTH": 20, "B_WIDTH": 3, "WIDTH": 9, "SUBTRACT": 1}),
        ("rnnhw_multiply", {"WIDTH": 9}),
        ("rnnhw_multiply", {"WIDTH": 40}),
        ("rnnhw_select", {"S_WIDTH": 1, "A_WIDTH": 20, "B_WIDTH": 3, "WIDTH": 9}),
        ("rnnhw_shift", {"A_WIDTH": 20, "BY_WIDTH": 2, "WIDTH": 9}),
        ("rnnhw_shift", {"A_WIDTH": 3, "BY_WIDTH": 6, "WIDTH": 34}),
        ("rnnhw_clamp", {"A_WIDTH": 48, "WIDTH": 8}),
        ("rnnhw_clamp", {"A_WIDTH": 4, "WIDTH": 8}),
        *(
            ("rnnhw_cast", {"DROP": drop, "ROUNDING": mode, "OVERFLOW": mode % 5, "WIDTH": width,
                            "UNSIGNED": mode % 2, "LATENCY": 1 + (drop > 0 and mode > 0)})
            for drop in (-3, 0, 1, 20) for mode in range(8) for width in (1, 40)
            if mode % 5 != 4 or not mode % 2
        ),
        ("rnnhw_cast", {"ROUNDING": 2, "FOLDED": 1, "OVERFLOW": 4}),
        ("rnnhw_cast", {"ROUNDING": 5, "FOLDED": 1, "OVERFLOW": 4, "DROP": 1}),
        ("rnnhw_lookup", {"TABLES": 3, "SELECT_WIDTH": 2, "UNSIGNED": 1}),
        ("rnnhw_unit_ram", {"UNITS": 1, "UNSIGNED": 1}),
        ("rnnhw_unit_rom", {"UNITS": 1, "UNSIGNED": 1}),
    ],
)  # fmt: skip
def test_verilator_has_no_warning_for_other_parameters(module, parameters):
    found = lint(module, **parameters)
    assert found.returncode == 0 and found.stderr == "", found.stderr


@simulated
@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_iverilog_has_no_warning(path, tmp_path):
    found = subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-y", str(VERILOG), "-t", "null", str(path)],
        capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert found.returncode == 0 and found.stdout + found.stderr == ""
