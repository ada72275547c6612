"""``rnnhw sweep``: every format tells the same points."""

import csv
import html.parser
import io
import json
import shutil

import pytest
from helpers.paths import DESIGNS
from helpers.schemas import valid

from rnnhw import load
from rnnhw.cli import main
from rnnhw.cli.options import listed
from rnnhw.errors import UsageError
from rnnhw.study.sweep.document import sweep_schema
from rnnhw.version import __version__

COMMAND = "sweep"
FILES = [DESIGNS / "adder_dense.py", DESIGNS / "adder_tridiagonal.py"]
SWEEP = [*map(str, FILES), "--vary", "word=4:6:2", "--set", "operand_bits=3", "--set", "hidden=4"]
OBJECTIVES = [f"--objective={name}" for name in ("accuracy", "stored_bits", "step_latency_us")]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    log = ["--log", str(folder / "log")]

    def run(suffix):
        place = folder / f"out{suffix}"
        assert main(["sweep", *SWEEP, *OBJECTIVES, *log, "--workers", "1", "-o", str(place)]) == 0
        return place.read_text()

    return run


def test_every_format_has_the_same_points(shown):
    data = json.loads(shown(".json"))
    assert data["$schema"] == "urn:rnnhw:schema:sweep:1" == sweep_schema()["$id"]
    assert data["rnnhw_version"] == __version__
    valid(data, sweep_schema)
    assert [each["name"] for each in data["objectives"]] == [
        "accuracy",
        "stored_bits",
        "step_latency_us",
    ]
    points = data["points"]
    assert [(each["design"], each["values"]["word"]) for each in points] == [
        (file.name, word) for file in FILES for word in (4, 6)
    ]
    rows = list(csv.DictReader(io.StringIO(shown(".csv"))))
    by_place = {(row["design"], row["word"]): row for row in rows}
    for each in points:
        row = by_place[each["design"], str(each["values"]["word"])]
        assert float(row["accuracy"]) == each["figures"]["accuracy"]
        assert row["front"] == str(each["front"]) and row["command"] == each["command"]
    text, markdown = shown(".txt"), shown(".md")
    for each in points:
        bits = f"{each['figures']['stored_bits']:,}"
        assert bits in text and bits in markdown
    assert text.count("*  ") == sum(each["front"] for each in points)


def test_the_page_needs_nothing_else_and_says_every_point(shown):
    page = shown(".html")
    assert page.isascii() and "<script" not in page and "http" not in page
    assert len(page) < 60_000
    titles = []

    class Reader(html.parser.HTMLParser):
        def handle_data(self, data):
            titles.append(data)

    reader = Reader()
    reader.feed(page)
    reader.close()
    words = "\n".join(titles)
    for name in ("adder_dense word=4", "adder_tridiagonal word=6"):
        assert name in words
    assert page.count('class="dot') >= 4 and page.count("rnnhw report ") == 4
    assert page.count('class="series') >= 2 and "95 % interval" in words
    # A point that is not on the front is an empty circle: its line must be seen, whatever a rule
    # with more names says of all points.
    for index in range(8):
        assert f".hollow.d{index} {{ stroke: var(--c{index})" in page


def test_ranges_have_both_ends():
    assert listed("--vary", ["word=4:12"]) == {"word": [str(n) for n in range(4, 13)]}
    assert listed("--vary", ["word=1,4:8:2,-2:0"])["word"] == ["1", "4", "6", "8", "-2", "-1", "0"]
    assert listed("--vary", ["name=a:b"]) == {"name": ["a:b"]}
    for wrong in ("4:2", "1:9:0", "0:99999999"):
        with pytest.raises(UsageError, match="no range"):
            listed("--vary", [f"word={wrong}"])


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (2, ["--sampler", "best"], "unknown sampler"),
        (2, ["--objective", "best"], "more or less of it"),
        (2, ["--vary", "width=3"], "width"),
        (2, ["-o", "page.pdf"], ".pdf"),
        (3, ["--log", __file__], "no log"),
    ],
)
def test_what_cannot_be_swept_is_told(refused, code, arguments, said):
    assert said in refused(code, *FILES, "--set", "operand_bits=3", *arguments)


def test_it_writes_over_no_file_that_it_reads(refused, tmp_path):
    design = tmp_path / FILES[0].name
    shutil.copy(FILES[0], design)
    for weights in load(FILES[0]).files[1:]:
        shutil.copy(weights, tmp_path)
    read = load(design).files
    assert len(read) > 1
    for file in read:
        for option in ("-o", "--log", "--optuna-storage"):
            said = refused(2, design, option, file, "--format", "text")
            assert "this run reads that file" in said
