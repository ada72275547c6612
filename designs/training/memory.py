"""Train the memory designs: `python designs/training/memory.py [NAME ...] [--out DIR]`.

`recall_elman`, `recall_lstm` and `recall_window` give the sign of one marked input for as long as
they are asked; `narma10` forecasts a series that needs ten steps of memory (both tasks are
rnnhw's `Recall` and `Narma10`, which tell more). The optimiser is Adam (Kingma and Ba, 2015).

For recall, weights and states are trained under noise as wide as half the last place of a 4-bit
word: a latch survives it, a slowly decaying trace does not, and a stored value must stand clear of
the other inputs. The loss counts every step behind the marked one, so no delay is preferred. For
narma10 the weights alone are noisy, by half the last place of 8 bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _common import (
    DESIGNS,
    Parameters,
    draw_linear,
    draw_restarts,
    generators,
    linear,
    parse_arguments,
    prepare_torch,
    progress,
    save,
    select_restart,
    uniform,
)
from recall_proof import Proof, prove_recall
from torch import Tensor
from torch.nn.functional import softplus

from rnnhw import Narma10, Recall, load
from rnnhw.conversion.torch import weights as torch_weights
from rnnhw.design.tasks import Samples

SEEDS = range(8)
VALIDATION_SEED = 1000
ITERATIONS = 1500
RAMP = 750
"""Iterations over which the noise grows from nothing to its full width."""

BATCH = 64
LEARNING_RATE = 0.01
LEAD = 7
"""Most steps before the marked one."""

DELAY = 24
"""Sequences grow to LEAD + DELAY steps: no delay that long is ever shown."""

WORDS = (8, 6, 4)
"""The word lengths at which restarts are compared."""

VALIDATION_DELAY = 200
FOREVER = 1 << 20
"""More steps than any delay."""

STEEPNESS = 4.0
"""What an output is multiplied by in the logistic loss: +-1 is then a clear answer."""

STATE_NOISE = 1 / 16
"""Half width of the uniform noise on states: half the last place of Q(0, 3)."""

WEIGHT_NOISE = 1 / 8
"""Half width of the uniform noise on weights and biases: half the last place of Q(1, 2)."""

WEIGHT_LIMIT = 1.75
"""Weights and biases stay within +-this, so that Q(1, word - 2) holds them from 4 bits on."""

NARMA_SEEDS = range(2)
NARMA_SEED = 100
"""Added to a restart's seed for its training series; the design is judged on seed 0."""

NARMA_UNITS = 32
NARMA_SEQUENCES = 2000
NARMA_STEPS = 200
NARMA_WASHOUT = 30
NARMA_BATCH = 32
NARMA_ITERATIONS = 8000
NARMA_WEIGHT_NOISE = 1 / 128
"""Half width of the uniform noise on weights: half the last place of Q(1, 6)."""

NARMA_WEIGHT_LIMIT = 1.98
"""Weights stay within +-this, so that Q(1, 6) holds them; the sum of an LSTM's two biases may
reach twice as much."""

Noise = Callable[[Tensor], Tensor]
"""A state [restarts, batch, units] to the same under noise."""


@dataclass(frozen=True)
class Net:
    """One net for the recall task: its parameters at the start, and what it gives."""

    draw: Callable[[torch.Generator], Parameters]
    outputs: Callable[[Parameters, Tensor, Noise], Tensor]
    """(parameters, inputs [restarts, batch, steps, 2], noise) to [restarts, batch, steps']."""

    span: int = 1
    """Steps that one output sees at once; a sequence has span - 1 fewer outputs than steps."""

    @property
    def reach(self) -> int:
        """The most steps back that an output can see."""
        return self.span - 1 if self.span > 1 else FOREVER


def elman(units: int) -> Net:
    """A dense tanh recurrence."""

    def draw(source: torch.Generator) -> Parameters:
        recurrent = {"rnn.U": uniform(source, (units, units), units**-0.5)}
        return draw_linear(source, "rnn", units, 2) | recurrent | _draw_head(source, units)

    def outputs(parameters: Parameters, inputs: Tensor, noise: Noise) -> Tensor:
        driven = linear(inputs, parameters["rnn.W"], parameters["rnn.b"])
        state, states = torch.zeros_like(driven[:, :, 0]), []
        for drive in driven.unbind(2):
            state = noise(torch.tanh(drive + state @ parameters["rnn.U"].mT))
            states.append(state)
        return _head(parameters, torch.stack(states, 2))

    return Net(draw, outputs)


