"""What a build says where it cannot work, and what it promises."""

import os
import subprocess
import sys
import tomllib

import pytest
from helpers.pages import tables
from helpers.paths import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="there setuptools looks for the compiler")
@pytest.mark.parametrize("compiler", ["no-such-cc", "CCACHE_DIR=x no-such-cc -m64"])
def test_a_missing_compiler_is_one_sentence(compiler):
    done = subprocess.run(
        [sys.executable, "setup.py", "bdist_wheel"],
        cwd=ROOT,
        env={**os.environ, "CC": compiler},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs a C compiler" in done.stderr
    assert "'no-such-cc'" in done.stderr


def test_every_extra_is_documented():
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (rows,) = tables(ROOT / "docs" / "index.md", "extra")
    extras = metadata["project"]["optional-dependencies"]
    assert sorted(row["extra"].strip("`") for row in rows) == sorted(extras)
