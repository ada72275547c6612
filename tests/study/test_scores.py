"""Comparisons: every column against the command or module that says the same alone."""

import math

import numpy as np
import pytest
from helpers.paths import DESIGNS

from rnnhw import DesignError, UsageError, estimate, load
from rnnhw.design.tasks import Samples
from rnnhw.execution.engine import _engine
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import verify
from rnnhw.graph.network import Total
from rnnhw.graph.nodes import Lookup
from rnnhw.report.comparison.model import DESIGN_FIGURES
from rnnhw.study import scores as comparison
from rnnhw.study.compare import compare
from rnnhw.study.scores import evaluate

FILES = sorted(DESIGNS.glob("*.py"))
DENSE, DIAGONAL, HADAMARD, TRIDIAGONAL = (
    DESIGNS / f"adder_{name}.py" for name in ("dense", "diagonal", "hadamard", "tridiagonal")
)
SPEAKER, WINDOW = DESIGNS / "speaker_tridiagonal.py", DESIGNS / "speaker_window.py"
SMALL = {"operand_bits": 3}

DESIGN = '''"""Give back what is read."""
import numpy as np
from rnnhw import *


def design(units=2, recurrent="diagonal", given=True, outputs=1, tasked=True, scale=0.5):
    structure = {"diagonal": Diagonal(), "sparse": Sparse(1, 2)}[recurrent]
    rng = np.random.default_rng(1)
    weights = {
        "rnn.W": rng.uniform(-1, 1, (units, 1)), "rnn.b": np.zeros(units),
        "rnn.U": np.eye(units) if recurrent == "sparse" else np.full(units, scale),
        "head.W": rng.uniform(-1, 1, (outputs, units)), "head.b": np.zeros(outputs),
    }
    return Design(
        task=Regression("echo.npz", standardise=False) if tasked else None, inputs=1,
        layers=[Elman(units, recurrent=structure, name="rnn"), Linear(outputs, name="head")],
        formats=Formats(input=Q(0, 7), weight=Q(1, 6), state=Q(0, 7), sum=Q(2, 5)),
        weights=weights if given else None,
    )
'''


@pytest.fixture
def echo(tmp_path):
    """A design with a task whose answers are real numbers."""
    path = tmp_path / "echo.py"
    path.write_text(DESIGN)
    x = np.random.default_rng(0).uniform(-0.9, 0.9, (10, 4, 1))
    np.savez(tmp_path / "echo.npz", train_x=x, train_y=x, test_x=x, test_y=x)
    return path


class RunError(Exception):
    """A kernel was about to run."""


@pytest.fixture
def no_kernel(monkeypatch):
    """Whatever would run a network fails."""

    def refuse(*arguments, **more):
        raise RunError

    monkeypatch.setattr(_engine, "Program", refuse)
    monkeypatch.setattr(comparison, "run_reference", refuse)


