"""What both training scripts share: recurrent structures, restarts side by side, saving.

A script trains all its seeds at once: every parameter has a leading axis of restarts, and every
restart draws its initial values and its noise from its own generator, so that a seed names one
net. The restarts meet only in the sum of their losses, which separates their gradients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

Parameters = dict[str, Tensor]
"""Arrays of one or more nets by the name that the weight file gives them."""

Draw = Callable[[torch.Generator], Parameters]
"""Initial parameters of one net, without the axis of restarts."""

DESIGNS = Path(__file__).resolve().parent.parent

BLOCK = 4
"""Units in a block of the block-diagonal structure."""


@dataclass(frozen=True)
class Between:
    """What a net does between the factors of a recurrence: nothing to a linear one as it trains,
    the rounding of a word as it runs in fixed point."""

    stage: Callable[[Tensor], Tensor] = lambda values: values
    """The cast of a linear factor's result."""

    neurons: Callable[[Tensor], Tensor] = torch.sigmoid
    """Sums to activations, for the factors that are layers of neurons."""


EXACT = Between()


@dataclass(frozen=True)
class Structure:
    """A family of recurrent matrices R: how its parameters start, and the product R h."""

    draw: Callable[[torch.Generator, int], Parameters]
    """(generator, units) to the initial `rnn.U...` arrays of one net."""

    product: Callable[..., Tensor]
    """(parameters, h [restarts, batch, units], between=EXACT) to R h, of the same shape."""

    hidden: Callable[[int], int] = lambda units: 0
    """(units) to the neurons between its factors."""


def uniform(generator: torch.Generator, shape: Sequence[int], bound: float) -> Tensor:
    """Values uniform in [-bound, bound)."""
    return (2 * torch.rand(*shape, generator=generator) - 1) * bound


def linear(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """[restarts, ..., in], [restarts, out, in], [restarts, out] to [restarts, ..., out]."""
    shape = inputs.shape[:-1]
    rows = inputs.flatten(1, -2)
    return torch.baddbmm(bias[:, None], rows, weights.mT).unflatten(1, shape[1:])


def draw_linear(generator: torch.Generator, name: str, outputs: int, inputs: int) -> Parameters:
    """Weights [outputs, inputs] uniform in +-1/sqrt(inputs), biases zero."""
    weights = uniform(generator, (outputs, inputs), inputs**-0.5)
    return {f"{name}.W": weights, f"{name}.b": torch.zeros(outputs)}


def _draw_dense(generator: torch.Generator, units: int) -> Parameters:
    return {"rnn.U": uniform(generator, (units, units), units**-0.5)}


def _dense_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    return state @ parameters["rnn.U"].mT


def _draw_diagonal(generator: torch.Generator, units: int) -> Parameters:
    return {"rnn.U": uniform(generator, (units,), 1.0)}


def _diagonal_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    return parameters["rnn.U"][:, None] * state


def _draw_tridiagonal(generator: torch.Generator, units: int) -> Parameters:
    """LAPACK band storage [3, units]: bands[1 + i - j, j] = R[i, j]; the unused corners are 0."""
    bands = uniform(generator, (3, units), 3**-0.5)
    bands[0, 0] = bands[2, -1] = 0
    return {"rnn.U": bands}


def _tridiagonal_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    above, diagonal, below = (parameters["rnn.U"][:, :, None] * state[:, None]).unbind(1)
    return diagonal + pad(above[..., 1:], (0, 1)) + pad(below[..., :-1], (1, 0))


def sylvester(units: int) -> Tensor:
    """The +-1 Hadamard matrix [units, units] in natural (Sylvester) order."""
    matrix = torch.ones(1, 1)
    while len(matrix) < units:
        matrix = torch.kron(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), matrix)
    return matrix


def _draw_hadamard(generator: torch.Generator, units: int) -> Parameters:
    """R = diag(after) H diag(before); `after` carries the 1/sqrt(units) that makes H orthogonal."""
    return {
        "rnn.U.before": uniform(generator, (units,), 1.0),
        "rnn.U.after": uniform(generator, (units,), units**-0.5),
    }


def _hadamard_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    scaled = between.stage(parameters["rnn.U.before"][:, None] * state)
    return parameters["rnn.U.after"][:, None] * (scaled @ sylvester(state.shape[-1]).to(state))


