"""A real Dask cluster on this machine: the same figures, and workers that die."""

import os
import signal
import warnings

import pytest
from helpers.paths import DESIGNS

from rnnhw import UsageError, sweep

FILES = [DESIGNS / f"adder_{name}.py" for name in ("dense", "diagonal", "tridiagonal")]
GIVEN = {"settings": {"operand_bits": 3, "hidden": 4}}
WORDS = {"word": [4, 6, 8, 10]}

pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask's own start and end


@pytest.fixture(scope="module")
def cluster():
    # Here, because the import takes a second, which collecting other tests does not need.
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
        ) as found:
            yield found


def flat(result):
    return [
        (point.label, point.key, found.figures, found.bounds, found.error)
        for point, found in zip(result.points, result.results, strict=True)
    ]


def test_a_cluster_gives_what_this_process_gives(cluster, tmp_path):
    vary = {**WORDS, "hidden": [4, 5]}  # of 5 units there are no weights: an error is a result
    settings = {"operand_bits": 3}
    alone = sweep(FILES, vary, settings=settings, workers=1)
    there = sweep(FILES, vary, settings=settings, scheduler=cluster.scheduler_address)
    assert [row[:4] for row in flat(there)] == [row[:4] for row in flat(alone)]
    assert alone.failed == there.failed and len(alone.failed) == 12
    assert all("_h5.npz" in there.results[index].error for index in there.failed)


def test_a_worker_that_is_killed_loses_nothing(cluster, tmp_path):
    alone = sweep(FILES, WORDS, workers=1, **GIVEN)
    killed = []

    def kill(done, _whole):
        if done == 2:
            pid = next(iter(cluster.workers.values())).pid
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    log = tmp_path / "log"
    there = sweep(
        FILES, WORDS, scheduler=cluster.scheduler_address, log=log, progress=kill, **GIVEN
    )
    assert killed and flat(there) == flat(alone)
    assert log.read_bytes().count(b"\n") == 1 + len(alone.points)


def test_no_cluster_is_told():
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="--scheduler nowhere"):
        sweep(FILES, WORDS, scheduler="nowhere://1", **GIVEN)