def lstm(units: int) -> Net:
    """Long short-term memory, gates i, f, g, o; the forget gate's bias starts at 1."""

    def draw(source: torch.Generator) -> Parameters:
        layer = draw_linear(source, "rnn", 4 * units, 2)
        layer["rnn.b"][units : 2 * units] = 1
        layer["rnn.U"] = uniform(source, (4 * units, units), units**-0.5)
        return layer | _draw_head(source, units)

    def outputs(parameters: Parameters, inputs: Tensor, noise: Noise) -> Tensor:
        driven = linear(inputs, parameters["rnn.W"], parameters["rnn.b"])
        state = cell = torch.zeros_like(driven[:, :, 0, :units])
        states = []
        for drive in driven.unbind(2):
            gates = drive + state @ parameters["rnn.U"].mT
            i, f, g, o = gates.unflatten(2, (4, units)).unbind(2)
            cell = noise(torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g))
            state = noise(torch.sigmoid(o) * torch.tanh(cell))
            states.append(state)
        return _head(parameters, torch.stack(states, 2))

    return Net(draw, outputs)


def window(width: int, units: int) -> Net:
    """Tanh units on ``width`` steps at a time, the oldest first."""

    def draw(source: torch.Generator) -> Parameters:
        return draw_linear(source, "hidden", units, 2 * width) | _draw_head(source, units)

    def outputs(parameters: Parameters, inputs: Tensor, noise: Noise) -> Tensor:
        windows = inputs.unfold(2, width, 1).mT.flatten(3)
        hidden = torch.tanh(linear(windows, parameters["hidden.W"], parameters["hidden.b"]))
        return _head(parameters, noise(hidden))

    return Net(draw, outputs, span=width)


def _draw_head(source: torch.Generator, units: int) -> Parameters:
    return draw_linear(source, "head", 1, units)


def _head(parameters: Parameters, states: Tensor) -> Tensor:
    return linear(states, parameters["head.W"], parameters["head.b"])[..., 0]


NETS = {
    "recall_elman": elman(16),
    "recall_lstm": lstm(8),
    "recall_window": window(8, 16),
}


