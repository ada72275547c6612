"""The lists of files in docs/extending.md name files that exist, and leave out no table."""

import re

import pytest
from helpers.pages import tables
from helpers.paths import ROOT

PAGE = ROOT / "docs" / "extending.md"
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!^## ).*\n)*)", PAGE.read_text(), re.MULTILINE))
ROWS = [row for rows in tables(PAGE, "file", "what to write") for row in rows]


def files(section):
    """The files of a section's list, those that are new included."""
    return set(re.findall(r"^\| `([^`]+)`", SECTIONS[section], re.MULTILINE))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_a_listed_file_exists_and_a_new_one_has_neighbours(row):
    name, new = re.fullmatch(r"`([^`]+)`( \(new\))?", row["file"]).groups()
    assert row["what to write"]
    if new:
        assert list((ROOT / name).parent.glob((ROOT / name).name.replace("NAME", "*")))
    else:
        assert (ROOT / name).is_file()


def test_every_section_lists_files():
    assert len(SECTIONS) >= 12
    assert [section for section in SECTIONS if not files(section)] == []


def naming(pattern, *folders):
    """The source files in which a pattern occurs."""
    suffixes = {".py", ".pyi", ".h", ".inc", ".c"}
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and re.search(pattern, path.read_text())
    }


def test_the_lists_of_an_operation_have_every_table_of_operations():
    tables_of_operations = naming(r"= operation_table\(|^    operation_table\($", "rnnhw")
    assert len(tables_of_operations) >= 7
    elementwise = files("An operation of the step graph")
    # A table with the rows of graph/elementwise.py in it has every elementwise operation.
    shares_rows = naming(r"\*\*(ELEMENTWISE|ARRAY_STEPS)\b|dict\.fromkeys\(ELEMENTWISE\b", "rnnhw")
    assert len(shares_rows & tables_of_operations) >= 7
    assert tables_of_operations - shares_rows <= elementwise
    assert tables_of_operations <= elementwise | files("An operation that is not elementwise")
    assert len(elementwise) <= 12


def test_the_list_of_an_operation_has_every_file_that_knows_a_module_of_one():
    known = naming(r'"rnnhw_select"', "rnnhw")
    assert len(known) >= 3
    assert known <= files("An operation of the step graph")


def test_the_list_of_a_schedule_has_every_file_that_knows_one():
    known = naming(r"\bsteps_in_parallel\b", "rnnhw")
    assert len(known) >= 5
    assert known <= files("A schedule")
    assert len(files("A schedule")) <= 7


def test_the_list_of_a_feed_has_every_file_that_tells_feeds_apart():
    known = naming(r"\bFeed\.(CYCLIC|DIAGONALS|SELECTION|STRIDE)\b", "rnnhw")
    assert len(known) >= 4
    assert known <= files("A feed of the lanes")


def test_the_list_of_an_instruction_set_has_every_file_that_knows_one():
    known = naming(r"kernels_avx2", "ext") - {"ext/_engine.c"}
    assert {"ext/dispatch.c", "ext/kernels.h"} <= known
    listed = files("An instruction set")
    assert known - {"ext/kernels_avx2.c"} <= listed
