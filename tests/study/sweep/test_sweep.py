"""Sweeps: the same from one process, several, a log, and after kills; sampled ones too."""

import contextlib
import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from io import FileIO
from pathlib import Path

import pytest
from helpers.paths import DESIGNS, ROOT

from rnnhw import DesignError, RnnhwError, UsageError, estimate, load, simulate, sweep
from rnnhw.analysis.storage import stored_bits
from rnnhw.design.tasks import recordings
from rnnhw.study.sweep import workers
from rnnhw.study.sweep.point import Question, points_of
from rnnhw.study.sweep.table import command_of, ordered, sweep_table

FILES = [DESIGNS / f"adder_{name}.py" for name in ("dense", "diagonal", "tridiagonal")]
SMALL = {"operand_bits": 3, "hidden": 4}
WORDS = {"word": [4, 6]}


def flat(result):
    return [
        (point.label, point.key, found.figures, found.bounds, found.error)
        for point, found in zip(result.points, result.results, strict=True)
    ]


@pytest.fixture(scope="module")
def whole():
    return sweep(FILES, WORDS, settings=SMALL, workers=1)


def test_figures_are_those_of_the_commands(whole):
    assert [point.label for point in whole.points][:2] == [
        "adder_dense word=4",
        "adder_dense word=6",
    ]
    for point, found in zip(whole.points, whole.results, strict=True):
        design = load(point.file, {**SMALL, **point.values})
        report, run = estimate(design), simulate(design)
        assert found.figures["accuracy"] == run.score.accuracy
        low, high = run.score.interval
        assert found.figures["accuracy_interval_95_low"] == low
        assert found.figures["accuracy_interval_95_high"] == high
        assert found.figures["stored_bits"] == sum(stored_bits(design.network).values())
        assert found.figures["cycles_per_step"] == report.totals.cycles_per_step.value
        assert found.figures["fits"] is report.fits


def test_one_design_and_paths_are_taken(whole):
    alone = sweep(FILES[0], WORDS, settings=SMALL, profile=Path("ice40up5k"), workers=1)
    assert [each.figures for each in alone.results] == [each.figures for each in whole.results[:2]]


def test_processes_give_what_one_gives(whole):
    assert flat(sweep(FILES, WORDS, settings=SMALL, workers=2)) == flat(whole)


def test_points_of_one_data_file_read_it_once(monkeypatch):
    files = [DESIGNS / f"speaker_{name}.py" for name in ("mean", "tridiagonal")]
    vary = {"word": [4, 6]}
    alone = [
        each
        for file in files
        for word in vary["word"]
        for each in flat(sweep(file, {"word": [word]}, workers=1))
    ]
    read = []
    real = recordings.samples_of
    monkeypatch.setattr(
        recordings,
        "samples_of",
        lambda place, arrays, prefix, **rest: (
            read.append(prefix) or real(place, arrays, prefix, **rest)
        ),
    )
    assert flat(sweep(files, vary, workers=1)) == alone
    assert sorted(read) == ["test_", "train_"]


def test_a_log_spares_what_is_finished(whole, tmp_path, monkeypatch):
    log = tmp_path / "sweep.jsonl"
    assert flat(sweep(FILES[:2], WORDS, settings=SMALL, workers=1, log=log)) == flat(whole)[:4]
    measured = []
    real = workers.measure
    monkeypatch.setattr(
        workers, "measure", lambda point, *rest: measured.append(point) or real(point, *rest)
    )
    assert flat(sweep(FILES, WORDS, settings=SMALL, workers=1, log=log)) == flat(whole)
    assert [point.label for point in measured] == [
        "adder_tridiagonal word=4",
        "adder_tridiagonal word=6",
    ]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[0] == {"$schema": "urn:rnnhw:schema:sweep-log:1"}
    assert len(lines) == 7 and lines[1]["design"] == "adder_dense.py"
    cut = log.read_bytes()[:-20]
    log.write_bytes(cut)
    measured.clear()
    assert flat(sweep(FILES, WORDS, settings=SMALL, workers=1, log=log)) == flat(whole)
    assert [point.label for point in measured] == ["adder_tridiagonal word=6"]


def test_a_changed_design_is_measured_again(tmp_path):
    design = tmp_path / "adder.py"
    text = FILES[1].read_text().replace('"adder_', f'"{DESIGNS}/adder_')
    design.write_text(text)
    question = Question(SMALL)
    (before,) = points_of([design], {}, question)
    design.write_text(text + "\n# another text\n")
    (after,) = points_of([design], {}, question)
    (clocked,) = points_of([design], {}, Question(SMALL, clock_mhz=10.0))
    assert len({before.key, after.key, clocked.key}) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04", "no log"),
        (b"{}\n", "no log"),
        (b'{"$schema":"urn:rnnhw:schema:sweep-log:1"}\n{"key": 1}\n', "line 2"),
        (b'{"$schema":"urn:rnnhw:schema:sweep-log:1"}\n' + b"[" * 100_000 + b"\n", "line 2"),
    ],
)
def test_a_file_that_is_no_log_is_refused_and_kept(tmp_path, content, said):
    log = tmp_path / "log"
    log.write_bytes(content)
    with pytest.raises(DesignError, match=said):
        sweep(FILES[:1], WORDS, settings=SMALL, workers=1, log=log)
    assert log.read_bytes() == content


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_log_that_is_no_file_is_refused():
    """It would be read to its end, and has none."""
    with pytest.raises(UsageError, match="cannot write /dev/full: no regular file"):
        sweep(FILES[:1], WORDS, settings=SMALL, workers=1, log="/dev/full")


