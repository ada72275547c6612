"""Keras files, read without Keras: held against its equations in float64, and against Keras where
that is installed."""

import json
import os
import re
import zipfile

import numpy as np
import pytest
from helpers import keras_oracle as oracle
from helpers.imported import float_run, imported

from rnnhw import DesignError, UsageError, import_network

h5py = pytest.importorskip("h5py", reason="Keras files hold their weights in HDF5")

BATCH, STEPS, INPUTS = 2, 5, 4
INPUT = ("InputLayer", {"name": "input_layer", "batch_shape": [None, STEPS, INPUTS]})
SAVE = {"keras": oracle.save_keras, "h5": oracle.save_h5}


def data():
    return np.random.default_rng(3).normal(size=(BATCH, STEPS, INPUTS))


def run(tmp_path, model, weights, suffix="keras", **options):
    path = tmp_path / f"net.{suffix}"
    SAVE[suffix](path, model, weights, **options)
    result, design = imported(path, tmp_path)
    return result, float_run(design, data()).outputs


def drawn(kind, config, inputs=INPUTS, seed=0):
    return oracle.recurrent_weights(kind, config, inputs, np.random.default_rng(seed))


def doubles(arrays):
    return [array.astype(np.float64) for array in arrays]


def equal(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


VARIANTS = {
    "plain": {},
    "no bias": {"use_bias": False},
    "backwards": {"go_backwards": True},
    "sequences": {"return_sequences": True},
    "backwards, sequences": {"go_backwards": True, "return_sequences": True},
    "functions": {"activation": "softsign"},
    "relu": {"activation": "relu"},
    "dropout": {"dropout": 0.2, "recurrent_dropout": 0.1, "unit_forget_bias": True},
}


@pytest.mark.parametrize("suffix", SAVE)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
def test_a_recurrent_layer_equals_its_equations(kind, variant, suffix, tmp_path):
    kind, _, before = kind.partition(" ")
    more = {"reset_after": False} if before else {}
    config = oracle.recurrent_config(kind, "rnn", **VARIANTS[variant], **more)
    weights = drawn(kind, config)
    model = oracle.sequential([INPUT, (kind, config)])
    result, found = run(tmp_path, model, {"rnn": [("cell", weights)]}, suffix)
    steps, last = oracle.recurrent(kind, config, doubles(weights), data())
    equal(
        found if config["return_sequences"] else found[:, 0],
        steps if config["return_sequences"] else last,
    )
    assert result.network.inputs == INPUTS and result.network.max_steps is None


@pytest.mark.parametrize(("suffix", "version", "name"), [
    ("keras", "3.15.1", "hard_sigmoid"),
    ("h5", "3.0.0", "hard_sigmoid"),
    ("h5", "2.15.0", "hard_sigmoid of 2"),
    ("keras", "2.13.1", "hard_sigmoid of 2"),
])  # fmt: skip
def test_hard_sigmoid_is_that_of_the_version(suffix, version, name, tmp_path):
    config = oracle.recurrent_config("LSTM", "rnn", recurrent_activation="hard_sigmoid")
    weights = drawn("LSTM", config)
    model = oracle.sequential([INPUT, ("LSTM", config)])
    _, found = run(tmp_path, model, {"rnn": [("cell", weights)]}, suffix, version=version)
    expected = {**config, "recurrent_activation": name}
    equal(found[:, 0], oracle.recurrent("LSTM", expected, doubles(weights), data())[1])


JOINS = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "ave": lambda a, b: (a + b) / 2,
    "mul": lambda a, b: a * b,
}


