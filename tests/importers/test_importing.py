"""The design file that the importer writes, its formats, and the command."""

import subprocess
import sys

import numpy as np
import pytest
from helpers import torch_files as files
from helpers.imported import float_run, imported

from rnnhw import (
    GRU,
    DesignError,
    Last,
    Linear,
    Mean,
    UsageError,
    import_network,
    load,
    quantize,
    simulate,
    sweep,
    verify,
)
from rnnhw.importers.formats import chosen_formats
from rnnhw.importers.network import Imported, Origin, Step, cell_step, clean_name, named
from rnnhw.layers.cells import LSTM

INPUTS, UNITS = 4, 6


@pytest.fixture
def network(tmp_path):
    """A state dict of a GRU and a head."""
    state = files.draw("GRU", INPUTS, UNITS)
    head = {"weight": np.full((3, UNITS), 0.25, np.float32), "bias": np.zeros(3, np.float32)}
    whole = {f"rnn.{k}": v for k, v in state.items()} | {f"head.{k}": v for k, v in head.items()}
    files.save_safe(tmp_path / "net.safetensors", whole)
    return tmp_path / "net.safetensors"


def saved_data(folder, scale=1.0, lengths=None):
    x = np.random.default_rng(0).normal(size=(8, 12, INPUTS)) * scale
    arrays = {"x": x} if lengths is None else {"x": x, "lengths": lengths}
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


ORDER = {"layers": "rnn,last,head"}


# --- the design file ------------------------------------------------------------------------------
def test_the_design_file_is_readable_and_says_where_it_comes_from(network, tmp_path):
    import_network(network, tmp_path / "mine.py", **ORDER)
    text = (tmp_path / "mine.py").read_text()
    assert text.startswith('"""GRU + Linear, imported from net.safetensors.\n')
    assert "SHA-256 " in text and "    rnn: rnn\n" in text
    assert 'GRU(6, recurrent_bias=True, name="rnn"' in text
    assert "- formats are wide guesses: import again with --data FILE.npz" in text
    assert "def design(word=16, address=12):" in text
    assert max(map(len, text.splitlines())) <= 100
    design = load(tmp_path / "mine.py")
    assert design.title == "GRU + Linear, imported from net.safetensors."
    assert [type(layer).__name__ for layer in design.layers] == ["GRU", "Last", "Linear"]


def test_the_files_are_the_same_each_time(network, tmp_path):
    contents = []
    for _ in range(2):
        import_network(network, tmp_path / "mine.py", force=True, **ORDER)
        contents.append([(tmp_path / f"mine.{end}").read_bytes() for end in ("py", "npz")])
    assert contents[0] == contents[1]


def test_weights_are_float32_where_that_holds_them(network, tmp_path):
    import_network(network, tmp_path / "mine.py", **ORDER)
    with np.load(tmp_path / "mine.npz") as arrays:
        assert {arrays[key].dtype.name for key in arrays} == {"float32"}
    rnn = files.draw("LSTM", INPUTS, UNITS)  # its two biases are added
    files.save_safe(tmp_path / "lstm.safetensors", rnn)
    import_network(tmp_path / "lstm.safetensors", tmp_path / "lstm.py")
    with np.load(tmp_path / "lstm.npz") as arrays:
        assert arrays["rnn.b"].dtype == np.float64
        expected = rnn["bias_ih_l0"].astype(float) + rnn["bias_hh_l0"]
        np.testing.assert_array_equal(arrays["rnn.b"], expected)


def test_the_word_is_a_parameter(network, tmp_path):
    data = saved_data(tmp_path)
    import_network(network, tmp_path / "mine.py", data=data, **ORDER)
    ratios = []
    for word, address in ((16, 12), (12, 12), (8, 8)):
        design = load(tmp_path / "mine.py", {"word": word, "address": address})
        ratios.append(verify(design, data).output.snr_db)
    assert ratios[0] > 60 and ratios[0] > ratios[1] > ratios[2] > 20
    import_network(network, tmp_path / "small.py", data=data, word=8, address=8, **ORDER)
    assert verify(load(tmp_path / "small.py"), data).output.snr_db == ratios[2]


def split_data(folder, features=INPUTS, **others):
    """Training and test split of classes 0 to 2 in a folder of its own."""
    rng = np.random.default_rng(1)
    arrays = {
        f"{split}_{key}": value
        for split, count in (("train", 30), ("test", 12))
        for key, value in (
            ("x", rng.normal(size=(count, 5, features))),
            ("lengths", rng.integers(2, 6, count)),
            ("y", rng.integers(0, 3, count)),
        )
    }
    (folder / "data").mkdir(exist_ok=True)
    np.savez(folder / "data" / "split.npz", **arrays | others)
    return folder / "data" / "split.npz"