def draw_recall(source: torch.Generator, net: Net, delay: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs [batch, steps, 2], the marked values +-1 [batch], and which outputs are judged
    [batch, outputs]: all behind the marked step, as far as a window still holds it.

    ``delay`` steps follow the last place where the marked step may be.
    """
    steps = LEAD + 1 + min(delay, net.reach)
    marked = torch.randint(0, LEAD + 1, (BATCH, 1), generator=source)
    values = torch.randint(0, 2, (BATCH, steps), generator=source) * 2.0 - 1
    marker = (torch.arange(steps) == marked).float()
    after = torch.arange(steps)[net.span - 1 :] - marked
    judged = (after > 0) & (after <= net.reach)
    return torch.stack([values, marker], -1), (values * marker).sum(1), judged


def train_recall(net: Net, seeds: Sequence[int]) -> Parameters:
    """All restarts side by side."""
    sources = generators(seeds)
    parameters = draw_restarts(net.draw, sources)
    optimiser = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ITERATIONS)
    data = torch.Generator().manual_seed(0)
    for iteration in range(ITERATIONS):
        ramp = min(1.0, iteration / RAMP)
        inputs, values, judged = draw_recall(data, net, max(4, DELAY * iteration // ITERATIONS))
        noisy = {
            name: array + draw_noise(sources, array, WEIGHT_NOISE * ramp)
            for name, array in parameters.items()
        }
        noise = partial(add_noise, sources, STATE_NOISE * ramp)
        outputs = net.outputs(noisy, inputs.expand(len(seeds), *inputs.shape), noise)
        margins = softplus(-STEEPNESS * values[:, None] * outputs)
        losses = (margins * judged).sum((1, 2)) / judged.sum()
        optimiser.zero_grad()
        losses.sum().backward()
        limit_gradients(parameters)
        optimiser.step()
        schedule.step()
        clamp(parameters.values(), WEIGHT_LIMIT)
        if (iteration + 1) % 500 == 0:
            shown = " ".join(f"{loss:.4f}" for loss in losses.tolist())
            progress(f"  iteration {iteration + 1}, noisy loss by seed: {shown}")
    return {name: array.detach() for name, array in parameters.items()}


def draw_noise(sources: Sequence[torch.Generator], like: Tensor, width: float) -> Tensor:
    """Uniform noise of half width ``width`` for [restarts, ...], each from its own generator."""
    return torch.stack([uniform(source, like.shape[1:], width) for source in sources])


def add_noise(sources: Sequence[torch.Generator], width: float, state: Tensor) -> Tensor:
    """A state [restarts, batch, units] under noise."""
    return state + draw_noise(sources, state, width)


def limit_gradients(parameters: Parameters) -> None:
    """Scale the gradient of each restart and array to a norm of at most 1, in place."""
    for array in parameters.values():
        norms = array.grad.flatten(1).norm(dim=1).clamp(min=1.0)
        array.grad.div_(norms.reshape(-1, *[1] * (array.dim() - 1)))


@torch.no_grad()
def clamp(arrays: Iterable[Tensor], limit: float) -> None:
    """Keep every value within +-limit, in place."""
    for array in arrays:
        array.clamp_(-limit, limit)


@torch.no_grad()
def count_recalled(net: Net, parameters: Parameters) -> list[int]:
    """Of 1,000 validation sequences, those that each restart answers right."""
    samples = Recall(min(VALIDATION_DELAY, net.reach), seed=VALIDATION_SEED).samples()
    inputs = torch.from_numpy(samples.x).float()
    restarts = len(parameters["head.W"])
    outputs = net.outputs(parameters, inputs.expand(restarts, *inputs.shape), lambda state: state)
    right = (outputs[..., -1] > 0) == (torch.from_numpy(samples.y) > 0)
    return right.sum(1).tolist()


def proofs(name: str, parameters: Parameters) -> list[Proof]:
    """The net's proof at each of WORDS; a window has no state to search."""
    arrays = {key: array.numpy() for key, array in parameters.items()}
    designs = [load(DESIGNS / f"{name}.py", {"word": word}) for word in WORDS]
    return [prove_recall(replace(design, weights=arrays)) for design in designs]


def train_and_save_recall(name: str, folder: Path) -> None:
    """Train one net and keep a seed: proved at most word lengths; then recalling most; then
    refuted at fewest word lengths; then the first."""
    net = NETS[name]
    parameters = train_recall(net, SEEDS)
    recalled = count_recalled(net, parameters)
    ranks = []
    for restart, seed in enumerate(SEEDS):
        found = [] if net.span > 1 else proofs(name, select_restart(parameters, restart))
        shown = [
            f"{word} bits {_verdict(proof)}" for word, proof in zip(WORDS, found, strict=False)
        ]
        progress(f"  seed {seed}:", ", ".join([f"recalls {recalled[restart]:,}", *shown]))
        proved = sum(proof.holds for proof in found)
        standing = sum(proof.right for proof in found)
        ranks.append((proved, recalled[restart], standing))
    best = ranks.index(max(ranks))
    save(select_restart(parameters, best), folder / f"{name}.npz")
    progress(f"  keep seed {SEEDS[best]}")


def _verdict(proof: Proof) -> str:
    if proof.holds:
        return f"proved with {proof.pairs:,} pairs"
    return f"{'open' if proof.right else 'wrong'} after {proof.pairs:,}"


# --- narma10 -----------------------------------------------------------------------------------
def train_narma(seed: int) -> torch.nn.ModuleDict:
    """One LSTM with a linear read-out at every step."""
    task = Narma10(
        NARMA_STEPS, sequences=NARMA_SEQUENCES, washout=NARMA_WASHOUT, seed=NARMA_SEED + seed
    )
    samples = task.samples()
    inputs, targets = (torch.from_numpy(each).float() for each in (samples.x, samples.y))
    torch.manual_seed(seed)
    net = torch.nn.ModuleDict(
        {
            "rnn": torch.nn.LSTM(1, NARMA_UNITS, batch_first=True),
            "head": torch.nn.Linear(NARMA_UNITS, 1),
        }
    )
    arrays = list(net.parameters())
    optimiser = torch.optim.Adam(arrays, lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, NARMA_ITERATIONS)
    for iteration in range(NARMA_ITERATIONS):
        chosen = torch.randint(0, len(inputs), (NARMA_BATCH,))
        width = NARMA_WEIGHT_NOISE * min(1.0, 2 * iteration / NARMA_ITERATIONS)
        noise = [(2 * torch.rand_like(array) - 1) * width for array in arrays]
        # The gradient is taken at the noisy weights, and the clean ones make the step.
        shift(arrays, noise, 1)
        outputs = net["head"](net["rnn"](inputs[chosen])[0])
        loss = (outputs - targets[chosen])[:, NARMA_WASHOUT:].square().mean() / targets.var()
        optimiser.zero_grad()
        loss.backward()
        shift(arrays, noise, -1)
        torch.nn.utils.clip_grad_norm_(arrays, 1.0)
        optimiser.step()
        schedule.step()
        clamp(arrays, NARMA_WEIGHT_LIMIT)
        if (iteration + 1) % 2000 == 0:
            progress(f"  iteration {iteration + 1}, noisy nrmse {loss.sqrt():.4f}")
    return net


@torch.no_grad()
def shift(arrays: Sequence[Tensor], by: Sequence[Tensor], sign: int) -> None:
    """Add ``sign`` times ``by`` to the arrays, in place."""
    for array, difference in zip(arrays, by, strict=True):
        array.add_(difference, alpha=sign)


@torch.no_grad()
def narma_nrmse(net: torch.nn.ModuleDict, task: Narma10) -> float:
    """The net's error on a task, in float."""
    samples = task.samples()
    outputs = net["head"](net["rnn"](torch.from_numpy(samples.x).float())[0])
    return task.score(outputs.double().numpy(), samples.lengths, samples).nrmse


def linear_nrmse(taps: int) -> float:
    """The error of the best linear map of the last ``taps`` inputs: a baseline."""
    fitted, judged = (Narma10(sequences=200, seed=NARMA_SEED + VALIDATION_SEED), Narma10())

    def inputs(samples: Samples) -> np.ndarray:
        padded = np.pad(samples.x[:, :, 0], ((0, 0), (taps - 1, 0)))
        seen = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=1)
        return np.concatenate([seen, np.ones((*seen.shape[:2], 1))], -1)

    train, test = fitted.samples(), judged.samples()
    real = inputs(train)[:, fitted.washout :].reshape(-1, taps + 1)
    best, *_ = np.linalg.lstsq(real, train.y[:, fitted.washout :].ravel(), rcond=None)
    return judged.score((inputs(test) @ best)[..., None], test.lengths, test).nrmse


