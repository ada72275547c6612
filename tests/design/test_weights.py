"""Weights files: what is wrong with one is told with file, key and both shapes."""

import zipfile

import numpy as np
import pytest

from rnnhw import Banded, Design, DesignError, Elman, Formats, Q
from rnnhw.design.weights import load_parameters
from rnnhw.numerics.cast import Events

FORMATS = Formats(input=Q(3, 4), weight=Q(1, 6), sum=Q(3, 4), state=Q(0, 7))
GOOD = {
    "rnn.W": np.array([[0.5, -0.25], [1.0, 2.5], [-3.0, 0.0]]),
    "rnn.U": np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.5, 0.5, 0.0]]),
    "rnn.b": np.zeros(3),
}


@pytest.fixture
def network():
    return Design([Elman(3, recurrent=Banded(1, 1), name="rnn")], FORMATS, inputs=2).network


def saved(tmp_path, **changes):
    path = tmp_path / "w.npz"
    arrays = GOOD | {f"rnn.{key}": value for key, value in changes.items()}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_tensors_are_read_checked_and_quantised(network, tmp_path):
    found = load_parameters(network, saved(tmp_path))
    assert found.raw["rnn.W"].tolist() == [[32, -16], [64, 127], [-128, 0]]
    assert found.events["rnn.W"] == Events(high=1, low=1)
    assert found.events["rnn.b"] == Events()
    np.testing.assert_array_equal(found.values["rnn.W"], GOOD["rnn.W"])


def test_a_mapping_and_a_path_as_text_give_the_same(network, tmp_path):
    path = saved(tmp_path)
    for source in (GOOD, str(path), {key: value.tolist() for key, value in GOOD.items()}):
        found = load_parameters(network, source)
        assert all((found.values[key] == GOOD[key]).all() for key in GOOD)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, bool])
def test_every_real_dtype_is_read(network, tmp_path, dtype):
    found = load_parameters(network, saved(tmp_path, W=np.ones((3, 2), dtype)))
    assert found.raw["rnn.W"].tolist() == [[64] * 2] * 3


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"W": None}, r"w\.npz: no rnn\.W", "it holds rnn.U, rnn.b"),
        ({"w": np.zeros(3)}, r"w\.npz: the design has no tensor rnn\.w", "rnn.W"),
        (
            {"W": np.zeros((2, 3))},
            r"w\.npz: rnn\.W has shape \(2, 3\), the design needs \(3, 2\)",
            "so that both agree",
        ),
        ({"b": np.zeros((3, 1))}, r"rnn\.b has shape \(3, 1\), the design needs \(3,\)", ""),
        (
            {"W": np.array([[1, 2], [3, np.nan], [5, np.inf]])},
            r"w\.npz: rnn\.W\[1, 1\] is nan",
            "2 of 6 values",
        ),
        ({"b": np.array([0, -np.inf, 0])}, r"w\.npz: rnn\.b\[1\] is -inf", "1 of 3 values"),
        ({"b": np.zeros(3, complex)}, r"w\.npz: rnn\.b holds complex128", ""),
        ({"b": np.array(["a", "b", "c"])}, r"w\.npz: rnn\.b holds <U1", ""),
    ],
)
def test_wrong_tensors_are_refused(network, tmp_path, changes, message, hint):
    with pytest.raises(DesignError, match=message) as caught:
        load_parameters(network, saved(tmp_path, **changes))
    assert hint in caught.value.hint


@pytest.mark.parametrize("corner", [(0, 0), (2, 2)])
def test_a_number_in_a_corner_of_a_band_would_be_lost(network, tmp_path, corner):
    U = GOOD["rnn.U"].copy()
    U[corner] = 0.25
    index = list(corner)
    with pytest.raises(DesignError, match=r"w\.npz: rnn\.U\[.*is 0\.25.*Banded\(lower=1") as caught:
        load_parameters(network, saved(tmp_path, U=U))
    assert f"rnn.U{index}" in caught.value.message
    assert caught.value.hint == "set it to zero"


def test_a_mapping_is_called_weights(network):
    with pytest.raises(DesignError, match=r"weights: rnn\.b has shape \(4,\)"):
        load_parameters(network, GOOD | {"rnn.b": np.zeros(4)})


def test_a_ragged_list_is_refused(network):
    with pytest.raises(DesignError, match=r"rnn\.b"):
        load_parameters(network, GOOD | {"rnn.b": [[1.0], [2.0, 3.0]]})


def test_members_that_are_no_arrays_are_refused(network, tmp_path):
    path = saved(tmp_path, W=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("rnn.W", b"some text")
    with pytest.raises(DesignError, match=r"w\.npz"):
        load_parameters(network, path)