# --- costs -------------------------------------------------------------------------------------
def test_without_a_simulation_nothing_runs_and_no_weights_are_read(no_kernel, tmp_path):
    alone = tmp_path / "adder_dense.py"  # without its weights file
    alone.write_text(DENSE.read_text())
    result = compare([alone, *FILES])
    assert len(result.columns) == len(FILES) + 1
    assert [row.name for row in result.rows] == list(DESIGN_FIGURES)
    assert not result.measures and not result.on_hardware and result.baseline is None
    with pytest.raises(RunError):
        compare([DENSE], SMALL, simulate=True)
    with pytest.raises(DesignError, match=r"adder_dense\.npz: no such file"):
        compare([alone], simulate=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_costs_are_those_of_report_and_of_the_run(file):
    (row,) = evaluate([file])
    costs = row.costs
    report = estimate(row.design, "cortex-m4")
    totals = report.totals
    stored = [totals.weight_bits, totals.bias_bits, totals.state_bits]
    names = ["weight_bits", "bias_bits", "state_bits"]
    assert [costs[name] for name in names] == [figure.value for figure in stored]
    # Flash holds equal tables once, a network has one for each layer.
    tables = [
        (scan.name, node.table)
        for scan in row.design.network.scans
        for node in scan.graph.nodes
        if isinstance(node, Lookup)
    ]
    by_layer = {(layer, table.contents): table.stored_bits for layer, table in tables}
    once = {table.contents: table.stored_bits for _, table in tables}
    assert costs["table_bits"] == sum(by_layer.values())
    assert totals.table_bits.value == sum(once.values())
    assert costs["stored_bits"] == sum(costs[name] for name in [*names, "table_bits"])
    samples = row.design.task.samples()
    few = Samples(samples.x[:3], samples.lengths[:3])
    counts = simulate(row.design, samples=few).run.counts
    once = {layer.name for layer in report.layers if layer.runs == "once a sequence"}
    each = dict.fromkeys(("multiplies", "adds"), 0)
    for node in row.design.network.nodes:
        if node.name not in counts or node.name in once:
            continue
        timed = node.sources[0] if isinstance(node, Total) else node
        steps = sum(timed.steps_for(length) for length in few.lengths.tolist())
        for name in each:
            count, rest = divmod(getattr(counts[node.name], name), steps)
            assert rest == 0
            each[name] += count
    assert each == {name: costs[f"{name}_per_step"] for name in each}


@pytest.mark.parametrize("file", [DENSE, DIAGONAL, HADAMARD, TRIDIAGONAL, SPEAKER, WINDOW])
def test_storage_is_also_what_the_accelerator_stores(file):
    (row,) = evaluate([file])
    totals = estimate(row.design).totals
    stored = [totals.weight_bits, totals.bias_bits, totals.table_bits, totals.state_bits]
    assert row.costs["stored_bits"] == sum(figure.value for figure in stored)


@pytest.mark.parametrize(
    ("file", "recurrent", "weights", "reach"),
    [
        (DENSE, 256, 256 + 32 + 16, 1),
        (TRIDIAGONAL, 46, 46 + 32 + 16, 15),
        (HADAMARD, 32, 32 + 32 + 16, 1),
        (DIAGONAL, 16, 16 + 32 + 16, math.inf),
        (SPEAKER, 94, 94 + 32 * 12 + 9 * 32, 31),
        (WINDOW, 0, 32 * 36 + 9 * 32, None),
    ],
    ids=lambda value: getattr(value, "stem", None),
)
def test_words_and_reach_are_those_of_the_structure(file, recurrent, weights, reach):
    (row,) = evaluate([file])
    assert row.costs["recurrent_weight_words"] == recurrent
    assert row.costs["weight_words"] == weights
    assert row.costs["reach_steps"] == reach
    assert type(row.costs["weight_words"]) is int


def test_the_layer_that_reaches_last_counts(tmp_path):
    path = tmp_path / "stack.py"
    path.write_text(
        '"""A stack."""\nfrom rnnhw import *\n\n\ndef design(last="band"):\n'
        '    second = {"band": Banded(1, 1), "diagonal": Diagonal()}[last]\n'
        "    formats = Formats(input=Q(0, 7), weight=Q(1, 6), state=Q(0, 7), sum=Q(2, 5))\n"
        "    layers = [Elman(5), Elman(4, recurrent=second), Elman(3), Last(), Linear(1)]\n"
        "    return Design(layers, formats, inputs=1)\n"
    )
    band, diagonal = evaluate([path], vary={"last": ["band", "diagonal"]})
    assert band.costs["reach_steps"] == 3
    assert diagonal.costs["reach_steps"] == math.inf
    # The head runs once a sequence: its three multiplications are no step's.
    assert band.costs["multiplies_per_step"] == 5 * 6 + 4 * 5 + 10 + 3 * 7
    assert band.costs["weight_words"] == 5 * 6 + 4 * 5 + 10 + 3 * 7 + 3


def test_the_reach_of_a_sparse_recurrence_needs_its_weights(echo):
    kept, unknown = evaluate([echo], {"recurrent": "sparse"}, {"given": [True, False]})
    assert kept.costs["reach_steps"] == math.inf  # the weights that are kept: the diagonal
    assert math.isnan(unknown.costs["reach_steps"])
    assert evaluate([echo], {"given": False})[0].costs["reach_steps"] == math.inf
    assert evaluate([echo], {"given": False, "units": 1})[0].costs["reach_steps"] == 1
    # Each weight of 8 bits has a bit that says which of two columns it is for.
    assert kept.costs["recurrent_weight_words"] == 2
    assert kept.costs["weight_bits"] == 2 * (8 + 1) + (2 + 2) * 8


# --- scores ------------------------------------------------------------------------------------
@pytest.mark.parametrize("file", [DIAGONAL, HADAMARD, SPEAKER, WINDOW], ids=lambda file: file.stem)
def test_scores_are_those_of_simulate_and_verify(file):
    settings = {"word": 4} | (SMALL if file.stem.startswith("adder") else {})
    (row,) = evaluate([file], settings, simulate=True)
    verified = verify(load(file, settings), minimum={"accuracy": 0})
    fixed, exact = verified.score, verified.float_score
    assert fixed == simulate(load(file, settings)).score
    scores = row.scores
    assert (scores["accuracy"], scores["accuracy_correct"]) == (fixed.accuracy, fixed.correct)
    assert (scores["float_accuracy"], scores["float_accuracy_correct"]) == (
        exact.accuracy, exact.correct,
    )  # fmt: skip
    ends = scores["accuracy_interval_95_low"], scores["accuracy_interval_95_high"]
    assert ends == fixed.interval
    assert scores["sequences"] == fixed.total
    assert row.measure == "accuracy"


def test_long_chains_are_the_tasks_harder_samples():
    tridiagonal, diagonal = evaluate([TRIDIAGONAL, DIAGONAL], SMALL, simulate=True)
    assert tridiagonal.harder == {"long chains": "long_chains_"}
    chains = simulate(
        load(DIAGONAL, {"operand_bits": 32}), samples=diagonal.design.task.harder()["long chains"]
    )
    assert diagonal.scores["long_chains_accuracy"] == chains.score.accuracy < 0.25
    assert diagonal.scores["long_chains_sequences"] == chains.score.total == 4224
    assert tridiagonal.scores["long_chains_accuracy"] == 1.0
    assert evaluate([SPEAKER], simulate=True)[0].harder == {}


def test_the_float_score_does_not_depend_on_the_slices(monkeypatch, echo):
    whole = evaluate([DIAGONAL], SMALL, simulate=True)[0].scores
    error = evaluate([echo], simulate=True)[0].scores
    calls = []
    run = comparison.run_reference

    def counted(*arguments):
        calls.append(len(arguments[2]))
        return run(*arguments)

    monkeypatch.setattr(comparison, "run_reference", counted)
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 1000)
    assert evaluate([DIAGONAL], SMALL, simulate=True)[0].scores == whole
    assert len(calls) > 3 and sum(calls) == 64
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 30)
    assert evaluate([echo], simulate=True)[0].scores == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("kept", [1 << 23, 0])