def _draw_blocks(generator: torch.Generator, units: int) -> Parameters:
    """The diagonal blocks [units / BLOCK, BLOCK, BLOCK]."""
    return {"rnn.U": uniform(generator, (units // BLOCK, BLOCK, BLOCK), BLOCK**-0.5)}


def _block_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    blocks = parameters["rnn.U"]
    parts = state.unflatten(-1, (-1, 1, BLOCK))
    return (blocks[:, None] * parts).sum(-1).flatten(-2)


def _draw_low_rank(generator: torch.Generator, units: int) -> Parameters:
    """R = diag(d) + left right, of rank 1 beside the diagonal."""
    return {
        "rnn.U.0": uniform(generator, (units,), 1.0),
        "rnn.U.1.left": uniform(generator, (units, 1), units**-0.25),
        "rnn.U.1.right": uniform(generator, (1, units), units**-0.25),
    }


def _low_rank_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    inner = between.stage(state @ parameters["rnn.U.1.right"].mT)
    return parameters["rnn.U.0"][:, None] * state + inner @ parameters["rnn.U.1.left"].mT


def _draw_butterfly(generator: torch.Generator, units: int) -> Parameters:
    """log2(units) stages [units / 2, 2, 2]; `_butterfly_stage` says which weight is where."""
    shape = (units // 2, 2, 2)
    stages = range(units.bit_length() - 1)
    return {f"rnn.U.{stage}": uniform(generator, shape, 1.0) for stage in stages}


def _butterfly_stage(weights: Tensor, state: Tensor) -> Tensor:
    """Out of place: from pairs (2k, 2k + 1), weights[k, 0] gives output k, weights[k, 1] output
    units / 2 + k."""
    pairs = state.unflatten(-1, (-1, 1, 2))
    return (weights[:, None] * pairs).sum(-1).mT.flatten(-2)


def _butterfly_product(parameters: Parameters, state: Tensor, between: Between = EXACT) -> Tensor:
    last = state.shape[-1].bit_length() - 2
    for stage in range(last):
        state = between.stage(_butterfly_stage(parameters[f"rnn.U.{stage}"], state))
    return _butterfly_stage(parameters[f"rnn.U.{last}"], state)


def _draw_butterfly_neurons(generator: torch.Generator, units: int) -> Parameters:
    """A butterfly, and a bias for each neuron behind every stage but the last."""
    inner = range(units.bit_length() - 2)
    biases = {f"rnn.U.bias{stage}": torch.zeros(units) for stage in inner}
    return _draw_butterfly(generator, units) | biases


def _butterfly_neurons_product(
    parameters: Parameters, state: Tensor, between: Between = EXACT
) -> Tensor:
    last = state.shape[-1].bit_length() - 2
    for stage in range(last):
        sums = _butterfly_stage(parameters[f"rnn.U.{stage}"], state)
        state = between.neurons(sums + parameters[f"rnn.U.bias{stage}"][:, None])
    return _butterfly_stage(parameters[f"rnn.U.{last}"], state)


STRUCTURES = {
    "dense": Structure(_draw_dense, _dense_product),
    "diagonal": Structure(_draw_diagonal, _diagonal_product),
    "tridiagonal": Structure(_draw_tridiagonal, _tridiagonal_product),
    "hadamard": Structure(_draw_hadamard, _hadamard_product),
    "blockdiagonal": Structure(_draw_blocks, _block_product),
    "butterfly": Structure(_draw_butterfly, _butterfly_product),
    "butterfly_neurons": Structure(
        _draw_butterfly_neurons,
        _butterfly_neurons_product,
        hidden=lambda units: units * (units.bit_length() - 2),
    ),
    "lowrank": Structure(_draw_low_rank, _low_rank_product),
}


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One generator per restart."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def draw_restarts(draw: Draw, sources: Sequence[torch.Generator]) -> Parameters:
    """Trainable parameters of all restarts, each array with a leading axis of restarts."""
    nets = [draw(source) for source in sources]
    return {name: torch.stack([net[name] for net in nets]).requires_grad_() for name in nets[0]}


def select_restart(parameters: Parameters, restart: int) -> Parameters:
    """The arrays of one restart, without the leading axis."""
    return {name: values[restart].detach() for name, values in parameters.items()}


def save(parameters: Parameters, path: Path) -> None:
    """Write one net as an .npz of float32 arrays; the file appears whole or not at all."""
    temporary = path.with_suffix(".npz.part")
    with temporary.open("wb") as file:
        np.savez(file, **{name: values.numpy() for name, values in parameters.items()})
    temporary.replace(path)


def progress(*words: object) -> None:
    """One line on standard error."""
    print(*words, file=sys.stderr, flush=True)


def prepare_torch() -> None:
    """One thread and deterministic kernels: the same machine gives the same bits."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def parse_arguments(description: str, names: Sequence[str]) -> argparse.Namespace:
    """The command line of a training script: `[NAME ...] [--out DIR]`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; default all")
    parser.add_argument("--out", type=Path, default=DESIGNS, metavar="DIR", help="where to write")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in names]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")
    arguments.names = arguments.names or list(names)
    return arguments
