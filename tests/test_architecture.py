"""The rank table of docs/architecture.md against every import, and what may stand where."""

import ast
import graphlib
import inspect
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from helpers.paths import ROOT

import rnnhw
from rnnhw.layers import cells

PACKAGE = Path(rnnhw.__file__).parent
MODULES = {
    ".".join(["rnnhw", *path.relative_to(PACKAGE).with_suffix("").parts]): path
    for path in sorted(p for p in PACKAGE.rglob("*.py*") if p.suffix in {".py", ".pyi"})
}
INNER = [name for name in MODULES if name != "rnnhw.__init__"]

ROW = re.compile(r"^\| (\d+) \| `(\w+)` \|.+\|([^|]*)\|$", re.MULTILINE)
TABLE = ROW.findall((ROOT / "docs" / "architecture.md").read_text())
RANKS = {name: int(rank) for rank, name, _ in TABLE}
NEVER = {name: set(re.findall(r"`(\w+)`", cell)) for _, name, cell in TABLE}

HEAVY = {
    "msgspec": {"cost", "profiles", "report", "conversion", "study"},
    "typer": {"cli"},
    "rich": {"cli", "report"},
    "scipy": {"conversion"},
    "onnx": {"importers"},
    "google": {"importers"},
    "h5py": {"importers"},
    "torch": {"torch"},
    "optuna": {"study"},
    "distributed": {"study"},
}
"""Third-party modules beyond NumPy, and the packages that may import them."""


def package_of(module):
    """The package or single module below ``rnnhw`` that holds a module."""
    return module.split(".")[1]


@cache
def imports(module):
    """Full names of all that a module imports, wherever the statement stands."""
    return tuple(_imports(module))


def _imports(module):
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = full in MODULES or f"{full}.__init__" in MODULES
                yield full if is_module else node.module


def inner_imports(module):
    """Modules of rnnhw that a module imports; a package stands for its ``__init__``."""
    for name in imports(module):
        if name.split(".")[0] == "rnnhw":
            yield name if name in MODULES else f"{name}.__init__"


def test_the_table_names_what_is_there():
    assert sorted(RANKS) == sorted({package_of(name) for name in MODULES})
    assert set().union(*NEVER.values()) <= set(RANKS)


@pytest.mark.parametrize("module", INNER)
def test_imports_go_to_lower_ranks(module):
    package = package_of(module)
    for imported in inner_imports(module):
        other = package_of(imported)
        if other != package:
            assert RANKS[other] < RANKS[package], f"{module} imports {imported}"
            assert other not in NEVER[package], f"{module} imports {imported}"


def test_no_package_holds_a_circle():
    """At every level: a folder's modules and folders can be put in an order."""
    folders = {name.rpartition(".")[0] for name in MODULES}
    for folder in folders:
        depth = folder.count(".") + 1
        graph = {}
        for module in MODULES:
            if not module.startswith(f"{folder}."):
                continue
            child = module.split(".")[depth]
            for imported in inner_imports(module):
                if imported.startswith(f"{folder}."):
                    other = imported.split(".")[depth]
                    if child not in {other, "__init__"}:
                        graph.setdefault(child, set()).add(other)
        tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", INNER)
def test_third_party_modules_stay_in_their_packages(module):
    for imported in imports(module):
        top = imported.split(".")[0]
        if top not in sys.stdlib_module_names | {"rnnhw", "numpy"}:
            assert package_of(module) in HEAVY[top]


@pytest.mark.parametrize("module", [name for name in INNER if package_of(name) != "cli"])
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
            # design.design catches that of a design file
            assert module in {"rnnhw.__main__", "rnnhw.design.design"}


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
    statement = "import rnnhw, rnnhw.execution.golden, rnnhw.execution.simulate"
    mine = {name for name in loaded_after(statement) - known if not name.startswith("_")}
    assert mine == {"rnnhw"}


# --- cells -------------------------------------------------------------------------------------
CELLS = {"elman", "lstm", "gru"} | {
    name
    for name, value in vars(cells).items()
    if inspect.isclass(value) and value.__module__ == cells.__name__ and hasattr(value, "step")
    if name != "Mean"
}
BLIND = [  # sources that must not know a cell
    *(MODULES[name] for name in MODULES if package_of(name) in {"execution", "accelerator"}),
    *(path for path in sorted((ROOT / "ext").glob("*.[chi]*")) if not path.match("_*.c")),
    *sorted((ROOT / "ext").glob("*.pyx")),
]


def test_there_are_cells_and_sources_that_must_not_know_them():
    assert {"elman", "Elman", "Linear"} <= CELLS
    assert len(BLIND) > 10


@pytest.mark.parametrize("path", BLIND, ids=lambda path: path.name)
def test_no_cell_is_named_where_steps_are_run_or_built(path):
    text = path.read_text()
    for name in CELLS:
        flags = re.IGNORECASE if name.islower() else 0
        assert not re.search(rf"\b{name}\b", text, flags), name


def test_the_extension_imports_nothing_from_the_package():
    sources = [path for path in (ROOT / "ext").iterdir() if path.suffix in {".pyx", ".pxi"}]
    assert len(sources) >= 3
    for source in sources:
        assert not re.findall(r"(?:from|import) (rnnhw[\w.]*)", source.read_text()), source
