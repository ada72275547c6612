"""The tables of the documents hold what the code does: computed here cell by cell."""

import re
from dataclasses import fields
from signal import SIGINT
from typing import get_args

import numpy as np
import pytest
from helpers.pages import blocks, tables
from helpers.paths import ROOT

import rnnhw
from rnnhw import Formats, Overflow, Q, Rounding
from rnnhw.accelerator.schedule import bubbles
from rnnhw.cli.entry import _DEFECT as DEFECT
from rnnhw.cost.figure import Status
from rnnhw.cost.figure_table import ROWS
from rnnhw.design.schedule import SCHEDULES
from rnnhw.errors import DesignError, UsageError
from rnnhw.numerics.cast import cast

DOCS = ROOT / "docs"


def code(cell):
    """The text of a cell in backquotes."""
    return cell.strip("`")


# --- arithmetic --------------------------------------------------------------------------------
def numbers(row, columns):
    return [float(row[column]) for column in columns]


def test_the_rounding_table_is_that_of_the_cast():
    (rows,) = tables(DOCS / "arithmetic.md", "rounding")
    assert [code(row["rounding"]) for row in rows] == [mode.value for mode in Rounding]
    values = [name for name in rows[0] if re.fullmatch(r"-?[\d.]+", name)]
    assert len(values) == 8
    for row in rows:
        to = Q(4, 0, rounding=code(row["rounding"]))
        assert numbers(row, values) == [cast(int(float(v) * 4), 2, to)[0] for v in values]


def test_the_overflow_table_is_that_of_the_cast():
    (rows,) = tables(DOCS / "arithmetic.md", "overflow")
    assert {code(row["overflow"]) for row in rows} == {mode.value for mode in Overflow}
    values = [name for name in rows[0] if re.fullmatch(r"-?\d+", name)]
    assert len(values) == 7
    for row in rows:
        to = Q(2, 0, overflow=code(row["overflow"]))
        assert numbers(row, values) == [cast(int(v), 0, to)[0] for v in values]
        events = cast(5, 0, to)[1]
        assert row["event"] == ("wrapped" if events.wraps else "clipped")


def test_the_table_of_formats_is_that_of_q():
    (rows,) = tables(DOCS / "arithmetic.md", "written")
    assert len(rows) >= 6
    for row in rows:
        q = eval(code(row["written"]), {"Q": Q})
        assert int(row["width, bits"]) == q.width
        assert (float(row["smallest"]), float(row["largest"])) == (q.min * q.step, q.max * q.step)
        assert eval(row["step"]) == q.step


# --- schedules ---------------------------------------------------------------------------------
def test_the_table_of_schedules_lists_all_options_with_what_they_set():
    (rows,) = tables(DOCS / "schedules.md", "option, argument")
    listed = set()
    for row in rows[1:]:  # the first one is the default
        option, argument = map(code, row["option, argument"].split(", ", 1))
        name, _, value = argument.partition("=")
        assert option.split()[0] == f"--{name.replace('_', '-')}"
        example = eval(value, {"K": 3})
        assert rnnhw.Target("ecp5-25", **{name: example}).arrangement.special == (name,)
        listed.add(name)
    assert listed == set(SCHEDULES)


# --- layers ------------------------------------------------------------------------------------
(LAYERS,) = tables(DOCS / "cells.md", "layer", "tensors")
WIDE = Q(3, 6)
NAMES = {name: getattr(rnnhw, name) for name in dir(rnnhw)}
"""What a page may write: the public names."""


def layer_of(row):
    return eval(code(row["layer"]), {**NAMES, "u": 3})