@pytest.mark.parametrize("written", [0, 10])
def test_a_line_that_has_no_room_is_no_part_of_the_log(written, tmp_path, monkeypatch, whole):
    """A full disk takes nothing of a line, or its beginning."""
    log = tmp_path / "sweep.jsonl"
    full = False

    class Disk(FileIO):
        def write(self, content):
            if not full:
                return super().write(content)
            if not written:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content[:written])

    def progress(done, total):
        nonlocal full
        full = done >= 2

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", *args, **options: (
            Disk(path, mode) if path == log else opened(path, mode, *args, **options)
        ),
    )
    with pytest.raises(UsageError, match=f"cannot write {log}: no space left on device"):
        sweep(FILES[:2], WORDS, settings=SMALL, workers=1, log=log, progress=progress)
    monkeypatch.undo()
    content = log.read_bytes()
    assert content.endswith(b"\n") and content.count(b"\n") == 3
    assert flat(sweep(FILES[:2], WORDS, settings=SMALL, workers=1, log=log)) == flat(whole)[:4]


def test_two_sweeps_do_not_write_one_log(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    log = tmp_path / "log"
    with log.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another sweep"):
            sweep(FILES[:1], WORDS, settings=SMALL, workers=1, log=log)


def test_a_point_that_cannot_be_is_a_result(tmp_path):
    result = sweep(FILES[2:], {"hidden": [4, 5]}, settings={"operand_bits": 3}, workers=1)
    assert result.failed == (1,)
    assert "adder_tridiagonal_h5.npz" in result.results[1].error
    assert result.front == (0,) and list(ordered(result)) == [0, 1]
    assert [cell.text for cell in sweep_table(result).rows[1]][:3] == [
        "adder_tridiagonal",
        "5",
        "!",
    ]


def test_a_score_that_says_nothing_is_told_with_the_reason(tmp_path):
    """Weights of zero make all outputs equal."""
    file = tmp_path / "zero.py"
    file.write_text(
        "from dataclasses import replace\n\nfrom rnnhw import load\n\n\n"
        "def design(word=4):\n"
        f"    adder = load({str(FILES[0])!r}, {{**{SMALL}, 'word': word}})\n"
        "    weights = {key: 0 * value for key, value in adder.parameters.values.items()}\n"
        "    return replace(adder, weights=weights)\n"
    )
    log = tmp_path / "log"
    result, again = (sweep(file, {"word": [4]}, workers=1, log=log) for _ in range(2))
    why = simulate(load(file)).score.unjudged()
    assert why and result.results[0].unjudged == again.results[0].unjudged == {"accuracy": why}
    assert result.results[0].figures["accuracy"] is None
    assert f"not known: {why}" in [cell.text for cell in sweep_table(result).rows[0]]


def test_a_killed_worker_is_replaced(whole, monkeypatch):
    """The first process of each pair is killed while it has a point."""
    real, killed = workers._Worker, []

    class Killed(real):
        def take(self, point):
            super().take(point)
            if len(killed) < 2:
                killed.append(point.key)
                self._process.kill()

    monkeypatch.setattr(workers, "_Worker", Killed)
    assert flat(sweep(FILES, WORDS, settings=SMALL, workers=2)) == flat(whole)
    assert len(killed) == 2


def test_a_point_that_kills_every_worker_is_told(monkeypatch):
    class Killed(workers._Worker):
        def take(self, point):
            super().take(point)
            self._process.kill()

    monkeypatch.setattr(workers, "_Worker", Killed)
    with pytest.raises(RnnhwError, match="died twice"):
        sweep(FILES[:1], WORDS, settings=SMALL, workers=2)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_sweep_goes_on_where_it_was(whole, tmp_path, seed):
    log = tmp_path / "sweep.jsonl"
    command = [sys.executable, "-m", "rnnhw", "sweep", *map(str, FILES), "--vary", "word=4,6"]
    command += ["--set", "operand_bits=3", "--set", "hidden=4", "--workers", "2", "--log", str(log)]
    environment = {**os.environ, "PYTHONPATH": str(DESIGNS.parent)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    wanted = random.Random(seed).randint(1, 4)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.read_bytes().count(b"\n") > wanted:
            break
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = [
        json.loads(line)["key"]
        for line in log.read_bytes().splitlines(True)[1:]
        if line.endswith(b"\n")
    ]
    assert len(finished) >= wanted
    assert flat(sweep(FILES, WORDS, settings=SMALL, workers=1, log=log)) == flat(whole)
    keys = [json.loads(line)["key"] for line in log.read_bytes().splitlines()[1:]]
    assert keys[: len(finished)] == finished and len(keys) == len(set(keys)) == len(whole.points)


@pytest.mark.parametrize("sampler", ["random", "nsga2", "tpe"])
def test_a_sampler_draws_the_same_points_after_a_kill(tmp_path, sampler):
    pytest.importorskip("optuna")
    log = tmp_path / "log"
    given = {"settings": SMALL, "sampler": sampler, "trials": 20, "workers": 1}
    vary = {"word": list(range(3, 13))}
    result = sweep(FILES, vary, log=log, **given)
    assert 1 < len(result.points) <= 20
    grid = {point.key for point in points_of(FILES, vary, Question(SMALL))}
    assert {point.key for point in result.points} <= grid
    lines = log.read_bytes().splitlines(True)
    log.write_bytes(b"".join(lines[:5]))
    assert flat(sweep(FILES, vary, log=log, **given)) == flat(result)


@pytest.mark.parametrize("place", ["sqlite:///{}/trials.db", "{}/trials.journal"])
def test_every_point_is_a_trial_once_however_often_the_sweep_begins(tmp_path, whole, place):
    optuna = pytest.importorskip("optuna")
    storage, log = place.format(tmp_path), tmp_path / "log"
    given = {"settings": SMALL, "workers": 1, "log": log, "optuna_storage": storage}
    assert flat(sweep(FILES, WORDS, **given)) == flat(whole)
    lines = log.read_bytes().splitlines(True)
    log.write_bytes(b"".join(lines[:3]))
    assert flat(sweep(FILES, WORDS, **given)) == flat(whole)
    if "://" not in storage:
        backend = optuna.storages.journal.JournalFileBackend(storage)
        storage = optuna.storages.JournalStorage(backend)
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    assert study.metric_names == ["accuracy", "stored_bits"]
    assert [each.name for each in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    for trial, point, found in zip(study.trials, whole.points, whole.results, strict=True):
        assert trial.params == {"design": Path(point.file).name, **point.values}
        assert trial.values == [found.figures["accuracy"], found.figures["stored_bits"]]
        assert trial.user_attrs["key"] == point.key
    best = {trial.user_attrs["key"] for trial in study.best_trials}
    assert best == {whole.points[index].key for index in whole.front}


def test_a_storage_that_cannot_be_is_told(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    given = {"settings": SMALL, "workers": 1}
    text = tmp_path / "notes.txt"
    text.write_text("my notes\n")
    for place, said in ((text, "no journal of Optuna"), ("nothing://there", "--optuna-storage")):
        with pytest.raises(UsageError, match=said):
            sweep(FILES[:1], WORDS, optuna_storage=place, **given)
    assert text.read_text() == "my notes\n"
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match="--optuna-storage needs Optuna") as refused:
        sweep(FILES[:1], WORDS, optuna_storage=tmp_path / "new", **given)
    assert "rnnhw[sweep]" in refused.value.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sampler": "best"}, "unknown sampler"),
        ({"objectives": ["speed:more"]}, "unknown objective"),
        ({"objectives": ["accuracy", "accuracy"]}, "different figures"),
        ({"settings": {"word": 4}}, "both set and varied"),
        ({"trials": 0}, "trials=0"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_what_cannot_be_swept_is_told(given, said):
    with pytest.raises(UsageError, match=said):
        sweep(FILES[:1], WORDS, **{"settings": SMALL, "workers": 1, **given})
    with pytest.raises(UsageError, match="comes twice"):
        sweep([FILES[0], FILES[0]], WORDS, settings=SMALL, workers=1)
    with pytest.raises(UsageError, match="comes twice"):
        sweep(FILES[:1], {"word": [4, "4"]}, settings=SMALL, workers=1)


def test_the_command_shows_the_point_alone(whole, capsys):
    from rnnhw.cli import main

    words = command_of(whole, 3).split()
    assert words[:2] == ["rnnhw", "report"]
    assert main([*words[1:], "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (
        found["totals"]["cycles_per_step"]["value"] == whole.results[3].figures["cycles_per_step"]
    )


def test_a_script_that_sweeps_at_its_top_level_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import rnnhw\n\nprint('once')\n"
        f"found = rnnhw.sweep({str(DESIGNS / 'adder_tridiagonal.py')!r}, {{'word': [4, 8]}},\n"
        "    settings={'operand_bits': 3}, objectives=['stored_bits'], workers=2)\n"
        "print(len(found.results), __file__)\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.split() == ["once", "2", str(script)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_begins_prints_no_traceback_of_an_interrupt():
    """It holds interrupts back from its first instruction on; this process does not."""
    worker = workers._Worker(Question(SMALL))
    try:
        status = Path(f"/proc/{worker._process.pid}/status").read_text()
        (held,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")]
        assert int(held, 16) >> (signal.SIGINT - 1) & 1
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        worker.end()