def test_the_float_reference_runs_once_for_all_word_lengths(monkeypatch, kept):
    runs = []
    run = comparison.run_reference

    def counted(*arguments):
        runs.append(arguments[2])
        return run(*arguments)

    files, words = [DIAGONAL, HADAMARD], [4, 6, 8]
    alone = [
        evaluate([file], SMALL | {"word": word}, simulate=True)[0].scores
        for file in files
        for word in words
    ]
    monkeypatch.setattr(comparison, "run_reference", counted)
    monkeypatch.setattr(comparison, "_KEPT_VALUES", kept)
    together = evaluate(files, SMALL, {"word": words}, simulate=True)
    assert [row.scores for row in together] == alone
    assert len(runs) == len(files) * (1 if kept else len(words))


def test_other_scores_than_accuracy_are_compared_too(echo):
    first, second = evaluate([DIAGONAL, echo], simulate=True)
    result = compare([DIAGONAL, echo], simulate=True)
    assert result.measures == ("accuracy", "nrmse")
    scores = second.scores
    design = load(echo)
    score = simulate(design).score
    assert (scores["nrmse"], scores["r2"]) == (score.nrmse, score.r2)
    assert scores["float_nrmse"] == verify(design, maximum={"nrmse": 9}).float_score.nrmse
    assert scores["nrmse_values"] == 40 and scores["sequences"] == 10
    assert "accuracy" not in scores and "nrmse" not in first.scores
    assert [result.figure("nrmse", place).value for place in (0, 1)] == [None, score.nrmse]
    assert [result.figure("accuracy", place).status for place in (0, 1)] == ["measured", "not used"]


