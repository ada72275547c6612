"""Keras' recurrent layers in float64 NumPy, by their documented equations; and files as Keras
writes them. Nothing here knows rnnhw or Keras."""

import io
import json
import re
import zipfile

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "hard_sigmoid": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "hard_sigmoid of 2": lambda z: np.clip(z / 5 + 0.5, 0, 1),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "silu": lambda z: z * sigmoid(z),
}


def recurrent(kind, config, weights, x):
    """A layer on ``x`` [batch, steps, inputs]: all steps as it gives them, and the last state."""
    w, u, *bias = weights
    units = config["units"]
    f = FUNCTIONS[config["activation"]]
    g = FUNCTIONS[config.get("recurrent_activation", "sigmoid")]
    rows = np.zeros(w.shape[1])
    b = bias[0] if bias else rows
    h = c = np.zeros((len(x), units))
    order = range(x.shape[1])[::-1] if config.get("go_backwards") else range(x.shape[1])
    steps = []
    for t in order:
        if kind == "SimpleRNN":
            h = f(x[:, t] @ w + h @ u + b)
        elif kind == "LSTM":
            i, forget, new, o = np.split(x[:, t] @ w + h @ u + b, 4, 1)
            c = g(forget) * c + g(i) * f(new)
            h = g(o) * f(c)
        elif config["reset_after"]:
            bi, br = b if bias else (rows, rows)
            xz, xr, xh = np.split(x[:, t] @ w + bi, 3, 1)
            hz, hr, hh = np.split(h @ u + br, 3, 1)
            z, r = g(xz + hz), g(xr + hr)
            h = z * h + (1 - z) * f(xh + r * hh)
        else:
            xz, xr, xh = np.split(x[:, t] @ w + b, 3, 1)
            uz, ur, uh = np.split(u, 3, 1)
            z, r = g(xz + h @ uz), g(xr + h @ ur)
            h = z * h + (1 - z) * f(xh + (r * h) @ uh)
        steps.append(h)
    return np.stack(steps, 1), h


GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}


def recurrent_config(kind, name, units=5, **more):
    config = {"name": name, "units": units, "activation": "tanh", "use_bias": True}
    if kind != "SimpleRNN":
        config["recurrent_activation"] = "sigmoid"
    if kind == "GRU":
        config["reset_after"] = True
    return {**config, "return_sequences": False, "go_backwards": False, "stateful": False, **more}


def recurrent_weights(kind, config, inputs, rng):
    rows = GATES[kind] * config["units"]
    shapes = [(inputs, rows), (config["units"], rows)]
    if config["use_bias"]:
        shapes.append((2, rows) if config.get("reset_after") else (rows,))
    return [(rng.normal(size=shape) * 0.4).astype(np.float32) for shape in shapes]


def snake(name):
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def sequential(layers):
    """The configuration of a Sequential model of (class, config) pairs."""
    return {
        "class_name": "Sequential",
        "config": {
            "name": "sequential",
            "layers": [{"class_name": kind, "config": config} for kind, config in layers],
        },
    }


def save_keras(path, model, weights, version="3.15.1"):
    """A ``.keras`` file; ``weights`` are by layer name a list of (group, arrays)."""
    import h5py

    seen, content = {}, io.BytesIO()
    with h5py.File(content, "w") as file:
        for layer in model["config"]["layers"]:
            kind, name = snake(layer["class_name"]), layer["config"]["name"]
            count = seen.get(kind, 0)
            seen[kind] = count + 1
            group = file.create_group(f"layers/{kind}_{count}" if count else f"layers/{kind}")
            for below, arrays in weights.get(name, []):
                inner = group.require_group(below) if below else group
                for k, array in enumerate(arrays):
                    inner.require_group("vars").create_dataset(str(k), data=array)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("model.weights.h5", content.getvalue())


def save_h5(path, model, weights, version="2.15.0"):
    """A legacy ``.h5`` file."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        file.attrs["keras_version"] = version
        top = file.create_group("model_weights")
        for layer in model["config"]["layers"]:
            name = layer["config"]["name"]
            group = top.create_group(name)
            names = []
            for below, arrays in weights.get(name, []):
                for k, array in enumerate(arrays):
                    names.append(f"{name}/{below or 'own'}/weight_{k}:0")
                    group.create_dataset(names[-1], data=array)
            group.attrs["weight_names"] = [each.encode() for each in names]