@pytest.mark.parametrize("suffix", SAVE)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("join", JOINS)
def test_both_directions(join, sequences, suffix, tmp_path):
    ahead = oracle.recurrent_config("LSTM", "ahead", return_sequences=sequences)
    back = oracle.recurrent_config("GRU", "back", return_sequences=sequences, go_backwards=True)
    weights = [drawn("LSTM", ahead), drawn("GRU", back, seed=1)]
    both = {
        "name": "both",
        "merge_mode": join,
        "layer": {"class_name": "LSTM", "config": ahead},
        "backward_layer": {"class_name": "GRU", "config": back},
    }
    groups = [("forward_layer/cell", weights[0]), ("backward_layer/cell", weights[1])]
    model = oracle.sequential([INPUT, ("Bidirectional", both)])
    _, found = run(tmp_path, model, {"both": groups}, suffix)
    one, other = (
        oracle.recurrent(kind, config, doubles(arrays), data())
        for kind, config, arrays in (("LSTM", ahead, weights[0]), ("GRU", back, weights[1]))
    )
    if sequences:
        equal(found, JOINS[join](one[0], other[0][:, ::-1]))
    else:
        equal(found[:, 0], JOINS[join](one[1], other[1]))


@pytest.mark.parametrize("suffix", SAVE)
def test_a_stack_counts_its_layers_by_class(suffix, tmp_path):
    """Names in no order: the groups of a .keras file are lstm, lstm_1, dense, dense_1."""
    first = oracle.recurrent_config("LSTM", "lstm_7", return_sequences=True)
    second = oracle.recurrent_config("LSTM", "lstm", units=3)
    rng = np.random.default_rng(5)
    dense = [rng.normal(size=(3, 6)), rng.normal(size=6)], [rng.normal(size=(6, 2))]
    layers = [
        INPUT,
        ("LSTM", first),
        ("Dropout", {"name": "dropout", "rate": 0.5}),
        ("LSTM", second),
        ("Dense", {"name": "dense_9", "units": 6, "activation": "relu", "use_bias": True}),
        ("Dense", {"name": "dense", "units": 2, "activation": "softmax", "use_bias": False}),
    ]
    weights = {
        "lstm_7": [("cell", drawn("LSTM", first))],
        "lstm": [("cell", drawn("LSTM", second, 5, seed=2))],
        "dense_9": [("", dense[0])],
        "dense": [("", dense[1])],
    }
    result, found = run(tmp_path, oracle.sequential(layers), weights, suffix)
    x = oracle.recurrent("LSTM", first, doubles(weights["lstm_7"][0][1]), data())[0]
    x = oracle.recurrent("LSTM", second, doubles(weights["lstm"][0][1]), x)[1]
    equal(found[:, 0], np.maximum(x @ dense[0][0] + dense[0][1], 0) @ dense[1][0])
    assert any("softmax: the scores go to the host" in note for note in result.notes)
    assert [s.layer.name for s in result.network.steps if s.tensors] == [
        "lstm_7", "lstm", "dense_9", "dense",
    ]  # fmt: skip


def test_normalisation_pooling_and_wrapped_layers(tmp_path):
    config = oracle.recurrent_config("GRU", "gru", return_sequences=True)
    rng = np.random.default_rng(6)
    norm = [rng.normal(size=5) for _ in range(3)] + [rng.uniform(0.5, 2, 5)]
    layer = [rng.normal(size=3), rng.normal(size=3)]
    dense = [rng.normal(size=(5, 3)), rng.normal(size=3)]
    inner = {"name": "inner", "units": 3, "activation": "tanh", "use_bias": True}
    layers = [
        INPUT,
        ("Masking", {"name": "masking", "mask_value": 0.0}),
        ("GRU", config),
        ("BatchNormalization", {"name": "bn", "axis": -1, "epsilon": 0.001}),
        ("TimeDistributed", {"name": "td", "layer": {"class_name": "Dense", "config": inner}}),
        ("LayerNormalization", {"name": "ln", "axis": -1, "epsilon": 0.001}),
        ("GlobalAveragePooling1D", {"name": "pool"}),
        ("LeakyReLU", {"name": "leaky", "negative_slope": 0.25}),
    ]
    weights = {
        "gru": [("cell", drawn("GRU", config))],
        "bn": [("", norm)],
        "td": [("layer", dense)],
        "ln": [("", layer)],
    }
    result, found = run(tmp_path, oracle.sequential(layers), weights)
    x = oracle.recurrent("GRU", config, doubles(weights["gru"][0][1]), data())[0]
    x = (x - norm[2]) / np.sqrt(norm[3] + 0.001) * norm[0] + norm[1]
    x = np.tanh(x @ dense[0] + dense[1])
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.001)
    x = (x * layer[0] + layer[1]).mean(1)
    equal(found[:, 0], np.where(x > 0, x, x / 4))
    assert result.network.max_steps == STEPS
    assert any("skips steps whose features are all 0.0" in note for note in result.notes)


