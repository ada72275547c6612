"""A small Elman network: its design, and the same in plain NumPy, written from the equations."""

import numpy as np

from rnnhw import (
    Banded,
    Dense,
    Design,
    Diagonal,
    Elman,
    Formats,
    Hadamard,
    Last,
    Linear,
    Mean,
    Q,
    Tanh,
)

UNITS, INPUTS, OUTPUTS, STEPS = 8, 3, 2, 6
LENGTHS = np.array([6, 1, 4, 6, 3])
FORMATS = Formats(
    input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), stage=Q(4, 9), output=Q(4, 6)
)
STRUCTURES = {
    "dense": Dense(),
    "banded": Banded(2, 1),
    "diagonal": Diagonal(),
    "hadamard": Hadamard(),
}


def identity(values):
    return values


def rounded(format):
    """Half up, then saturated: the default modes, in floating point."""

    def to_format(values):
        raw = np.floor(values * 2.0**format.fraction + 0.5)
        return np.clip(raw, format.min, format.max) * 2.0**-format.fraction

    return to_format


def samples(seed=0, scale=1.9):
    """Inputs [sequences, steps, features] with rubbish past each length."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-scale, scale, (len(LENGTHS), STEPS, INPUTS))
    x[np.arange(STEPS) >= LENGTHS[:, None]] = 1e6
    return x


def weights(structure, seed=1, scale=0.6):
    rng = np.random.default_rng(seed)
    tensors = {"rnn.W": (UNITS, INPUTS), "rnn.b": (UNITS,), "head.W": (OUTPUTS, UNITS)}
    tensors["head.b"] = (OUTPUTS,)
    match structure:
        case "dense":
            tensors["rnn.U"] = (UNITS, UNITS)
        case "banded":
            tensors["rnn.U"] = (4, UNITS)
        case "diagonal":
            tensors["rnn.U"] = (UNITS,)
        case "hadamard":
            tensors |= {"rnn.U.before": (UNITS,), "rnn.U.after": (UNITS,)}
    arrays = {key: rng.uniform(-scale, scale, shape) for key, shape in tensors.items()}
    if structure == "banded":
        for row, column in np.ndindex(4, UNITS):
            if not 0 <= column + row - 1 < UNITS:
                arrays["rnn.U"][row, column] = 0.0
    return arrays


def design(structure="dense", readout="every", formats=FORMATS, activation=None, **more):
    layers = [
        Elman(
            UNITS,
            recurrent=STRUCTURES[structure],
            activation=activation or Tanh(),
            name="rnn",
        )
    ]
    if readout != "every":
        layers.append(Last() if readout == "last" else Mean())
    return Design(
        inputs=INPUTS,
        max_steps=STEPS,
        layers=[*layers, Linear(OUTPUTS, name="head")],
        formats=formats,
        weights=more.pop("weights", None) or weights(structure),
        **more,
    )


def recurrent_matrix(structure, arrays):
    if structure == "dense":
        return arrays["rnn.U"]
    if structure == "diagonal":
        return np.diag(arrays["rnn.U"])
    matrix = np.zeros((UNITS, UNITS))
    for i, j in np.ndindex(UNITS, UNITS):
        if structure == "banded":
            if i - 2 <= j <= i + 1:
                matrix[i, j] = arrays["rnn.U"][1 + i - j, j]
        else:
            sign = (-1) ** bin(i & j).count("1")
            matrix[i, j] = arrays["rnn.U.after"][i] * sign * arrays["rnn.U.before"][j]
    return matrix


def numpy_elman(
    structure,
    arrays,
    x,
    readout="every",
    *,
    to_sum=identity,
    to_state=identity,
    f=np.tanh,
):
    """One list of outputs [steps, units] and one of states a sequence."""
    matrix = recurrent_matrix(structure, arrays)
    outputs, states, sums = [], [], []
    for sequence, length in zip(x, LENGTHS, strict=True):
        h, hs, zs = np.zeros(UNITS), [], []
        for t in range(length):
            zs.append(to_sum(arrays["rnn.W"] @ sequence[t] + matrix @ h + arrays["rnn.b"]))
            h = to_state(f(zs[-1]))
            hs.append(h)
        read = {"every": np.array(hs), "last": np.array([h]), "mean": np.array([sum(hs)])}[readout]
        # The undivided mean is the total; the bias counts once a step.
        bias = arrays["head.b"] * (length if readout == "mean" else 1)
        outputs.append(read @ arrays["head.W"].T + bias)
        states.append(np.array(hs))
        sums.append(np.array(zs))
    return outputs, states, sums