# --- rows --------------------------------------------------------------------------------------
def test_rows_come_in_the_order_given_with_typed_values():
    result = compare(
        [TRIDIAGONAL, DENSE], {"operand_bits": "5"}, {"word": ["8", "4"], "hidden": [8, "16"]}
    )
    assert [(column.design, *column.varied.values()) for column in result.columns] == [
        (file, word, hidden)
        for file in ("adder_tridiagonal", "adder_dense")
        for word in (8, 4)
        for hidden in (8, 16)
    ]
    assert result.varied == ("word", "hidden")
    assert result.settings == {"operand_bits": 5}
    assert all(column.settings["operand_bits"] == 5 for column in result.columns)
    words = [result.figure("recurrent_weight_words", place).value for place in (0, 1)]
    assert words == [22, 46]
    assert result.columns[1].name == "adder_tridiagonal word=8 hidden=16"


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    other = tmp_path / DENSE.name
    other.write_text(DENSE.read_text())
    assert [row.label for row in evaluate([DENSE, other])] == [str(DENSE), str(other)]


def test_progress_is_told_row_by_row():
    seen = []
    compare([DENSE], SMALL, {"word": [8, 6]}, simulate=True, progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]
    compare([DENSE], progress=lambda *at: seen.append(at))
    assert len(seen) == 2


def test_the_same_comparison_gives_the_same_values():
    first, second = (compare([HADAMARD], SMALL, simulate=True) for _ in range(2))
    assert first == second


# --- demands -----------------------------------------------------------------------------------
def test_every_row_is_judged():
    result = compare(
        [DENSE, DIAGONAL], SMALL, simulate=True,
        minimum={"accuracy": 1, "long_chains_accuracy": 0.9}, maximum={"stored_bits": 1e6},
    )  # fmt: skip
    assert not result.passed
    failed = [(each.column, each.name) for each in result.checks if not each.passed]
    assert failed == [("adder_diagonal", "accuracy"), ("adder_diagonal", "long_chains_accuracy")]
    assert len(result.checks) == 6
    assert compare([DENSE], maximum={"reach_steps": 1}).passed
    assert not compare([DENSE, DIAGONAL], maximum={"reach_steps": 1e9}).passed


@pytest.mark.parametrize(
    "name",
    ["accuracy", "float_accuracy", "accuracy_interval_95_low", "accuracy_correct", "sequences",
     "long_chains_accuracy", "float_accuracy_interval_95_high", *DESIGN_FIGURES],
)  # fmt: skip
def test_every_column_can_be_judged(name):
    result = compare([DENSE], SMALL, simulate=True, minimum={name: -1})
    assert result.passed and result.checks[0].value == result.figure(name, 0).value


def test_a_demand_that_a_row_cannot_meet_or_break_is_refused(no_kernel):
    with pytest.raises(UsageError, match=r"speaker_window\.py: unknown figure 'reach_steps'"):
        compare([DENSE, WINDOW], maximum={"reach_steps": 3})
    with pytest.raises(UsageError, match="unknown figure 'accuracy'") as caught:
        compare([DENSE], minimum={"accuracy": 1})
    assert "adds_per_step" in caught.value.hint
    with pytest.raises(UsageError, match=r"speaker_tridiagonal\.py: .*'long_chains_accuracy'"):
        compare([DENSE, SPEAKER], simulate=True, minimum={"long_chains_accuracy": 1})


