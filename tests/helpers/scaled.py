"""Layers whose rows of weights have scales of their own."""

from dataclasses import replace

import numpy as np

from rnnhw import Design, Formats, Linear, Q, Target
from rnnhw.graph.nodes import Matvec
from rnnhw.graph.row_scales import SCALES

EXPONENT = Q(2, 0, signed=False)
FORMATS = Formats(
    input=Q(1, 6),
    weight=Q(-1, 8),
    bias=Q(2, 8),
    sum=Q(3, 5),
    state=Q(0, 7),
    cell=Q(2, 6),
    scale_exponent=EXPONENT,
)
MULTIPLIER = Q(3, 5, signed=False)
MULTIPLIED = replace(FORMATS, scale_exponent=None, scale=MULTIPLIER)


def scaled(layer, formats=FORMATS, *, seed=0, lanes=4):
    """A design of ``layer`` and a read-out, with rows of weights of quite different sizes."""
    layers, rng = [layer, Linear(3, name="out")], np.random.default_rng(seed)
    target = Target("ecp5-25", lanes=lanes)
    empty = Design(layers, formats, inputs=3, target=target)
    weights = {}
    for tensor in empty.network.tensors:
        if tensor.role not in SCALES:
            values = rng.normal(0, 0.4, tensor.shape)
            if values.ndim > 1:
                rows = (*tensor.shape[:-1], 1)
                values *= np.exp2(rng.integers(-3, 2, rows))
            weights[tensor.key] = values
    for scan in empty.network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec):  # the corners of bands hold nothing
                unused = node.structure.parameter_rows(node.units, node.vector.units) < 0
                weights[node.weights.key].ravel()[unused] = 0
    return Design(layers, formats, weights, inputs=3, target=target)
