"""The rooms of the house: imports run downwards, and what may stand where."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rnnhw
from rnnhw import cells

PACKAGE = Path(rnnhw.__file__).parent
ROOT = PACKAGE.parent

GROUND = [
    ["errors"],
    ["arguments", "checks", "files", "numerics"],
    ["tables", "arrangement", "matrix"],
    ["dataflow"],
    ["activations"],
    ["structures"],
    ["network"],
    ["counts", "weights", "run", "reach", "storage"],
    ["cells", "tasks"],
    ["design"],
]
WEST = [
    ["products"],
    ["plan"],
    ["golden", "engine", "reference"],
    ["simulation"],
    ["verification"],
    ["analysis"],
]
EAST = [
    ["profiles", "machine", "costreport"],
    ["placement", "processor", "energy", "wordlengths", "reportchecks", "savedreports"],
    ["timeline", "planner", "costcomparison"],
    ["chooser"],
    ["cost"],
]
HALL = [["rtl"]]
ROOF = [
    ["report", "sweep", "comparison", "importers", "jordan", "emitter"],
    ["sidebyside", "synthesis"],
    ["cli"],
    ["__main__"],
]
"""Rooms by floor; those that do not exist yet have their place already. A room imports from the
floors below; the wings do not see each other. The hall joins them: hardware that computes what
golden defines (west), whose resources a cost counts (east)."""

FLOORS = [*GROUND, *WEST, EAST[0], *HALL, *EAST[1:], *ROOF]
OUTSIDE = {"numpy", "msgspec", "typer", "rich", "scipy"}
HEAVY = {
    "msgspec": ["costreport", "costcomparison", "savedreports", "profiles", "report", "importers"],
    "typer": ["cli"],
    "rich": ["cli", "report"],
    "scipy": ["jordan"],
}
"""Third-party modules beyond NumPy, and the rooms that may import them."""

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room(module):
    return module.split(".")[0]


def height(name):
    return next(floor for floor, rooms in enumerate(FLOORS) if name in rooms)


def wing(name):
    return next(
        (side for side, floors in (("west", WEST), ("east", EAST)) if [name] in floors
         or any(name in rooms for rooms in floors)),
        None,
    )  # fmt: skip


def imports(path):
    """Full names of what a module imports when it runs (not for type checking alone)."""
    tree = ast.parse(path.read_text())
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            if node.module == "rnnhw":
                yield from (f"rnnhw.{alias.name}" for alias in node.names)
            else:
                yield node.module


INNER = [name for name in MODULES if name != "__init__"]


@pytest.mark.parametrize("module", INNER)
def test_every_module_has_a_room(module):
    assert any(room(module) in rooms for rooms in FLOORS)


@pytest.mark.parametrize("module", INNER)
def test_imports_run_one_way_downwards(module):
    for imported in imports(MODULES[module]):
        if not imported.startswith("rnnhw.") or imported == "rnnhw.__version__":
            continue
        other = imported.split(".")[1]
        if other == "_engine":
            assert room(module) == "engine"
        elif other != room(module):
            assert height(other) < height(room(module)), f"{module} imports {imported}"
            assert {wing(other), wing(room(module))} != {"west", "east"}


@pytest.mark.parametrize("module", INNER)
def test_third_party_modules_stay_in_their_rooms(module):
    for imported in imports(MODULES[module]):
        top = imported.split(".")[0]
        if top in sys.stdlib_module_names or top == "rnnhw":
            continue
        assert top in OUTSIDE
        assert top == "numpy" or room(module) in HEAVY[top]


@pytest.mark.parametrize("module", [name for name in INNER if room(name) != "cli"])
def test_only_the_command_line_prints_reads_arguments_or_exits(module):
    tree = ast.parse(MODULES[module].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "input", "exit", "quit", "breakpoint"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {
                ("sys", name) for name in ("argv", "exit", "stdout", "stderr", "stdin")
            } | {("os", "_exit")}
        if isinstance(node, ast.Name) and node.id == "SystemExit":
            assert module in {"__main__", "design"}  # design catches a design file's


def test_the_package_itself_only_gathers_names():
    for imported in imports(MODULES["__init__"]):
        if imported in {"typing", "importlib"}:
            continue  # what is heavy is gathered when it is used
        assert imported.startswith("rnnhw.")
        assert not wing(imported.split(".")[1]) or imported.split(".")[1] in {
            "simulation", "verification", "cost", "costreport", "costcomparison", "profiles",
            "machine",
        }  # fmt: skip


def loaded_after(statement):
    code = f"import sys; {statement}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert found.stderr == ""
    return set(found.stdout.split())


def test_importing_rnnhw_and_simulating_load_numpy_alone():
    known = loaded_after("import numpy, numpy.random") | sys.stdlib_module_names
    statement = "import rnnhw, rnnhw.engine, rnnhw.golden"
    if (PACKAGE / "simulation.py").exists():
        statement += ", rnnhw.simulation"
    mine = {name for name in loaded_after(statement) - known if not name.startswith("_")}
    assert mine == {"rnnhw"}


def test_every_public_name_is_there():
    assert all(hasattr(rnnhw, name) for name in rnnhw.__all__)
    assert sorted(rnnhw.__all__) == sorted(set(rnnhw.__all__))


# --- cells -------------------------------------------------------------------------------------
CELLS = {"elman", "lstm", "gru"} | {
    name
    for name, value in vars(cells).items()
    if inspect.isclass(value) and hasattr(value, "step") and name != "Mean"
}
BLIND = [
    *(MODULES[name] for name in MODULES if room(name) in {"plan", "engine", "machine", "golden"}),
    *(path for path in sorted((ROOT / "ext").glob("*.[chi]*")) if path.name != "_engine.c"),
    *sorted((ROOT / "ext").glob("*.pyx")),
]


def test_there_are_cells_and_rooms_that_must_not_know_them():
    assert {"elman", "Elman", "Linear"} <= CELLS
    assert len(BLIND) > 10


@pytest.mark.parametrize("path", BLIND, ids=lambda path: path.name)
def test_no_cell_is_named_where_steps_are_run_or_built(path):
    text = path.read_text()
    for name in CELLS:
        flags = re.IGNORECASE if name.islower() else 0
        assert not re.search(rf"\b{name}\b", text, flags), name


def test_the_extension_imports_nothing_but_layouts_from_the_package():
    text = "".join(path.read_text() for path in sorted((ROOT / "ext").glob("*.pyx")))
    assert set(re.findall(r"(?:from|import) (rnnhw[\w.]*)", text)) <= {"rnnhw.plan"}