def train_and_save_narma(name: str, folder: Path) -> None:
    """Train the forecaster and keep the seed with the least validation error."""
    for taps in (10, 20, 30):
        progress(f"  linear in {taps} inputs: nrmse {linear_nrmse(taps):.4f}")
    nets = [train_narma(seed) for seed in NARMA_SEEDS]
    errors = [narma_nrmse(net, Narma10(seed=VALIDATION_SEED)) for net in nets]
    best = errors.index(min(errors))
    arrays = torch_weights(nets[best]["rnn"], "rnn") | torch_weights(nets[best]["head"], "head")
    arrays["rnn.b"] += arrays.pop("rnn.b2")
    save(
        {key: torch.from_numpy(array).float() for key, array in arrays.items()},
        folder / f"{name}.npz",
    )
    shown = " ".join(f"{error:.4f}" for error in errors)
    progress(f"  validation nrmse by seed: {shown}; keep seed {NARMA_SEEDS[best]}")


def main() -> None:
    """Train the named nets."""
    arguments = parse_arguments(__doc__.splitlines()[0], [*NETS, "narma10"])
    prepare_torch()
    for name in arguments.names:
        progress(name)
        start = time.perf_counter()
        (train_and_save_recall if name in NETS else train_and_save_narma)(name, arguments.out)
        progress(f"  {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