def inbound(tensors):
    """The calls of a layer: merging layers take a list, an input layer is not called."""
    return [{"args": tensors if len(tensors) == 1 else [tensors], "kwargs": {}}] if tensors else []


def functional(layers, output):
    """A functional model: (class, config, names that it reads)."""
    return {
        "class_name": "Functional",
        "config": {
            "name": "functional",
            "layers": [
                {
                    "class_name": kind,
                    "config": config,
                    "name": config["name"],
                    "inbound_nodes": inbound(
                        [
                            {
                                "class_name": "__keras_tensor__",
                                "config": {"keras_history": [source, 0, index]},
                            }
                            for source, index in reads
                        ]
                    ),
                }
                for kind, config, reads in layers
            ],
            "input_layers": [["input_layer", 0, 0]],
            "output_layers": [[name, 0, 0] for name in output],
        },
    }


def with_states(tmp_path, index, output=("dense",)):
    config = oracle.recurrent_config("LSTM", "lstm", return_state=True, return_sequences=True)
    dense = [np.random.default_rng(1).normal(size=(5, 3))]
    head = {"name": "dense", "units": 3, "activation": "linear", "use_bias": False}
    layers = [
        (*INPUT, []),
        ("LSTM", config, [("input_layer", 0)]),
        ("Dense", head, [("lstm", index)]),
    ]
    weights = {"lstm": [("cell", drawn("LSTM", config))], "dense": [("", dense)]}
    _, found = run(tmp_path, functional(layers, output), weights)
    return found, oracle.recurrent("LSTM", config, doubles(weights["lstm"][0][1]), data()), dense[0]


def test_a_functional_model_and_its_last_state(tmp_path):
    found, (steps, _), w = with_states(tmp_path, 0)
    equal(found, steps @ w)
    found, (_, last), w = with_states(tmp_path, 1)
    equal(found[:, 0], last @ w)
    with pytest.raises(DesignError, match="the cell state of layer 'lstm' is read"):
        with_states(tmp_path, 2)
    with pytest.raises(DesignError, match="it has 2 outputs: dense, lstm"):
        with_states(tmp_path, 0, ("dense", "lstm"))


def with_sums(tmp_path, sums, *, sequences=True, index=0):
    """A network of a GRU, an LSTM and a dense layer, each of which reads the one before, and of
    ``sums``: (name, names of the two layers added). The last layer of all gives the output."""
    recurrent = {
        kind: oracle.recurrent_config(kind, kind.lower(), return_sequences=keeps)
        for kind, keeps in (("GRU", True), ("LSTM", sequences))
    }
    head = {"name": "dense", "units": 5, "activation": "linear", "use_bias": False}
    # A sum stands in for its first layer in what reads that one.
    replaced = {first: name for name, (first, _) in sums.items() if name.endswith("between")}
    layers = [
        (*INPUT, []),
        ("GRU", recurrent["GRU"], [("input_layer", 0)]),
        ("LSTM", recurrent["LSTM"], [("gru", 0)]),
        ("Dropout", {"name": "dropout"}, [("lstm", index)]),
        ("Dense", head, [(replaced.get("dropout", "dropout"), 0)]),
        *(("Add", {"name": name}, [(a, 0), (b, 0)]) for name, (a, b) in sums.items()),
    ]
    arrays = {name: drawn(name, recurrent[name], n) for name, n in (("GRU", INPUTS), ("LSTM", 5))}
    w = np.random.default_rng(1).normal(size=(5, 5))
    weights = {name.lower(): [("cell", arrays[name])] for name in arrays} | {"dense": [("", [w])]}
    _, given = run(tmp_path, functional(layers, [list(sums)[-1]]), weights)
    gru = oracle.recurrent("GRU", recurrent["GRU"], doubles(arrays["GRU"]), data())[0]
    lstm = oracle.recurrent("LSTM", recurrent["LSTM"], doubles(arrays["LSTM"]), gru)[0]
    return given, gru, lstm, w