def network(row, roles):
    design = rnnhw.Design(
        [layer_of(row)], Formats(**dict.fromkeys(roles, WIDE)), inputs=2, max_steps=9
    )
    return design.network


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row["layer"])
def test_the_tensors_of_a_layer_are_those_of_the_table(row):
    described = {}
    for key, shape in re.findall(r"([\w.]+) \(([^)]*)\)", row["tensors"]):
        sizes = [re.sub(r"(\d)u", r"\1*u", size) for size in shape.split(",")]
        described[f"{code(row['default name'])}.{key}"] = tuple(
            eval(size, {"u": 3, "m": 2}) for size in sizes
        )
    roles = row["roles that need a format"].split(", ")
    assert {tensor.key: tensor.shape for tensor in network(row, roles).tensors} == described


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row["layer"])
def test_a_layer_needs_the_roles_of_the_table_and_no_other(row):
    roles = row["roles that need a format"].split(", ")
    for missing in roles:
        with pytest.raises(DesignError, match="no format"):
            network(row, [role for role in roles if role != missing])


CELLS = [row for row in LAYERS if code(row["layer"]).endswith("(u)") or "5" in row["layer"]]


@pytest.mark.parametrize("row", CELLS, ids=lambda row: row["layer"])
def test_the_docstring_of_a_cell_names_the_roles_of_the_table(row):
    (needed,) = re.findall(r"Needs (?:a format|formats) of ([^.;]*)", type(layer_of(row)).__doc__)
    roles = row["roles that need a format"].split(", ")
    assert re.findall(r"``(\w+)``", needed) == [role for role in roles if role != "input"]


def test_the_casts_of_the_cells_are_those_of_the_table():
    (rows,) = tables(DOCS / "cells.md", "cell", "signal: role")
    needed = {code(row["layer"]).partition("(")[0]: row for row in reversed(LAYERS)}
    every = [f.name for f in fields(Formats) if "scale" not in f.name]
    for row in rows:
        layer = needed[code(row["cell"])]
        (scan,) = network(
            layer,
            [role for role in every if role not in ("product", "accumulator", "recurrent_sum")],
        ).scans
        described = {
            code(signal): role
            for group in row["signal: role"].split("; ")
            for signal in group.partition(": ")[0].split(", ")
            for role in [group.partition(": ")[2]]
        }
        casts = {
            node.name: node.role
            for node in scan.graph.nodes
            if type(node).__name__ in ("Cast", "Lookup")
        }
        assert casts == described


def test_every_cell_and_structure_of_the_package_is_on_a_page():
    page = (DOCS / "layers.md").read_text() + (DOCS / "cells.md").read_text()
    from rnnhw.layers import cells, structures

    inner = {"Elementary", "Projection", "Row", "Structure", "Layer", "Sum", "Product"}
    inner |= {"ButterflyStage", "FastWalshHadamard", "InterleavedBlocks", "WalshHadamardStage"}
    for name in {*cells.__all__, *structures.__all__} - inner:
        assert re.search(rf"`{name}\b", page), name


STORED = [
    ("Dense()", 3, 4), ("Banded(1, 2)", 4, 4), ("CyclicBand(1, 1)", 4, 4), ("Diagonal()", 4, 4),
    ("Toeplitz()", 3, 4), ("Circulant()", 4, 4), ("Hadamard()", 4, 4),
]  # fmt: skip


@pytest.mark.parametrize(("structure", "r", "c"), STORED)
def test_a_structure_is_stored_as_the_table_says(structure, r, c):
    (rows,) = tables(DOCS / "layers.md", "structure", "keys and shapes")
    made = eval(structure, NAMES)
    kind = type(made).__name__
    (row,) = [row for row in rows if row["structure"].startswith(f"`{kind}(")]
    parameters = made.project(np.random.default_rng(3).normal(size=(r, c))).parameters
    scope = {"r": r, "c": c, "n": r, "lower": 1, "upper": getattr(made, "upper", 0)}
    for key, shape in re.findall(r"`U(\.\w+)?` (\([^)]*\))", row["keys and shapes"]):
        assert parameters[key].shape == eval(shape, scope), key
    entry = re.match(r"`(U\[[^`]*)`", row["entry from j to i"])
    if entry is None:
        return
    formula = entry[1].replace("modulo", "%")
    for i, j in np.argwhere(made.full({k: v + 1 for k, v in parameters.items()}, r, c)):
        places = {**scope, "i": int(i), "j": int(j), "d": (i - j + 1) % r - 1, "U": parameters[""]}
        assert eval(formula, places) == made.full(parameters, r, c)[i, j]


