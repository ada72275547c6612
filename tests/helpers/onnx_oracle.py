"""ONNX's RNN, GRU and LSTM in float64 NumPy, from the text of their specifications alone.

Nothing here knows rnnhw: https://onnx.ai/onnx/operators/onnx__LSTM.html and its neighbours.
"""

import numpy as np

ACTIVATIONS = {
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "Tanh": lambda x, a, b: np.tanh(x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Affine": lambda x, a, b: a * x + b,
    "LeakyRelu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "ThresholdedRelu": lambda x, a, b: np.where(x >= a, x, 0),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "Elu": lambda x, a, b: np.where(x >= 0, x, a * (np.exp(x) - 1)),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Softplus": lambda x, a, b: np.log1p(np.exp(x)),
}
ALPHA = {
    "Affine": 1.0, "LeakyRelu": 0.01, "ThresholdedRelu": 1.0, "ScaledTanh": 1.0,
    "HardSigmoid": 0.2, "Elu": 1.0,
}  # fmt: skip
BETA = {"Affine": 0.0, "ScaledTanh": 1.0, "HardSigmoid": 0.5}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def functions(kind, attributes, directions):
    """The functions of every direction; alpha and beta go, in order, to those that have them."""
    names = attributes.get("activations") or DEFAULTS[kind] * directions
    alphas, betas = (list(attributes.get(f"activation_{p}", ())) for p in ("alpha", "beta"))
    clip = attributes.get("clip")
    made = []
    for name in names:
        a = (alphas.pop(0) if alphas else ALPHA[name]) if name in ALPHA else 0.0
        b = (betas.pop(0) if betas else BETA[name]) if name in BETA else 0.0
        limit = np.inf if clip is None else clip
        made.append(
            lambda x, f=ACTIVATIONS[name], a=a, b=b, limit=limit: f(np.clip(x, -limit, limit), a, b)
        )
    count = len(DEFAULTS[kind])
    return [made[k * count : (k + 1) * count] for k in range(directions)]


def run(kind, attributes, x, w, r, b=None, lengths=None, h0=None, c0=None, p=None):
    """Y [steps, directions, batch, units], Y_h and Y_c [directions, batch, units].

    ``x`` is [steps, batch, inputs], whatever the layout of the file.
    """
    directions, _, units = r.shape
    steps, batch, _ = x.shape
    y = np.zeros((steps, directions, batch, units))
    last_h, last_c = (np.zeros((directions, batch, units)) for _ in range(2))
    for d, fs in enumerate(functions(kind, attributes, directions)):
        backward = attributes.get("direction") == "reverse" or d == 1
        rows = GATES[kind] * units
        wb, rb = (np.zeros(rows),) * 2 if b is None else (b[d, :rows], b[d, rows:])
        for n in range(batch):
            length = steps if lengths is None else lengths[n]
            h = np.zeros(units) if h0 is None else h0[d, n]
            c = np.zeros(units) if c0 is None else c0[d, n]
            for step in range(length):
                t = length - 1 - step if backward else step
                args = (fs, x[t, n], h, c, w[d], r[d], wb, rb, None if p is None else p[d])
                h, c = STEPS[kind](attributes, *args)
                y[t, d, n] = h
            last_h[d, n], last_c[d, n] = h, c
    return y, last_h, last_c


def rnn_step(attributes, fs, x, h, c, w, r, wb, rb, p):
    return fs[0](w @ x + r @ h + wb + rb), c


def gru_step(attributes, fs, x, h, c, w, r, wb, rb, p):
    (wz, wr, wh), (rz, rr, rh) = np.split(w, 3), np.split(r, 3)
    (wbz, wbr, wbh), (rbz, rbr, rbh) = np.split(wb, 3), np.split(rb, 3)
    z = fs[0](wz @ x + rz @ h + wbz + rbz)
    q = fs[0](wr @ x + rr @ h + wbr + rbr)
    if attributes.get("linear_before_reset", 0):
        new = fs[1](wh @ x + q * (rh @ h + rbh) + wbh)
    else:
        new = fs[1](wh @ x + rh @ (q * h) + rbh + wbh)
    return (1 - z) * new + z * h, c


def lstm_step(attributes, fs, x, h, c, w, r, wb, rb, p):
    i, o, f, g = np.split(w @ x + r @ h + wb + rb, 4)
    pi, po, pf = (0, 0, 0) if p is None else np.split(p, 3)
    i = fs[0](i + pi * c)
    f = 1 - i if attributes.get("input_forget", 0) else fs[0](f + pf * c)
    c = f * c + i * fs[1](g)
    o = fs[0](o + po * c)
    return o * fs[2](c), c


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}