def test_skip_connections(tmp_path):
    given, gru, lstm, w = with_sums(tmp_path, {"add": ("gru", "dense")})
    equal(given, gru + lstm @ w)
    given, gru, lstm, w = with_sums(tmp_path, {"add": ("dense", "lstm")})
    equal(given, lstm @ w + lstm)
    given, gru, lstm, w = with_sums(
        tmp_path, {"between": ("dropout", "gru"), "add": ("dense", "gru")}
    )
    equal(given, (lstm + gru) @ w + gru)
    given, _, lstm, _ = with_sums(tmp_path, {"add": ("dropout", "lstm")})
    equal(given, 2 * lstm)


def test_a_sum_that_is_no_skip_connection(tmp_path):
    with pytest.raises(DesignError, match=r"'add' \(Add\): the last over time of a sequence is"):
        with_sums(tmp_path, {"add": ("gru", "dense")}, sequences=False)
    with pytest.raises(DesignError, match=r"add\.sum: x has 4 units, expected 5"):
        with_sums(tmp_path, {"add": ("input_layer", "dense")})
    with pytest.raises(DesignError, match=r"'add' .* adds 'first' and 'second', of which neither"):
        with_sums(
            tmp_path,
            {"first": ("dense", "gru"), "second": ("dense", "lstm"), "add": ("first", "second")},
        )
    with pytest.raises(DesignError, match="skip connections around layer 'lstm' overlap"):
        with_sums(tmp_path, {"first": ("dense", "gru"), "add": ("first", "lstm")})
    with pytest.raises(DesignError, match="layer 'add' reads itself"):
        with_sums(tmp_path, {"add": ("gru", "add")})


def embedded(tmp_path):
    config = oracle.recurrent_config("GRU", "gru")
    layers = [
        ("InputLayer", {"name": "input_layer", "batch_shape": [None, None]}),
        ("Embedding", {"name": "words", "input_dim": 9, "output_dim": INPUTS}),
        ("GRU", config),
        ("Lambda", {"name": "code", "function": {"class_name": "__lambda__"}}),
    ]
    weights = {"gru": [("cell", drawn("GRU", config))]}
    oracle.save_keras(tmp_path / "net.keras", oracle.sequential(layers), weights)
    return tmp_path / "net.keras", oracle.recurrent(
        "GRU", config, doubles(weights["gru"][0][1]), data()
    )


def test_a_front_end_is_cut_off(tmp_path):
    path, (_, last) = embedded(tmp_path)
    with pytest.raises(DesignError, match=r"layer 'words' \(Embedding\): an embedding") as caught:
        import_network(path, tmp_path / "mine.py")
    assert caught.value.hint == "cut the network: --from gru"
    with pytest.raises(DesignError, match=r"layer 'code' \(Lambda\): a layer of Python") as caught:
        import_network(path, tmp_path / "mine.py", start="gru")
    assert caught.value.hint == "cut the network in front of it: --to gru"
    result, design = imported(path, tmp_path, start="gru", end="gru")
    equal(float_run(design, data()).outputs[:, 0], last)
    assert "left out in front of the part: Embedding" in result.notes
    assert "left out behind or beside the part: code" in result.notes[2]
    with pytest.raises(UsageError, match="unknown layer 'grus'"):
        import_network(path, tmp_path / "mine.py", end="grus", force=True)


