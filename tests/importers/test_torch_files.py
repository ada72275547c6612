"""PyTorch's files, read without PyTorch: held against its equations in float64, and against torch
where that is installed. Nothing in a file is run."""

import os
import re
import zipfile

import numpy as np
import pytest
from helpers import torch_files as files
from helpers.imported import float_run, imported

from rnnhw import DesignError, UsageError, import_network

BATCH, STEPS, INPUTS, UNITS = 2, 5, 4, 6
SAVE = {".pt": files.save_zip, ".pth": files.save_old, ".safetensors": files.save_safe}


def data():
    return np.random.default_rng(3).normal(size=(BATCH, STEPS, INPUTS))


def prefixed(name, state):
    return {f"{name}.{key}": value for key, value in state.items()}


def equal(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


# --- state dicts ----------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", SAVE)
@pytest.mark.parametrize(("layers", "ways"), [(1, 1), (2, 1), (1, 2), (3, 2)])
@pytest.mark.parametrize("kind", files.GATES)
def test_a_recurrent_module_alone_needs_no_order(kind, layers, ways, suffix, tmp_path):
    state = files.draw(kind, INPUTS, UNITS, layers, ways)
    SAVE[suffix](tmp_path / f"net{suffix}", prefixed("rnn", state))
    result, design = imported(tmp_path / f"net{suffix}", tmp_path)
    equal(float_run(design, data()).outputs, files.run(kind, state, data())[0])
    assert result.network.inputs == INPUTS
    names = [step.layer.name for step in result.network.steps]
    assert names == ["rnn", "rnn1", "rnn2"][:layers]


@pytest.mark.parametrize("ways", [1, 2])
def test_a_projection(ways, tmp_path):
    state = files.draw("LSTM", INPUTS, UNITS, 2, ways, projection=3)
    files.save_zip(tmp_path / "net.pt", state)
    _, design = imported(tmp_path / "net.pt", tmp_path)
    equal(float_run(design, data()).outputs, files.run("LSTM", state, data())[0])


READ = {
    "last": lambda steps, ends: steps[:, -1],
    "final": lambda steps, ends: ends,
    "mean": lambda steps, ends: steps.mean(1),
    "max": lambda steps, ends: steps.max(1),
}


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("how", READ)
def test_a_head_behind_a_read_out(how, ways, tmp_path):
    state = files.draw("GRU", INPUTS, UNITS, 1, ways)
    rng = np.random.default_rng(1)
    head = {"weight": rng.normal(size=(3, ways * UNITS)), "bias": rng.normal(size=3)}
    files.save_safe(
        tmp_path / "net.safetensors", {**prefixed("rnn", state), **prefixed("head", head)}
    )
    order = f"rnn, {how}, head:tanh"
    result, design = imported(tmp_path / "net.safetensors", tmp_path, layers=order, max_steps=9)
    value = READ[how](*files.run("GRU", state, data()))
    equal(float_run(design, data()).outputs[:, 0], np.tanh(value @ head["weight"].T + head["bias"]))
    assert "the order of its layers is the one that --layers gives" in result.notes[0]


def test_normalisation_functions_and_modules_that_are_left_out(tmp_path):
    rng = np.random.default_rng(2)
    state = files.draw("RNN", UNITS, UNITS)
    first = {"weight": rng.normal(size=(UNITS, INPUTS, 1))}
    norm = {
        "weight": rng.normal(size=UNITS), "bias": rng.normal(size=UNITS),
        "running_mean": rng.normal(size=UNITS), "running_var": rng.uniform(0.5, 2, UNITS),
        "num_batches_tracked": np.array(7),
    }  # fmt: skip
    layer = {"weight": rng.normal(size=UNITS), "bias": rng.normal(size=UNITS)}
    whole = {
        **prefixed("front", first), **prefixed("rnn", state), **prefixed("bn", norm),
        **prefixed("ln", layer), **prefixed("other", {"weight": rng.normal(size=(2, 3, 4))}),
    }  # fmt: skip
    files.save_zip(tmp_path / "net.pt", whole)
    order = "front,relu,rnn:relu,ln,bn,silu"
    result, design = imported(tmp_path / "net.pt", tmp_path, layers=order)
    x = np.maximum(data() @ first["weight"][:, :, 0].T, 0)
    x = files.run("RNN", state, x, lambda z: np.maximum(z, 0))[0]
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * layer["weight"] + layer["bias"]
    x = (x - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5)
    x = x * norm["weight"] + norm["bias"]
    equal(float_run(design, data()).outputs, x / (1 + np.exp(-x)))
    assert "left out: other" in result.notes
    with pytest.raises(DesignError, match="module 'other': its tensors are of no layer of rnnhw"):
        imported(tmp_path / "net.pt", tmp_path, layers="rnn,other")


def test_a_checkpoint_holds_its_state_dict_somewhere(tmp_path):
    state = prefixed("rnn", files.draw("GRU", INPUTS, UNITS))
    momentum = {"exp_avg": np.zeros(3, np.float32), "step": 7}
    both = {"epoch": 3, "model": state, "optimizer": {"state": {"0": momentum}, "groups": [1]}}
    files.save_zip(tmp_path / "net.pt", both)
    _, design = imported(tmp_path / "net.pt", tmp_path)
    expected = files.run("GRU", {k[4:]: v for k, v in state.items()}, data())[0]
    equal(float_run(design, data()).outputs, expected)
    files.save_zip(tmp_path / "two.pt", {**both, "ema": {"shadow": state}})
    with pytest.raises(DesignError, match=r"several state dicts: model, ema\.shadow") as caught:
        imported(tmp_path / "two.pt", tmp_path)
    assert caught.value.hint == "choose one: --from model"
    imported(tmp_path / "two.pt", tmp_path, start="ema.shadow")
    with pytest.raises(DesignError, match="no tensors under 'emma'"):
        imported(tmp_path / "two.pt", tmp_path, start="emma")


def test_parts_of_one_storage_are_read_with_their_strides(tmp_path):
    """A transposed view, and two tensors in one storage."""
    state = files.draw("RNN", INPUTS, INPUTS)
    flat = np.concatenate([state["weight_ih_l0"].T.ravel(), state["weight_hh_l0"].ravel()])
    n = INPUTS * INPUTS
    whole = {
        "weight_ih_l0": files.tensor("FloatStorage", "0", 2 * n, 0, (4, 4), (1, 4)),
        "weight_hh_l0": files.tensor("FloatStorage", "0", 2 * n, n, (4, 4), (4, 1)),
        "bias_ih_l0": state["bias_ih_l0"],
        "bias_hh_l0": state["bias_hh_l0"],
    }
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as new:
        keys = iter("12")
        content = b"\x80\x02" + files.pickled(whole, lambda array: next(keys)) + b"."
        new.writestr("m/data.pkl", content)
        for key, array in (("0", flat), ("1", state["bias_ih_l0"]), ("2", state["bias_hh_l0"])):
            new.writestr(f"m/data/{key}", array.tobytes())
    _, design = imported(tmp_path / "net.pt", tmp_path)
    equal(float_run(design, data()).outputs, files.run("RNN", state, data())[0])


def test_an_order_that_is_missing_or_wrong_is_a_wrong_call(tmp_path):
    whole = {
        **prefixed("rnn", files.draw("GRU", INPUTS, UNITS)), "head.weight": np.zeros((3, UNITS)),
    }  # fmt: skip
    files.save_zip(tmp_path / "net.pt", whole)
    with pytest.raises(UsageError, match=r"rnn \(GRU\), head \(Linear\)") as caught:
        imported(tmp_path / "net.pt", tmp_path)
    assert caught.value.hint.endswith("--layers rnn,head")
    for layers, message in {
        "rnn,heads": "unknown module 'heads'",
        "rnn,head:rel": "unknown function 'rel'",
        "last": "no module with weights",
    }.items():
        with pytest.raises(UsageError, match=message):
            imported(tmp_path / "net.pt", tmp_path, layers=layers)
    with pytest.raises(UsageError, match="the file holds no graph"):
        imported(tmp_path / "net.pt", tmp_path, end="head")


# --- exported programs ----------------------------------------------------------------------------
def program(
    tmp_path, kind="gru", layers=1, ways=1, nodes=(), output="select", sizes=None, **weights
):
    state = files.draw(kind.upper(), INPUTS, UNITS, layers, ways)
    rows = {f"rnn.{name}": value for name, value in state.items()} | weights
    zeros = {"size": {"as_ints": [layers * ways, BATCH, UNITS]}}
    hx = {"as_tensor": {"name": "zeros"}}
    if kind == "lstm":
        hx = {"as_tensors": [{"name": "zeros"}, {"name": "zeros"}]}
    p = [{"name": "p_" + name.replace(".", "_")} for name in rows if name not in weights]
    call = {
        "input": {"as_tensor": {"name": "x"}}, "hx": hx, "params": {"as_tensors": p},
        "has_biases": {"as_bool": True}, "num_layers": {"as_int": layers},
        "dropout": {"as_float": 0.0}, "train": {"as_bool": False},
        "bidirectional": {"as_bool": ways == 2}, "batch_first": {"as_bool": True},
    }  # fmt: skip
    outs = ["y", "h", "c"][: 2 + (kind == "lstm")]
    last = {"self": {"as_tensor": {"name": "y"}}, "dim": {"as_int": 1}, "index": {"as_int": -1}}
    written = [
        ("zeros.default", "", zeros, ["zeros"]),
        (f"{kind}.input", "rnn", call, outs),
        ("select.int", "", last, ["select"]),
        *nodes,
    ]
    sizes = sizes or [{"as_int": n} for n in (BATCH, STEPS, INPUTS)]
    files.save_pt2(tmp_path / "net.pt2", written, rows, {"x": sizes}, [output])
    return state


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize(("layers", "ways"), [(1, 1), (2, 1), (2, 2)])
def test_an_exported_program(kind, layers, ways, tmp_path):
    w = np.random.default_rng(1).normal(size=(3, ways * UNITS)).astype(np.float32)
    linear = {
        "input": {"as_tensor": {"name": "select"}},
        "weight": {"as_tensor": {"name": "p_head_weight"}},
        "bias": {"as_none": True},
    }
    head = [("linear.default", "head", linear, ["linear"])]
    any_size = {"as_expr": {"expr_str": "s0"}}
    sizes = [any_size, any_size, {"as_int": INPUTS}]
    more = {"head.weight": w}
    state = program(tmp_path, kind, layers, ways, head, "linear", sizes, **more)
    result, design = imported(tmp_path / "net.pt2", tmp_path)
    steps, _ = files.run(kind.upper(), state, data())
    equal(float_run(design, data()).outputs[:, 0], steps[:, -1] @ w.astype(float).T)
    assert result.network.steps[0].layer.name == "rnn"
    assert result.network.steps[-1].layer.name == "head"
    assert result.network.origin.producer == "torch 2.13.0"


def test_a_program_is_cut_where_asked(tmp_path):
    odd = {"self": {"as_tensor": {"name": "select"}}}
    state = program(tmp_path, nodes=[("erfinv.default", "", odd, ["odd"])], output="odd")
    with pytest.raises(DesignError, match=r"operation 'odd' \(erfinv\): rnnhw has no") as caught:
        imported(tmp_path / "net.pt2", tmp_path)
    assert caught.value.hint == "cut the network in front of it: --to select"
    result, design = imported(tmp_path / "net.pt2", tmp_path, end="select")
    equal(float_run(design, data()).outputs[:, 0], files.run("GRU", state, data())[0][:, -1])
    assert "left out: erfinv x1" in result.notes
    with pytest.raises(UsageError, match="unknown value 'selet'"):
        imported(tmp_path / "net.pt2", tmp_path, end="selet")


def test_the_last_state_of_a_stack(tmp_path):
    take = {"self": {"as_tensor": {"name": "h"}}, "dim": {"as_int": 0}, "index": {"as_int": -1}}
    nodes = [("select.int", "", take, ["hn"])]
    state = program(tmp_path, layers=2, nodes=nodes, output="hn")
    _, design = imported(tmp_path / "net.pt2", tmp_path)
    equal(float_run(design, data()).outputs[:, 0], files.run("GRU", state, data())[1])


# --- hostile files --------------------------------------------------------------------------------
def refused(path, folder):
    before = sorted(folder.iterdir())
    with pytest.raises(DesignError) as caught:
        import_network(path, folder / "mine.py")
    assert sorted(folder.iterdir()) == before
    assert "\n" not in caught.value.message and caught.value.message.startswith(str(path))
    return caught.value.message


def call(module, name, argument):
    return f"c{module}\n{name}\n".encode() + files.text(argument) + b"\x85R"


@pytest.mark.parametrize("save", [files.save_zip, files.save_old])
@pytest.mark.parametrize(("module", "name"), [
    ("os", "mkdir"), ("posix", "mkdir"), ("builtins", "eval"), ("torch", "load"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"), ("numpy", "load"),
])  # fmt: skip
def test_a_pickle_that_calls_is_not_run(module, name, save, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    save(path, {"a": call(module, name, "pwned")})
    message = refused(path, tmp_path)
    assert f"it holds Python objects ({module}.{name}), which are never loaded" in message
    assert not (tmp_path / "pwned").exists()


INSTRUCTIONS = {
    "a memo beyond all memory": b"\x80\x02}r\xff\xff\xff\x7f.",
    "an object": b"\x80\x02cos\nsystem\n)\x81.",
    "an extension": b"\x80\x02\x82\x01.",
    "nothing": b"",
    "no end": b"\x80\x02}",
    "an empty stack": b"\x80\x02.",
    "a number of digits": b"\x80\x02I" + b"9" * 9999 + b"\n.",
    "a storage that is none": b"\x80\x02" + files.text("x") + b"\x85Q.",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_pickles_that_are_none(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("model/data.pkl", INSTRUCTIONS[name])
    refused(tmp_path / "x.pt", tmp_path)


TENSORS = {
    "larger than its storage": (0, (4, 5), (5, 1)),
    "behind its end": (1, (4, 4), (4, 1)),
    "strides beyond it": (0, (4, 4), (5, 1)),
    "vast without strides": (0, (1 << 30, 1 << 30), (0, 0)),
    "negative": (0, (4, -4), (4, 1)),
    "negative offset": (-1, (4, 4), (4, 1)),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_claim_more_than_there_is(name, tmp_path):
    state = files.draw("RNN", INPUTS, INPUTS)
    offset, shape, strides = TENSORS[name]
    state["weight_ih_l0"] = files.tensor("FloatStorage", "0", 16, offset, shape, strides)
    files.save_zip(tmp_path / "x.pt", state)
    message = refused(tmp_path / "x.pt", tmp_path)
    assert "claims" in message or "is not described" in message


@pytest.mark.parametrize("suffix", [*SAVE, ".pt2"])
def test_every_truncation_is_refused(suffix, tmp_path):
    path = tmp_path / f"net{suffix}"
    if suffix == ".pt2":
        program(tmp_path)
    else:
        SAVE[suffix](path, prefixed("rnn", files.draw("GRU", INPUTS, UNITS)))
    for size in range(path.stat().st_size - 1, -1, -173):
        os.truncate(path, size)
        refused(path, tmp_path)


@pytest.mark.parametrize("suffix", [".pt", ".pt2", ".safetensors"])
def test_files_that_are_none(suffix, tmp_path):
    for k, content in enumerate([b"", b"hello" * 9, bytes(99), b"PK\x05\x06" + bytes(18)]):
        path = tmp_path / f"x{k}{suffix}"
        path.write_bytes(content)
        refused(path, tmp_path)
    refused(tmp_path / f"missing{suffix}", tmp_path)


def test_torchscript_and_numbers_that_are_none(tmp_path):
    state = prefixed("rnn", files.draw("GRU", INPUTS, UNITS))
    files.save_zip(tmp_path / "x.pt", state, **{"code/a.py": "import os"})
    assert "TorchScript, which is code" in refused(tmp_path / "x.pt", tmp_path)
    state["rnn.weight_ih_l0"][3, 2] = np.nan
    files.save_zip(tmp_path / "y.pt", state)
    assert "tensor 'rnn.weight_ih_l0'" in refused(tmp_path / "y.pt", tmp_path)


HEADERS = {
    "no list": [],
    "no entry": {"w": 3},
    "type": {"w": {"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}},
    "vast": {"w": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}},
    "shape": {"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}},
    "beyond": {"w": {"dtype": "F32", "shape": [1], "data_offsets": [1 << 40, (1 << 40) + 4]}},
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_safetensors_that_are_none(name, tmp_path):
    files.save_safe(tmp_path / "x.safetensors", {"a": np.zeros(4, np.float32)}, HEADERS[name])
    refused(tmp_path / "x.safetensors", tmp_path)


def test_a_program_of_weights_that_are_pickles(tmp_path):
    program(tmp_path)
    with (
        zipfile.ZipFile(tmp_path / "net.pt2") as old,
        zipfile.ZipFile(tmp_path / "x.pt2", "w") as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("weights_config.json"):
                content = content.replace(b'"use_pickle": false', b'"use_pickle": true')
            new.writestr(name, content)
    assert "is a pickle, which is never loaded" in refused(tmp_path / "x.pt2", tmp_path)


# --- torch itself ---------------------------------------------------------------------------------
def torch_modules(torch):
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self, rnn, pick, *head):
            super().__init__()
            self.rnn, self.pick, self.head = rnn, pick, nn.Sequential(*head)

        def forward(self, x):
            y, h = self.rnn(x)
            return self.head(self.pick(y, h[0] if isinstance(h, tuple) else h))

    def both(y, h):
        return torch.cat([h[-2], h[-1]], -1)

    last = {"batch_first": True}
    return {
        "stack": Net(nn.LSTM(4, 6, 2, **last), lambda y, h: y[:, -1], nn.Linear(6, 3)),
        "both": Net(nn.GRU(4, 6, bidirectional=True, **last), both, nn.Linear(12, 3)),
        "relu": Net(nn.RNN(4, 6, nonlinearity="relu", **last), lambda y, h: y.mean(1)),
        "time first": Net(nn.GRU(4, 6), lambda y, h: y, nn.Linear(6, 5), nn.GELU()),
        "projection": Net(nn.LSTM(4, 6, proj_size=3, **last), lambda y, h: h[-1]),
        "norms": Net(
            nn.GRU(4, 6, **last), lambda y, h: y.max(1).values, nn.BatchNorm1d(6), nn.LayerNorm(6)
        ),
    }


@pytest.mark.filterwarnings("ignore")
def test_files_of_torch_equal_torch(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)
    for name, module in torch_modules(torch).items():
        module.eval().double()
        x = torch.tensor(data())
        path = tmp_path / f"{re.sub(' ', '_', name)}.pt2"
        torch.export.save(torch.export.export(module, (x,)), str(path))
        _, design = imported(path, tmp_path)
        with torch.no_grad():
            expected = module(x).numpy()
        turned = name == "time first"
        found = float_run(design, data().transpose(1, 0, 2) if turned else data()).outputs
        expected = expected.transpose(1, 0, 2) if turned else expected
        found = found if expected.ndim == 3 else found[:, 0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)
        torch.save(module.rnn.state_dict(), tmp_path / "state.pt")
        if name != "relu":
            imported(tmp_path / "state.pt", tmp_path)
    torch.save(torch.nn.GRU(2, 3), tmp_path / "whole.pt")
    with pytest.raises(DesignError, match="it holds Python objects"):
        imported(tmp_path / "whole.pt", tmp_path)