def test_a_task_makes_the_design_whole(network, tmp_path):
    """Quantize and sweep take the file as it is, from any folder."""
    data = split_data(tmp_path)
    given = {"data": data, "task": "classification", "address": 8}
    (tmp_path / "designs").mkdir()
    place = tmp_path / "designs" / "mine.py"
    import_network(network, place, **given, **ORDER)
    assert 'task=Classification("../data/split.npz", standardise=False),' in place.read_text()
    score = simulate(load(place)).score
    assert score.total == 12
    with np.load(data) as arrays:
        x, lengths = arrays["test_x"], arrays["test_lengths"]
        np.testing.assert_array_equal(load(place).task.samples().lengths, lengths)
        assert np.allclose(load(place).task.samples().x[0, : lengths[0]], x[0, : lengths[0]])
        # The formats are those that its training split alone gives.
        np.savez(tmp_path / "train.npz", x=arrays["train_x"], lengths=arrays["train_lengths"])
    alone = tmp_path / "alone.py"
    import_network(network, alone, data=tmp_path / "train.npz", address=8, **ORDER)
    assert load(alone).formats == load(place).formats
    assert quantize(place, minimum={"agreement": 0.9}, evaluations=12).judged_on == "test"
    assert sweep(place, {"word": [6, 8]}, objectives=["stored_bits"], workers=1).front == (0,)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"task": "recall"}, UsageError, "unknown task 'recall'"),
        ({"data": None}, UsageError, "no data to judge by"),
        ({"data": {"features": 3}}, DesignError, "train_x has 3 features, but the network reads 4"),
        ({"data": {"test_y": np.zeros(12)}}, DesignError, "test_y is float64"),
    ],
)
def test_a_task_that_cannot_be_is_refused(options, kind, said, network, tmp_path):
    given = {"task": "classification", "data": {}} | options
    data = given.pop("data")
    data = None if data is None else split_data(tmp_path, **data)
    with pytest.raises(kind, match=said):
        import_network(network, tmp_path / "mine.py", data=data, **given, **ORDER)
    assert not (tmp_path / "mine.py").exists()


@pytest.mark.parametrize("word", [2, 5, 16, 24])
@pytest.mark.parametrize("data", [False, True])
def test_every_word_builds(word, data, network, tmp_path):
    given = saved_data(tmp_path) if data else None
    import_network(network, tmp_path / "mine.py", data=given, word=word, address=5, **ORDER)
    design = load(tmp_path / "mine.py")
    assert design.network.signal("rnn.state").format.width == word
    simulate(design, saved_data(tmp_path))


# --- formats --------------------------------------------------------------------------------------
def lstm_steps(scale):
    rng = np.random.default_rng(0)
    tensors = {"W": rng.normal(size=(4 * UNITS, INPUTS)) * scale, "U": np.eye(4 * UNITS, UNITS)}
    return named([cell_step(LSTM(UNITS), tensors, "rnn")])


def samples(tmp_path, **options):
    from rnnhw.design.tasks.samples import load_samples

    return load_samples(saved_data(tmp_path, **options))


def test_an_address_is_judged_through_its_function(tmp_path):
    """Sums of a hundred saturate a sigmoid: their range would ask for seven integer bits."""
    chosen = chosen_formats(lstm_steps(30), INPUTS, None, samples(tmp_path), 8, 8)
    assert chosen.bits["rnn"]["sum"] <= 4
    assert ("rnn", "sum") in chosen.addresses
    assert chosen.bits["rnn"]["weight"] == 7  # the largest weight is about 90


def test_inputs_get_the_bits_that_they_need(tmp_path):
    for scale, least, most in ((1.0, 1, 2), (100.0, 8, 9), (0.01, -6, -4)):
        given = samples(tmp_path, scale=scale)
        chosen = chosen_formats(lstm_steps(1), INPUTS, None, given, 16, 12)
        assert least <= chosen.input <= most, scale


def test_padding_is_not_looked_at(tmp_path):
    lengths = np.full(8, 3)
    given = samples(tmp_path, lengths=lengths)
    given.x[:, 5:] = 1e6
    assert chosen_formats(lstm_steps(1), INPUTS, None, given, 16, 12).input <= 2


def test_without_data_the_formats_are_wide(tmp_path):
    chosen = chosen_formats(lstm_steps(1), INPUTS, None, None, 16, 12)
    assert chosen.input == 7
    bits = chosen.bits["rnn"]
    assert (bits["state"], bits["gate"], bits["sum"], bits["cell"]) == (0, 0, 3, 7)


def test_the_mean_takes_the_longest_sequence(tmp_path):
    state = files.draw("GRU", INPUTS, UNITS)
    files.save_safe(tmp_path / "net.safetensors", {f"rnn.{k}": v for k, v in state.items()})
    source = tmp_path / "net.safetensors"
    result, _ = imported(source, tmp_path, layers="rnn,mean", data=saved_data(tmp_path))
    assert result.network.max_steps == 12
    result, design = imported(source, tmp_path, layers="rnn,mean", max_steps=99)
    assert design.max_steps == 99
    x = np.random.default_rng(0).normal(size=(2, 5, INPUTS))
    expected = files.run("GRU", state, x)[0].mean(1)
    np.testing.assert_allclose(float_run(design, x).outputs[:, 0], expected, atol=1e-12)


