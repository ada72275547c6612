"""Design files that import modules beside them."""

import sys

import pytest
from helpers.paths import DESIGNS

from rnnhw import DesignError, load, sweep

DESIGN = f'''"""An adder of as many units as common.py says."""

from common import HIDDEN

from rnnhw import load


def design(word=8):
    settings = {{"word": word, "hidden": HIDDEN, "operand_bits": 3}}
    return load("{DESIGNS / "adder_tridiagonal.py"}", settings).with_formats({{}})
'''


def folder(place, units):
    place.mkdir()
    (place / "adder.py").write_text(DESIGN)
    (place / "common.py").write_text(f"HIDDEN = {units}\n")
    return place / "adder.py"


def units(file):
    return load(file).network.scan_of("rnn.state").graph.output.units


def test_each_folder_has_its_own_module_and_a_changed_one_is_read(tmp_path):
    known, path = set(sys.modules), list(sys.path)
    one, other = folder(tmp_path / "one", 4), folder(tmp_path / "other", 8)
    assert [units(one), units(other), units(one)] == [4, 8, 4]
    (one.parent / "common.py").write_text("HIDDEN = 8\n")  # as long, in the same second
    assert units(one) == 8
    assert load(one).siblings == (one.parent / "common.py",)
    assert one.parent / "common.py" in load(one).files
    assert "common" not in set(sys.modules) - known and sys.path == path
    assert not list(one.parent.glob("__pycache__"))


def test_a_design_that_loads_another_keeps_its_own_module(tmp_path):
    inner = folder(tmp_path / "inner", 8)
    outer = tmp_path / "outer.py"
    (tmp_path / "common.py").write_text("HIDDEN = 4\n")
    outer.write_text(
        '"""Loads a design whose module has the same name."""\n'
        "from common import HIDDEN\nfrom rnnhw import load\n\n\n"
        f'def design():\n    found = load("{inner}")\n    import common\n'
        "    assert common.HIDDEN == HIDDEN == 4\n    return found\n"
    )
    assert units(outer) == 8
    assert load(outer).siblings == (inner.parent / "common.py", tmp_path / "common.py")


def test_processes_find_the_module_and_a_change_of_it_is_another_point(tmp_path):
    file = folder(tmp_path / "one", 4)
    vary = {"word": [4, 6]}
    alone = sweep(file, vary, objectives=["stored_bits"], workers=1)
    assert not alone.failed
    several = sweep(file, vary, objectives=["stored_bits"], workers=2)
    assert several.results == alone.results
    (file.parent / "common.py").write_text("HIDDEN = 8\n")
    changed = sweep(file, vary, objectives=["stored_bits"], workers=1)
    assert {each.key for each in changed.points}.isdisjoint(each.key for each in alone.points)


def test_a_module_that_fails_is_told_and_leaves_no_trace(tmp_path):
    file = folder(tmp_path / "one", "1 / 0")
    with pytest.raises(DesignError, match=r"adder.py: line 3: ZeroDivisionError"):
        load(file)
    assert str(file.parent) not in sys.path and "common" not in sys.modules
