"""Hypothesis profiles: the default is deterministic and short; ``--hypothesis-profile=long``.
And what the tests of several commands share."""

import gc
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.tools import missing
from hypothesis import HealthCheck, settings

from rnnhw.cli import main

# A shell starts what runs in its background with interrupts ignored, and processes of tests inherit
# that; what they do when they are interrupted is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

settings.register_profile(
    "short", derandomize=True, deadline=None, max_examples=100, suppress_health_check=_SLOW
)
settings.register_profile(
    "long", deadline=None, max_examples=5000, suppress_health_check=_SLOW, print_blob=True
)
settings.load_profile("short")


def pytest_configure(config):
    """Let this process, the next runs and the processes that tests start share what they compile:
    Python's byte code, which is half the time of a short command and of the collection of tests,
    and with ccache Verilator's run-time library, which is two thirds of the time that a bench
    takes to build."""
    # Tests run in parallel: threads of a process for its products of matrices only wait then.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not hasattr(config, "cache"):
        return  # -p no:cacheprovider
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(config.cache.mkdir("bytecode")))
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"]
    if shutil.which("ccache"):
        os.environ.setdefault("OBJCACHE", "ccache")
        os.environ.setdefault("CCACHE_NOHASHDIR", "1")  # the same source in another folder
        if "CCACHE_DIR" not in os.environ:
            os.environ["CCACHE_DIR"] = str(ccache_folder(config))


def ccache_folder(config):
    """The user's, in which lies what an installation compiled; else one in pytest's cache."""
    command = ["ccache", "--get-config", "cache_dir"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    users = Path(found.stdout.strip() or "nowhere")
    return users if users.is_dir() and os.access(users, os.W_OK) else config.cache.mkdir("ccache")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection():
    """Let the garbage collector leave alone what lives as long as the tests do: thousands of them,
    and the modules that they import."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config, items):
    """Skip what needs a program that is not installed; leave out what is marked ``slow`` unless
    the expression of ``-m`` names it."""
    for item in items:
        for mark in item.iter_markers("tools"):
            for program in filter(missing, mark.args):
                item.add_marker(pytest.mark.skip(reason=f"{program} is not installed"))
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow and "slow" not in config.option.markexpr:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture
def refused(capsys, request):
    """Run the module's COMMAND, which must fail cleanly; what it said."""

    def run(code, *arguments):
        assert main([request.module.COMMAND, *map(str, arguments)]) == code
        out, err = capsys.readouterr()
        # A run of more than a second, on a busy machine any, shows its progress.
        lines = [line for line in err.splitlines() if not re.match(r"[\w ]+: [\d,]+ of ", line)]
        assert out == "" and lines[0].startswith("error: ") and "Traceback" not in err
        assert len(lines) <= 2 and all(line.startswith("hint: ") for line in lines[1:])
        return err

    return run
