"""The public names: all there, found by dir() and help(), and imported only when used."""

import pydoc
import re
import shutil
import subprocess
import sys

import pytest
from helpers.paths import ROOT

import rnnhw

VERBS = [
    "simulate", "verify", "estimate", "compare", "emit", "synth", "jordan_form", "import_network",
    "load", "prove", "analyze", "sweep", "quantize", "simulate_batch",
]  # fmt: skip
RESULTS = [
    "Comparison", "Emitted", "ImportedDesign", "JordanForm", "Report",
    "Simulation", "Synthesis", "Verification",
]  # fmt: skip


def run(code, **options):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False,
        **options,
    )  # fmt: skip


def test_every_public_name_is_there():
    assert all(hasattr(rnnhw, name) for name in rnnhw.__all__)
    assert sorted(rnnhw.__all__) == sorted(set(rnnhw.__all__)) == dir(rnnhw)
    assert {*VERBS, *RESULTS, "profiles", "report", "profile_names"} <= set(rnnhw.__all__)


def test_a_public_name_is_that_of_its_module():
    from rnnhw.commands.run import simulate
    from rnnhw.execution.simulate import Simulation

    assert rnnhw.simulate is simulate and rnnhw.Simulation is Simulation
    assert rnnhw.report.to_html.__module__ == "rnnhw.report.html"
    assert "ice40up5k" in rnnhw.profile_names()


def test_help_shows_the_verbs_and_the_results():
    text = pydoc.plain(pydoc.render_doc(rnnhw))
    for name in VERBS:
        assert re.search(rf"^    {name}\(", text, re.MULTILINE), name
    for name in RESULTS:
        assert re.search(rf"^    class {name}\(", text, re.MULTILINE), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rnnhw' has no attribute 'simulat'"):
        rnnhw.simulat  # noqa: B018


def test_importing_rnnhw_loads_nothing_that_is_not_used():
    asked = run("import rnnhw, sys; print('numpy' in sys.modules, 'rnnhw.design' in sys.modules)")
    assert asked.stdout.split() == ["False", "False"], asked.stderr


def test_a_renderer_of_reports_is_imported_when_it_is_used():
    loaded = "'rnnhw.cost' in sys.modules"
    code = f"import sys, rnnhw.cli.prove; print({loaded}); rnnhw.report.to_json; print({loaded})"
    assert run(code).stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="has no attribute 'to_nothing'"):
        _ = rnnhw.report.to_nothing
    assert sorted(rnnhw.report.__all__) == sorted(rnnhw.report._HOMES)


def test_a_source_tree_that_is_not_built_says_what_to_do(tmp_path):
    shutil.copytree(
        ROOT / "rnnhw",
        tmp_path / "rnnhw",
        ignore=shutil.ignore_patterns("*.so", "*.pyd"),
    )
    failed = run("import rnnhw", cwd=tmp_path)
    last = failed.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: the rnnhw in {tmp_path.resolve()} is not built: run")
