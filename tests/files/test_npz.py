"""Arrays of ``.npz`` files: nothing that a file claims or holds is a surprise."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from rnnhw.errors import DesignError
from rnnhw.files import open_npz


def read_npz(path):
    """Every array of a file."""
    with open_npz(path) as archive:
        return dict(archive)


def npy(shape, data=bytes(64), descr="<f8", header=None):
    """The bytes of an ``.npy`` that claims ``shape`` and holds ``data``."""
    out = io.BytesIO()
    if header is None:
        claim = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(out, claim)
    else:
        text = header.encode().ljust(118) + b"\n"
        out.write(b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text)
    out.write(data)
    return out.getvalue()


def archived(path, *members):
    """A file of members (name, bytes)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DesignError, match=r"none\.npz: no such file"):
        read_npz(tmp_path / "none.npz")


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, a=np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DesignError, match="never unpickled"):
        read_npz(path)


def test_a_bare_array_is_refused(tmp_path):
    path = tmp_path / "w.npy"
    np.save(path, np.zeros(3))
    with pytest.raises(DesignError, match="one bare array") as caught:
        read_npz(path)
    assert "numpy.savez" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 and nothing more", b"\x80\x04."])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    with pytest.raises(DesignError, match=r"w\.npz: not a plain \.npz file"):
        read_npz(path)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(DesignError, match=r"is a directory|not a plain"):
        read_npz(tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_refused_wherever_the_damage_is(tmp_path, save):
    path = tmp_path / "w.npz"
    save(path, a=np.arange(50.0), b=np.ones(3))
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            arrays = read_npz(path)
        except DesignError:
            refused += 1
        else:
            assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert refused > len(whole) / 12


CLAIMS = {
    "10^30 elements": npy((10**30,)),
    "10^30 rows of none": npy((10**30, 0)),
    "2^64 elements": npy((1 << 32, 1 << 32)),
    "one too many": npy((9,)),
    "one too few": npy((7,)),
    "negative": npy((-8,)),
    "both negative": npy((-2, -4)),
}


@pytest.mark.parametrize("content", CLAIMS.values(), ids=CLAIMS)
def test_an_array_that_is_not_as_large_as_it_claims_is_refused_unread(tmp_path, content):
    path = archived(tmp_path / "w.npz", ("a.npy", content))
    with pytest.raises(DesignError, match=r"w\.npz: a claims to be .*, and the file holds"):
        read_npz(path)


HEADERS = {
    "nested": "(" * 100 + ")" * 100,
    "many digits": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 60 + ",)}",
    "a call": "__import__('os').abort()",
    "text": "{'descr': '<f8', 'fortran_order': False, 'shape': 'abc'}",
    "nothing": "",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_hostile_header_is_refused(tmp_path, header):
    path = archived(tmp_path / "w.npz", ("a.npy", npy((), header=header)))
    with pytest.raises(DesignError, match=r"w\.npz") as caught:
        read_npz(path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("names", [("a.npy", "a.npy"), ("a", "a.npy")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_key_that_is_there_twice_is_refused(tmp_path, names):
    path = archived(tmp_path / "w.npz", *((name, npy((8,))) for name in names))
    with pytest.raises(DesignError, match=r"w\.npz: two arrays are named 'a'"):
        read_npz(path)


def test_what_nobody_asks_for_is_not_read(tmp_path):
    path = tmp_path / "w.npz"
    np.savez_compressed(path, a=np.ones(3), junk=np.zeros(1 << 24))
    tracemalloc.start()
    with open_npz(path) as archive:
        assert archive.headers["junk"].shape == (1 << 24,)
        assert archive["a"].tolist() == [1, 1, 1]
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