# --- figures -----------------------------------------------------------------------------------
def test_the_table_of_a_reports_figures_is_that_of_the_code():
    (rows,) = tables(DOCS / "reports.md", "figure", "bound")
    shown = {}
    for row in rows:
        name, definition, source = re.fullmatch(
            r"\*\*(.*)\*\*: (.+)\. From (.+)", row["what it is"]
        ).groups()
        assert definition and source
        assert row["bound"] in ("", "at least", "at most")
        shown[code(row["figure"])] = (name, row["unit"], row["better"])
    assert shown == {key: (row.name, row.unit, row.better or "") for key, row in ROWS.items()}


def test_the_statuses_of_figures_are_those_of_the_code():
    (rows,) = tables(DOCS / "reports.md", "status", "meaning")
    assert sorted(row["status"] for row in rows) == sorted(get_args(Status))


@pytest.mark.parametrize("name", ["adder_three_neurons", "linear_recurrence"])
def test_the_figures_of_simulate_and_verify_are_those_of_the_table(name):
    (rows,) = tables(DOCS / "reports.md", "figure", "command")
    listed = {command: set() for command in ("simulate", "verify")}
    for row in rows:
        for command in listed:
            if row["command"] in ("both", command):
                listed[command] |= set(map(code, row["figure"].split(", ")))
    task = {"adder_three_neurons": {"operand_bits": 3}, "linear_recurrence": {}}[name]
    design = rnnhw.load(ROOT / "designs" / f"{name}.py", task)
    run = rnnhw.simulate(design)
    counts = dict(run.counts.flat())
    assert set(run.figures()) - set(counts) <= listed["simulate"]
    verified = {figure for figure in rnnhw.verify(design).figures() if "." not in figure}
    assert verified <= listed["verify"]
    other = {"accuracy", "ties"} if name == "linear_recurrence" else {"nrmse", "r2"}
    absent = {"stuck_units"} if "stuck_units" not in verified else set()
    assert {
        f for f in listed["verify"] - verified - absent if not any(o in f for o in other)
    } == set()


def test_the_exit_codes_are_those_of_the_code():
    (rows,) = tables(DOCS / "reports.md", "code", "meaning")
    codes = [int(row["code"]) for row in rows]
    assert codes == [0, 1, UsageError.exit_code, DesignError.exit_code, DEFECT, 128 + SIGINT]


def test_the_bubbles_of_the_lanes_are_those_of_the_code():
    (rows,) = tables(DOCS / "reports.md", "column", "cycles")
    described = [row["column"] for row in rows]
    assert described == [
        "columns",
        *re.findall(r"^\| ([a-z][a-z -]+) \| ", bubbles.__doc__, re.M)[1:],
    ]


def test_every_public_name_is_in_the_reference():
    listed = re.findall(r"^::: (?:rnnhw\.)+([\w.]+)", (DOCS / "api.md").read_text(), re.MULTILINE)
    names = {name.rpartition(".")[2] for name in listed}
    assert set(rnnhw.__all__) - {"__version__"} <= names


# --- profiles ----------------------------------------------------------------------------------
def test_the_profiles_of_the_page_load_and_give_a_report(tmp_path):
    shown = blocks(DOCS / "profiles.md", "toml")
    assert len(shown) == 2
    design = rnnhw.load(ROOT / "designs" / "adder_tridiagonal.py")
    for number, text in enumerate(shown):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        assert rnnhw.estimate(design, profile=str(file)).fits is True
    (rows,) = tables(DOCS / "profiles.md", "status", "use it for")
    known = set(get_args(Status)) - {"not known", "not used"}
    assert {code(row["status"]) for row in rows} == known