# --- names ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("given", "expected"), [
    ("/rnn/GRU", "rnn"), ("/rnn/GRU_1", "rnn"), ("node_gru__1", "gru_1"), ("MatMul_0", "MatMul_0"),
    ("/decoder/rnn/LSTM", "decoder_rnn"), ("encoder.rnn", "encoder_rnn"), ("", ""), ("é*", ""),
    ("3d", "layer_3d"), ("x" * 99, "x" * 40), ('"; import os', "import_os"),
])  # fmt: skip
def test_names_of_the_source_become_names_of_layers(given, expected):
    assert clean_name(given) == expected


def test_names_are_given_once():
    steps = [Step(Linear(2), {"W": np.ones((2, 2))}, "/a/Gemm") for _ in range(3)]
    steps += [Step(Last()), Step(Mean(divide=True)), Step(GRU(2), {"W": np.ones(1)}, "*")]
    names = [step.layer.name for step in named(steps)]
    assert names[:3] == ["a", "a1", "a2"] and names[3] == ""
    assert names[5] == "gru5" and len(set(names)) == len(names)


# --- places ---------------------------------------------------------------------------------------
def test_nothing_is_written_over(network, tmp_path):
    (tmp_path / "mine.npz").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"mine\.npz is there already") as caught:
        import_network(network, tmp_path / "mine.py", **ORDER)
    assert caught.value.hint == "--force writes over it"
    assert (tmp_path / "mine.npz").read_bytes() == b"precious"
    import_network(network, tmp_path / "mine.py", force=True, **ORDER)
    data = saved_data(tmp_path)
    with pytest.raises(UsageError, match="this run reads that file"):
        import_network(network, tmp_path / "data.py", data=data, force=True, **ORDER)
    with pytest.raises(UsageError, match="a design file is Python"):
        import_network(network, tmp_path / "mine.txt", **ORDER)
    with pytest.raises(UsageError, match=r"files \.doc are not known"):
        import_network(tmp_path / "net.doc", tmp_path / "new.py")


def test_data_of_other_features_is_told(network, tmp_path):
    np.savez(tmp_path / "bad.npz", x=np.zeros((2, 3, INPUTS + 1)))
    with pytest.raises(DesignError, match="5 features, but the network reads 4"):
        import_network(network, tmp_path / "mine.py", data=tmp_path / "bad.npz", **ORDER)
    assert not (tmp_path / "mine.py").exists()


def test_a_word_that_does_not_fit_leaves_nothing(tmp_path):
    wide = Step(Linear(2), {"W": np.ones((2, 2)), "b": np.full(2, 1e30)}, "a")
    network = Imported((wide,), 2, Origin("test"))
    chosen = chosen_formats(named(network.steps), 2, None, None, 16, 12)
    assert chosen.bits["a"]["bias"] > 90  # a format of such numbers is the user's to judge


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "rnnhw", "import", *map(str, words)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_says_what_it_wrote(network, tmp_path):
    done = run(network, "-o", tmp_path / "mine.py", "--layers", "rnn,last,head")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        f"{tmp_path}/mine.py: 4 input features",
        "  GRU rnn, 216 weights (source: rnn)",
        "  Last",
    ]
    assert lines[-1] == f"next: rnnhw verify {tmp_path}/mine.py --data FILE.npz --min snr_db=40"
    again = run(network, "-o", tmp_path / "mine.py", "--layers", "rnn,last,head")
    assert again.returncode == 2 and "is there already" in again.stderr
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 50)
    bad = run(tmp_path / "bad.safetensors", "-o", tmp_path / "bad.py")
    assert bad.returncode == 3 and len(bad.stderr.splitlines()) == 2
    assert "Traceback" not in bad.stderr and not (tmp_path / "bad.py").exists()


def test_much_data_is_run_in_parts(tmp_path):
    """Formats of data in parts are those of all of it, and the parts are told."""
    from rnnhw.importers import formats

    x = np.random.default_rng(0).normal(size=(300, 12, INPUTS))
    np.savez(tmp_path / "data.npz", x=x, lengths=np.full(300, 11))
    given = formats.Samples(x, np.full(300, 11))
    parts = formats._parts(given)
    assert sum(len(part.x) for part in parts) == 300 and len(parts) == 4
    told = []
    chosen_formats(
        lstm_steps(1), INPUTS, None, given, progress=lambda done, whole: told.append((done, whole))
    )
    assert told == [(k, 4) for k in range(5)]
    one = formats.Samples(x[:1].repeat(40_000 // 12, 1), np.array([40_000 // 12 * 12]))
    assert len(formats._parts(one)) == 1
