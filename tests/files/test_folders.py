"""Folders that change as a whole, and folders that leave nothing behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.paths import ROOT

from rnnhw.errors import UsageError
from rnnhw.files import folders, replaced_folder, scratch_folder

OLD = {f"f{n}.v": "old" for n in range(20)}
NEW = dict.fromkeys(OLD, "new")


def texts(folder):
    return {name: (folder / name).read_text() for name in OLD}


@pytest.fixture
def out(tmp_path):
    """A folder with old files and the user's own."""
    place = tmp_path / "out"
    replaced_folder(place, OLD)
    (place / "mine.txt").write_text("mine")
    (place / "link").symlink_to("nowhere")
    (place / "sub").mkdir()
    (place / "sub" / "deep.txt").write_text("deep")
    return place


def assert_mine_stays(place):
    assert (place / "mine.txt").read_text() == "mine"
    assert str((place / "link").readlink()) == "nowhere"
    assert (place / "sub" / "deep.txt").read_text() == "deep"
    assert len(list(place.iterdir())) == len(OLD) + 3


@pytest.fixture(params=["swapped", "one by one"])
def way(request, monkeypatch):
    """Both ways in which a folder gets its files."""
    if request.param == "one by one":
        monkeypatch.setattr(folders, "_exchanged", lambda *_: False)


def test_new_files_replace_the_old_and_what_is_not_ours_stays(out, way):
    inode = (out / "sub").stat().st_ino, (out / "mine.txt").stat().st_ino
    out.chmod(0o750)
    replaced_folder(out, NEW)
    assert texts(out) == NEW
    assert_mine_stays(out)
    assert inode == ((out / "sub").stat().st_ino, (out / "mine.txt").stat().st_ino)
    assert out.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_full_disk_leaves_the_old_files(out, way, monkeypatch):
    write, written = Path.write_bytes, []

    def full(path, data):
        written.append(path)
        if len(written) > 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match=r"cannot write into .*out: no space left on device"):
        replaced_folder(out, NEW)
    assert texts(out) == OLD
    assert_mine_stays(out)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    with pytest.raises(UsageError):
        replaced_folder(out.parent / "a" / "b", NEW)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("failing", [1, 10, 20])
def test_a_file_that_cannot_be_renamed_undoes_those_before(out, monkeypatch, failing):
    monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    rename, done = Path.rename, []

    def refuse(path, target):
        done.append(path)
        if len(done) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UsageError):
        replaced_folder(out, {**NEW, "more.v": "new"} if failing == 20 else NEW)
    assert texts(out) == OLD
    assert_mine_stays(out)


def test_the_folder_that_the_program_works_in_is_not_pulled_away(out, monkeypatch):
    monkeypatch.chdir(out)
    inode = out.stat().st_ino
    replaced_folder(Path(), NEW)
    assert texts(Path()) == NEW and Path().resolve().stat().st_ino == inode
    assert_mine_stays(out)


def test_a_link_to_a_folder_stays_a_link(out, tmp_path):
    (tmp_path / "link").symlink_to("out")
    replaced_folder(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink() and texts(out) == NEW


def test_what_is_no_folder_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        with pytest.raises(UsageError, match="it is a file"):
            replaced_folder(tmp_path / place, NEW)
    assert (tmp_path / "file").read_text() == "mine"


WRITER = """
import sys
from pathlib import Path
from rnnhw.files import replaced_folder
print("ready", flush=True)
for turn in range(10**9):
    text = ("old", "new")[turn % 2] * 10_000
    replaced_folder(Path(sys.argv[1]), {f"f{n}.v": text for n in range(20)})
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_kill_leaves_the_old_files_or_the_new(out, number):
    for turn in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, out], cwd=ROOT, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(0.05 + 0.013 * turn)
        process.send_signal(number)
        process.wait(timeout=20)
        process.stdout.close()
        assert len(set(texts(out).values())) == 1
        assert_mine_stays(out)
        if number == signal.SIGINT:
            assert [path.name for path in out.parent.iterdir()] == ["out"]


REMOVAL_INTERRUPTED = """
import sys
from contextlib import contextmanager
from pathlib import Path
from rnnhw.files import replaced_folder, scratch_folder, temporary, written_whole

@contextmanager
def late():
    temporary.uninterrupted = uninterrupted
    raise KeyboardInterrupt  # before interrupts are held back
    yield

def write():
    with written_whole(place / "file") as file:
        file.write(b"new")
        raise ValueError("the file is not whole")

def work():
    with scratch_folder(place):
        pass

place = Path(sys.argv[1])
uninterrupted = temporary.uninterrupted
for use in (lambda: replaced_folder(place / "out", {"a.v": "new"}), write, work):
    temporary.uninterrupted = late
    try:
        use()
    except KeyboardInterrupt:
        print(len(list(place.iterdir())))
"""


def test_what_an_interrupted_removal_leaves_is_gone_when_the_program_ends(out):
    ran = subprocess.run(
        [sys.executable, "-c", REMOVAL_INTERRUPTED, out.parent], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    assert ran.stdout.split() == ["2", "3", "4"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert (out / "a.v").read_text() == "new"


def test_a_scratch_folder_is_gone_whatever_happens(tmp_path):
    for failure in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(failure), scratch_folder(tmp_path) as place:
            (place / "sub").mkdir()
            (place / "sub" / "file").write_text("x")
            raise failure
        assert not list(tmp_path.iterdir())
