"""Files as torch writes them, made without torch, and torch's recurrent layers in float64."""

import json
import zipfile

import numpy as np

STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
}


# --- pickles, instruction by instruction ----------------------------------------------------------
def text(value):
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def number(value):
    return b"J" + int(value).to_bytes(4, "little", signed=True)


def pickled(value, put):
    """Instructions that build ``value``; ``put(array)`` stores an array and gives its key."""
    if isinstance(value, dict):
        items = b"".join(text(str(k)) + pickled(v, put) for k, v in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return number(value)
    if isinstance(value, list):
        return b"](" + b"".join(pickled(v, put) for v in value) + b"e"
    if isinstance(value, bytes):  # instructions of the caller's own
        return value
    shape = value.shape
    strides = [s // value.itemsize for s in np.array(value, order="C").strides]
    return tensor(STORAGES[value.dtype.name], put(value), value.size, 0, shape, strides)


def tensor(storage, key, count, offset, shape, strides):
    """Instructions of one tensor."""
    storage = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu")
    whole = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(count) + b"tQ" + number(offset)
    )
    for sizes in (shape, strides):
        whole += b"(" + b"".join(map(number, sizes)) + b"t"
    return whole + b"\x89ccollections\nOrderedDict\n)RtR"


def save_zip(path, value, **members):
    """A checkpoint of torch.save since 1.6."""
    stored = []

    def put(array):
        stored.append(np.ascontiguousarray(array))
        return str(len(stored) - 1)

    program = b"\x80\x02" + pickled(value, put) + b"."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", program)
        archive.writestr("model/byteorder", "little")
        for key, array in enumerate(stored):
            archive.writestr(f"model/data/{key}", array.tobytes())
        for name, content in members.items():
            archive.writestr(f"model/{name}", content)


def save_old(path, value):
    """A checkpoint of torch before 1.6."""
    stored = []

    def put(array):
        stored.append(np.ascontiguousarray(array))
        return str(94000 + len(stored))

    magic = 0x1950A86A20F9469CFC6C
    head = b"\x80\x02\x8a\x0a" + magic.to_bytes(10, "little") + b"."
    head += b"\x80\x02M\xe9\x03."
    head += b"\x80\x02" + pickled({"little_endian": True, "protocol_version": 1001}, put) + b"."
    body = b"\x80\x02" + pickled(value, put) + b"."
    keys = b"\x80\x02" + pickled([str(94001 + k) for k in range(len(stored))], put) + b"."
    raw = b"".join(a.size.to_bytes(8, "little") + a.tobytes() for a in stored)
    path.write_bytes(head + body + keys + raw)


def save_safe(path, value, header=None):
    """A safetensors file."""
    types = {"float64": "F64", "float32": "F32", "float16": "F16"}
    entries, raw = {"__metadata__": {"format": "pt"}}, b""
    for name, array in value.items():
        place = [len(raw), len(raw) + array.nbytes]
        entries[name] = {
            "dtype": types[array.dtype.name], "shape": list(array.shape), "data_offsets": place,
        }  # fmt: skip
        raw += array.tobytes()
    text_ = json.dumps(entries if header is None else header).encode()
    path.write_bytes(len(text_).to_bytes(8, "little") + text_ + raw)


def save_pt2(path, nodes, weights, inputs, outputs):
    """An exported program: ``nodes`` of (operator, arguments, outputs), ``inputs`` with sizes."""

    def meta(shape):
        strides = [int(np.prod(shape[k + 1 :])) for k in range(len(shape))]
        return {
            "dtype": 7, "sizes": [{"as_int": n} for n in shape],
            "strides": [{"as_int": n} for n in strides], "storage_offset": {"as_int": 0},
        }  # fmt: skip

    def named(name):
        return {"as_tensor": {"name": name}}

    def p(name):
        return "p_" + name.replace(".", "_")

    graph = {
        "inputs": [named(name) for name in (*map(p, weights), *inputs)],
        "outputs": [named(name) for name in outputs],
        "nodes": [
            {
                "target": f"torch.ops.aten.{target}",
                "inputs": [{"name": k, "arg": v, "kind": 1} for k, v in arguments.items()],
                "outputs": [named(name) for name in outs],
                "metadata": {"nn_module_stack": f"L,,m;L__self__{module},{module},torch.nn.X"},
                "name": outs[0],
            }
            for target, module, arguments, outs in nodes
        ],
        "tensor_values": {name: {"sizes": sizes} for name, sizes in inputs.items()},
    }
    specs = [
        {"parameter": {"arg": {"name": p(name)}, "parameter_name": name}} for name in weights
    ] + [{"user_input": {"arg": named(name)}} for name in inputs]
    model = {
        "graph_module": {
            "graph": graph,
            "signature": {
                "input_specs": specs,
                "output_specs": [{"user_output": {"arg": named(name)}} for name in outputs],
            },
        },
        "torch_version": "2.13.0",
    }
    config = {
        name: {"path_name": f"weight_{k}", "is_param": True, "use_pickle": False,
               "tensor_meta": meta(array.shape)}
        for k, (name, array) in enumerate(weights.items())
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/models/model.json", json.dumps(model))
        archive.writestr("m/data/weights/model_weights_config.json", json.dumps({"config": config}))
        archive.writestr("m/data/constants/model_constants_config.json", '{"config": {}}')
        archive.writestr("m/data/sample_inputs/model.pt", b"\x80\x02cos\nsystem\n.")
        for k, array in enumerate(weights.values()):
            archive.writestr(f"m/data/weights/weight_{k}", array.tobytes())


# --- torch's layers -------------------------------------------------------------------------------
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def draw(kind, inputs, units, layers=1, ways=1, projection=0, seed=0):
    """A state dict of one module, without a prefix."""
    rng = np.random.default_rng(seed)
    rows, state = GATES[kind] * units, projection or units
    found = {}
    for layer in range(layers):
        for back in ("", "_reverse")[:ways]:
            width = inputs if layer == 0 else state * ways
            for stem, shape in (
                ("weight_ih", (rows, width)), ("weight_hh", (rows, state)), ("bias_ih", (rows,)),
                ("bias_hh", (rows,)), *([("weight_hr", (projection, units))] if projection else []),
            ):  # fmt: skip
                values = rng.normal(size=shape) * 0.4
                found[f"{stem}_l{layer}{back}"] = values.astype(np.float32)
    return found


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def run(kind, state, x, function=np.tanh):
    """All steps of the last layer [batch, steps, units], and its last states, joined."""
    layers = 1 + max(int(name.partition("_l")[2][0]) for name in state)
    ways = ("", "_reverse")[: 1 + any("reverse" in name for name in state)]
    for layer in range(layers):
        outputs, ends = [], []
        for back in ways:
            w, u, b, b2 = (
                state[f"{stem}_l{layer}{back}"].astype(np.float64)
                for stem in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            p = state.get(f"weight_hr_l{layer}{back}")
            units = w.shape[0] // GATES[kind]
            h, c = np.zeros((len(x), u.shape[1])), np.zeros((len(x), units))
            steps = np.zeros((len(x), x.shape[1], u.shape[1]))
            for t in range(x.shape[1])[:: -1 if back else 1]:
                a, r = x[:, t] @ w.T + b, h @ u.T + b2
                if kind == "RNN":
                    h = function(a + r)
                elif kind == "LSTM":
                    i, f, g, o = np.split(a + r, 4, 1)
                    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                    h = sigmoid(o) * np.tanh(c)
                    h = h if p is None else h @ p.astype(np.float64).T
                else:
                    (ar, az, an), (rr, rz, rn) = np.split(a, 3, 1), np.split(r, 3, 1)
                    z = sigmoid(az + rz)
                    h = (1 - z) * np.tanh(an + sigmoid(ar + rr) * rn) + z * h
                steps[:, t] = h
            outputs.append(steps)
            ends.append(h)
        x = np.concatenate(outputs, -1)
    return x, np.concatenate(ends, -1)