# --- refused -------------------------------------------------------------------------------------
WRONG = {
    "activation": ({"activation": "mish"}, "layer 'rnn' (LSTM): activation 'mish' is unknown"),
    "time_major": ({"time_major": True}, "layer 'rnn' (LSTM): time_major=True"),
    "units": ({"units": 6}, "layer 'rnn' (LSTM): layer 'rnn': a weight has shape [4, 20]"),
    "bias": ({"use_bias": False}, "layer 'rnn' (LSTM): layer 'rnn' has 3 weights, 2 are needed"),
    "nothing": ({"units": None}, "layer 'rnn' (LSTM): its configuration is not understood"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told_with_its_layer(name, tmp_path):
    change, message = WRONG[name]
    config = oracle.recurrent_config("LSTM", "rnn")
    weights = {"rnn": [("cell", drawn("LSTM", config))]}
    model = oracle.sequential([INPUT, ("LSTM", {**config, **change})])
    with pytest.raises(DesignError) as caught:
        run(tmp_path, model, weights)
    shown = caught.value.message.replace(f"{tmp_path}/net.keras: ", "")
    assert shown.startswith(message) and "\n" not in shown


def hostile(path, folder):
    before = sorted(folder.iterdir())
    with pytest.raises(DesignError) as caught:
        import_network(path, folder / "mine.py")
    assert sorted(folder.iterdir()) == before
    assert "\n" not in caught.value.message and caught.value.message.startswith(str(path))
    return caught.value.message


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x05\x06" + bytes(18), b"\x89HDF\r\n\x1a\n", b"x" * 999]
)
def test_files_that_are_none(content, suffix, tmp_path):
    (tmp_path / f"x.{suffix}").write_bytes(content)
    hostile(tmp_path / f"x.{suffix}", tmp_path)
    hostile(tmp_path / f"missing.{suffix}", tmp_path)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_every_truncation_is_refused(suffix, tmp_path):
    config = oracle.recurrent_config("GRU", "rnn")
    path = tmp_path / f"x.{suffix}"
    model = oracle.sequential([INPUT, ("GRU", config)])
    SAVE[suffix](path, model, {"rnn": [("cell", drawn("GRU", config))]})
    size = path.stat().st_size
    for cut in range(size - 1, 0, -997):
        os.truncate(path, cut)
        hostile(path, tmp_path)


def test_weights_alone_are_told(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_group("model_weights")
    assert "weights without an architecture" in hostile(tmp_path / "x.h5", tmp_path)


def linked(tmp_path, make):
    """A file whose kernel is something else."""
    config = oracle.recurrent_config("GRU", "rnn")
    weights = drawn("GRU", config)
    folder = tmp_path / "model"
    folder.mkdir()
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = weights[0]
    path = folder / "x.h5"
    model = oracle.sequential([INPUT, ("GRU", config)])
    oracle.save_h5(path, model, {"rnn": [("cell", weights)]})
    with h5py.File(path, "r+") as file:
        group = file["model_weights/rnn/rnn/cell"]
        del group["weight_0:0"]
        make(group, "weight_0:0", tmp_path / "other.h5", weights[0])
    return hostile(path, folder)


def test_weights_in_other_files_are_not_read(tmp_path):
    def link(group, name, other, _):
        group[name] = h5py.ExternalLink(str(other), "kernel")

    assert "is a link to elsewhere" in linked(tmp_path, link)


def test_raw_data_in_other_files_is_not_read(tmp_path):
    def outside(group, name, other, values):
        place = [(str(other), 0, h5py.h5f.UNLIMITED)]
        group.create_dataset(name, values.shape, np.float32, external=place)

    assert "is kept in another file" in linked(tmp_path, outside)


def test_a_vast_weight_is_not_read(tmp_path):
    def vast(group, name, other, _):
        group.create_dataset(name, (1 << 40, 15), np.float32, chunks=(1, 15))

    assert "a weight has shape [1099511627776, 15]" in linked(tmp_path, vast)


def test_a_bomb_in_the_archive_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", b" " * (1 << 27))
        archive.writestr("model.weights.h5", b"")
    assert "config.json claims 134,217,728 bytes" in hostile(tmp_path / "x.keras", tmp_path)


@pytest.mark.parametrize(
    "config",
    [[], {"class_name": "Mine"}, {"class_name": "Sequential", "config": {"layers": [3]}}, "x"],
)
def test_configurations_that_are_none(config, tmp_path):
    oracle.save_keras(tmp_path / "ok.keras", oracle.sequential([]), {})
    with (
        zipfile.ZipFile(tmp_path / "ok.keras") as good,
        zipfile.ZipFile(tmp_path / "x.keras", "w") as bad,
    ):
        for name in good.namelist():
            content = json.dumps(config) if name == "config.json" else good.read(name)
            bad.writestr(name, content)
    hostile(tmp_path / "x.keras", tmp_path)


# --- Keras itself --------------------------------------------------------------------------------
def keras_models(layers, keras):
    n = 6
    return {
        "lstm": [layers.LSTM(n), layers.Dense(3)],
        "gru": [layers.GRU(n), layers.Dense(3)],
        "gru before": [layers.GRU(n, reset_after=False), layers.Dense(3)],
        "rnn": [layers.SimpleRNN(n), layers.Dense(3)],
        "both": [
            layers.Bidirectional(layers.LSTM(n, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3)),
        ],
        "both, sum": [layers.Bidirectional(layers.GRU(n), merge_mode="sum"), layers.Dense(3)],
        "backwards": [layers.LSTM(n, go_backwards=True, return_sequences=True)],
        "hard": [
            layers.GRU(n, recurrent_activation="hard_sigmoid", activation="linear"),
            layers.Dense(1, activation="hard_sigmoid"),
        ],
        "no bias": [layers.LSTM(n, use_bias=False), layers.Dense(3, use_bias=False)],
        "stack": [
            layers.LSTM(n, return_sequences=True, dropout=0.2),
            layers.LSTM(5),
            layers.Dropout(0.3),
            layers.Dense(3),
        ],
        "layer norm": [layers.LSTM(n), layers.LayerNormalization(), layers.Dense(3)],
        "cell": [layers.RNN(layers.LSTMCell(n)), layers.Dense(2)],
        "stateful": [layers.LSTM(n, stateful=True)],
        "pool": [layers.GRU(n, return_sequences=True), layers.GlobalMaxPooling1D()],
    }


@pytest.mark.filterwarnings("ignore")
def test_files_of_keras_equal_keras(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    pytest.importorskip("torch", reason="Keras runs on torch here")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    for name, layers in keras_models(keras.layers, keras).items():
        shape = {"batch_shape": (BATCH, STEPS, INPUTS)}
        model = keras.Sequential([keras.Input(**shape), *layers])
        rng = np.random.default_rng(1)
        model.set_weights([rng.normal(size=w.shape) * 0.4 for w in model.get_weights()])
        x = data().astype(np.float32)
        expected = np.asarray(model.predict(x, verbose=0))
        for suffix in ("keras", "h5"):
            path = tmp_path / f"{re.sub(r'[^a-z]', '_', name)}.{suffix}"
            model.save(path)
            _, design = imported(path, tmp_path)
            found = float_run(design, x).outputs
            found = found if expected.ndim == 3 else found[:, 0]
            np.testing.assert_allclose(
                found, expected, rtol=0, atol=2e-6, err_msg=f"{name} {suffix}"
            )