# --- mistakes, all told before the work --------------------------------------------------------
def test_a_parameter_that_a_design_lacks_names_the_design(no_kernel):
    with pytest.raises(UsageError, match=r"speaker_tridiagonal\.py: unknown parameter 'operand"):
        compare([DENSE, SPEAKER], vary={"operand_bits": [4, 8]}, simulate=True)
    with pytest.raises(UsageError, match=r"adder_dense\.py: unknown parameter 'readout'"):
        compare([SPEAKER, DENSE], {"readout": "last"}, simulate=True)
    with pytest.raises(UsageError, match=r"adder_dense\.py: word='x' is not of type int"):
        compare([DENSE], vary={"word": ["8", "x"]}, simulate=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"designs": []}, "nothing to compare"),
        (
            {"designs": [DENSE, DESIGNS / "data" / ".." / DENSE.name]},
            "adder_dense.py is given twice",
        ),
        ({"vary": {"word": []}}, "no values of word to vary"),
        ({"vary": {"word": ["8", "08"]}}, "word=8 comes twice"),
        ({"vary": {"word": [8]}, "settings": {"word": 4}}, "word is both set and varied"),
    ],
)
def test_what_cannot_be_meant_is_refused(no_kernel, arguments, message):
    with pytest.raises(UsageError, match=message):
        compare(**{"designs": [DENSE], "simulate": True, **arguments})


def test_a_parameter_named_like_a_column_cannot_be_varied(echo, no_kernel):
    for name in ("design", "weight_words", "sequences"):
        echo.write_text(DESIGN.replace("scale", name))
        with pytest.raises(UsageError, match=f"cannot vary '{name}': a column has this name"):
            compare([echo], vary={name: [0.25, 0.5]}, simulate=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"given": False}, "the design has no weights"),
        ({"tasked": False}, "the design has no task to simulate"),
        ({"outputs": 2}, "Regression: 2 outputs for y of shape"),
    ],
)
def test_a_design_that_cannot_run_stops_before_any_other_has_run(
    echo, no_kernel, settings, message
):
    with pytest.raises(DesignError, match=rf"echo\.py: {message}"):
        compare([echo], settings, simulate=True)
    assert evaluate([echo], settings)  # its costs are known all the same


def test_every_design_is_prepared_before_the_first_runs(no_kernel, tmp_path):
    for text, message in (
        ("1 / 0", "ZeroDivisionError"),
        (DENSE.read_text().replace("adder_dense.npz", "none.npz"), r"none\.npz: no such file"),
        (SPEAKER.read_text(), r"japanese_vowels\.npz: no such file"),
    ):
        path = tmp_path / "last.py"
        path.write_text(text)
        with pytest.raises(DesignError, match=message):
            compare([DENSE, path], simulate=True)


def test_sequences_too_short_for_a_window_are_told_before_the_work(echo, no_kernel):
    text = echo.read_text().replace("layers=[", "layers=[Window(5), ")
    echo.write_text(text.replace("(units, 1)", "(units, 5)"))
    with pytest.raises(DesignError, match=r"echo\.py: .*4 steps, too few for 'window0'"):
        compare([echo], simulate=True)


def test_a_score_that_says_nothing_is_not_judged(tmp_path):
    path = tmp_path / "dead.py"
    path.write_text(
        "from rnnhw import *\nimport numpy as np\n"
        "def design(weight=0.01):\n"
        "    return Design(task=BinaryAddition(3), layers=[Linear(1, name='h')],\n"
        "        formats=Formats(weight=Q(3, 2)),\n"
        "        weights={'h.W': np.full((1, 2), weight), 'h.b': [0.0]})\n"
    )
    why = r"dead\.py: {} is not judged: all outputs are equal, whatever the input"
    for name in ("accuracy", "long_chains_accuracy"):
        with pytest.raises(UsageError, match=why.format(name)):
            compare([path], simulate=True, minimum={name: 0})
    result = compare([path], simulate=True, minimum={"float_accuracy": 0, "weight_words": 1})
    assert result.passed and "accuracy" in result.columns[0].unjudged
    assert compare([path], {"weight": 0.5}, simulate=True, minimum={"accuracy": 0}).passed
