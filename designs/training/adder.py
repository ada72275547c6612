"""Train the serial binary adders: `python designs/training/adder.py [NAME ...] [--out DIR]`.

    h[t] = sigmoid(W x[t] + R h[t-1] + b),  y[t] = [head.W h[t] + head.b > 0],  h[-1] = 0

x[t] holds bit t of both operands, least significant first, and y[t] is bit t of their sum; the
last step has zero inputs and gives the carry out. The Jordan network and the window have steps of
their own, see below; `..._hN` has N units. The task and the 16 units of the others are Trask's
("Anyone Can Learn To Code an LSTM-RNN in Python", 2015); the optimiser is Adam (Kingma and Ba,
2015), with biases. The only memory the task needs is one bit, the carry, but for as long as a chain
of propagating columns lasts. So half of the training operands have long chains, and states and
weights are trained under noise, which a latch survives and a slowly decaying trace does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from _common import (
    STRUCTURES,
    Between,
    Parameters,
    Structure,
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
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, pad

UNITS = 16
NARROWEST = 4
WIDTHS = (NARROWEST, 8, 32)
"""Other numbers of units, for the structures of the sources' band claim."""

WIDENED = ("dense", "diagonal", "tridiagonal")
SEEDS = range(8)
NARROW_SEEDS = range(32)
"""For nets of 4 units: few seeds find an adder."""

VALIDATION_SEED = 1000
ITERATIONS = 6000
RAMP = 3000
"""Iterations over which the noise grows from nothing to its full width."""

BATCH = 64
OPERAND_BITS = 16
LEARNING_RATE = 0.03
STATE_NOISE = 1 / 8
"""Half width of the uniform noise on the state: two units in the last place of a 4-bit state."""

WEIGHT_NOISE = 1 / 8
"""Half width of the uniform noise on weights and biases: half the last place of Q(3, 2)."""

WEIGHT_LIMIT = 7.25
"""Weights and biases stay within +-this, so that Q(3, word - 4) holds them from 4 bits on."""

SCALE_BITS = {"rnn.U.after": 2}
"""`after` contains 1/sqrt(16) = 2^-2: its limit, its noise and its rounding step shrink alike."""

STAGE_BITS = 7
"""Integer bits between the factors of a recurrence: 16 terms below 8 cannot clip."""

WINDOW = 4
"""Columns that the net without a recurrence sees."""

WORDS = (8, 6, 4)
"""The word lengths at which restarts are compared."""

SEARCH_LIMIT = 300_000
"""Pairs (state, carry) after which a proof is given up."""


def draw_operands(source: torch.Generator, pairs: int, bits: int) -> Tensor:
    """Random operands as inputs [pairs, bits + 1, 2]; half of the pairs have long carry chains.

    A column propagates a carry when its bits differ: in half of all columns of random operands, in
    15 of 16 columns of the other pairs.
    """
    first = torch.rand(pairs, bits, generator=source) < 0.5
    share = torch.where(torch.arange(pairs) % 2 == 0, 0.5, 15 / 16)
    propagates = torch.rand(pairs, bits, generator=source) < share[:, None]
    return _with_carry_column(first, first ^ propagates)


def draw_chains(source: torch.Generator, bits: int) -> Tensor:
    """Chains of every length, 0 to bits - 1, with and without a carry: [2 bits, bits + 1, 2].

    Column 0 generates a carry or kills it, row k propagates it through columns 1 to k, and the
    columns after them have equal bits.
    """
    first = torch.rand(bits, bits, generator=source) < 0.5
    column = torch.arange(bits)
    propagates = (column >= 1) & (column <= column[:, None])
    chains = []
    for generates in (True, False):
        first = torch.where(column == 0, generates, first)
        chains.append(_with_carry_column(first, first ^ propagates))
    return torch.cat(chains)


def _with_carry_column(first: Tensor, second: Tensor) -> Tensor:
    """Two bit matrices [pairs, bits] to inputs [pairs, bits + 1, 2] that end in a zero column."""
    columns = torch.stack([first, second], -1).float()
    return torch.cat([columns, torch.zeros_like(columns[:, :1])], 1)


def sum_bits(inputs: Tensor) -> Tensor:
    """The bits of a + b, [..., steps], for inputs [..., steps, 2]."""
    return ripple(inputs)[..., 0]


def ripple(inputs: Tensor) -> Tensor:
    """Sum bit and carry of every column, [..., steps, 2], for inputs [..., steps, 2]."""
    results = []
    carry = torch.zeros_like(inputs[..., 0, 0])
    for column in inputs.sum(-1).unbind(-1):
        total = column + carry
        carry = (total >= 2).float()
        results.append(torch.stack([total % 2, carry], -1))
    return torch.stack(results, -2)


@dataclass(frozen=True)
class Net:
    """One adder: its parameters at the start, and its step."""

    draw: Callable[[torch.Generator], Parameters]

    drive: Callable[[Parameters, Tensor], Tensor]
    """(parameters, inputs [restarts, batch, steps, 2]) to what the inputs add to each step."""

    step: Callable[[Parameters, Tensor, Tensor, Between], Tensor]
    """(parameters, drive and state [restarts, batch, ...], between) to the next state."""

    units: int
    """Width of the state, which the head reads."""

    neurons: int
    """Neurons that fire in a step, one after the other those of each call of `between.neurons`."""

    head: Parameters | None = None
    """A head that is set, not trained: the state itself is taught sum bit and carry."""


def elman(structure: Structure, units: int = UNITS) -> Net:
    """h' = sigmoid(W x + R h + b)."""

    def draw(source: torch.Generator) -> Parameters:
        return (
            draw_linear(source, "rnn", units, 2)
            | structure.draw(source, units)
            | draw_linear(source, "head", 1, units)
        )

    def step(parameters: Parameters, drive: Tensor, state: Tensor, between: Between) -> Tensor:
        return between.neurons(drive + structure.product(parameters, state, between))

    return Net(draw, _drive, step, units, units + structure.hidden(units))


def jordan() -> Net:
    """h = sigmoid(W x + U y + b), y' = sigmoid(V h + c): the outputs y alone are fed back.

    As in Jordan's nets they are the targets, here sum bit and carry; the head compares the first
    with one half.
    """

    def draw(source: torch.Generator) -> Parameters:
        parameters = draw_linear(source, "rnn", UNITS, 2)
        parameters["rnn.U"] = uniform(source, (UNITS, 2), 2**-0.5)
        output = draw_linear(source, "output", 2, UNITS)
        return parameters | {"rnn.V": output["output.W"], "rnn.c": output["output.b"]}

    def step(parameters: Parameters, drive: Tensor, state: Tensor, between: Between) -> Tensor:
        hidden = between.neurons(drive + state @ parameters["rnn.U"].mT)
        return between.neurons(linear(hidden, parameters["rnn.V"], parameters["rnn.c"]))

    head = {"head.W": torch.tensor([[2.0, 0.0]]), "head.b": torch.tensor([-1.0])}
    return Net(draw, _drive, step, 2, UNITS + 2, head)


def window(width: int = WINDOW) -> Net:
    """h = sigmoid(W [x[t-width+1]; ...; x[t]] + b), zeros before the first column: no state."""

    def draw(source: torch.Generator) -> Parameters:
        hidden = draw_linear(source, "hidden", UNITS, 2 * width)
        return hidden | draw_linear(source, "head", 1, UNITS)

    def drive(parameters: Parameters, inputs: Tensor) -> Tensor:
        led = pad(inputs, (0, 0, width - 1, 0))
        windows = led.unfold(2, width, 1).mT.flatten(3)
        return linear(windows, parameters["hidden.W"], parameters["hidden.b"])

    def step(parameters: Parameters, drive: Tensor, state: Tensor, between: Between) -> Tensor:
        return between.neurons(drive)

    return Net(draw, drive, step, UNITS, UNITS)


def _drive(parameters: Parameters, inputs: Tensor) -> Tensor:
    """W x + b."""
    return linear(inputs, parameters["rnn.W"], parameters["rnn.b"])


NETS = {f"adder_{name}": elman(structure) for name, structure in STRUCTURES.items()}
NETS |= {"adder_jordan": jordan(), "adder_window": window()}
NETS |= {
    f"adder_{name}_h{units}": elman(STRUCTURES[name], units) for name in WIDENED for units in WIDTHS
}


def logits(net: Net, parameters: Parameters, inputs: Tensor, noise: Tensor) -> Tensor:
    """What the noisy net is taught by, [restarts, batch, steps, 1 or 2]: sum bit, and carry.

    inputs [restarts, batch, steps, 2]; noise, added to each neuron, [restarts, batch, steps,
    neurons].
    """
    driven = net.drive(parameters, inputs)
    state = torch.zeros_like(noise[:, :, 0, : net.units])
    states, sums = [], []
    for drive, disturbances in zip(driven.unbind(2), noise.unbind(2), strict=True):
        neurons = DisturbedNeurons(disturbances)
        state = net.step(parameters, drive, state, Between(neurons=neurons))
        states.append(state)
        sums.append(neurons.sums)
    if net.head is not None:
        return torch.stack(sums, 2)
    return linear(torch.stack(states, 2), parameters["head.W"], parameters["head.b"])


class DisturbedNeurons:
    """Sigmoid neurons; each call takes its part of the noise [restarts, batch, neurons] in turn."""

    def __init__(self, noise: Tensor) -> None:
        self._noise = noise
        self._taken = 0
        self.sums = noise[..., :0]
        """The sums of the last call."""

    def __call__(self, sums: Tensor) -> Tensor:
        first, self._taken = self._taken, self._taken + sums.shape[-1]
        self.sums = sums
        return torch.sigmoid(sums) + self._noise[..., first : self._taken]


def train(net: Net, seeds: Sequence[int]) -> Parameters:
    """Train all restarts side by side."""
    sources = generators(seeds)
    parameters = draw_restarts(net.draw, sources)
    optimiser = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, ITERATIONS)
    for iteration in range(ITERATIONS):
        losses = _noisy_losses(net, parameters, sources, min(1.0, iteration / RAMP))
        optimiser.zero_grad()
        losses.sum().backward()
        optimiser.step()
        schedule.step()
        _limit(parameters)
        if (iteration + 1) % 1000 == 0:
            shown = " ".join(f"{loss:.4f}" for loss in losses.tolist())
            progress(f"  iteration {iteration + 1}, loss by seed: {shown}")
    head = {name: torch.stack([values for _ in seeds]) for name, values in (net.head or {}).items()}
    return {name: values.detach() for name, values in parameters.items()} | head


def _noisy_losses(
    net: Net, parameters: Parameters, sources: Sequence[torch.Generator], strength: float
) -> Tensor:
    """Cross-entropy of each restart [restarts] on fresh operands, under noise times `strength`."""
    inputs = torch.stack([draw_operands(source, BATCH, OPERAND_BITS) for source in sources])
    shape = (BATCH, OPERAND_BITS + 1, net.neurons)
    noise = _draw_noise(sources, shape, strength * STATE_NOISE)
    disturbed = {
        name: values
        + _draw_noise(sources, values.shape[1:], strength * WEIGHT_NOISE * _scale(name))
        for name, values in parameters.items()
    }
    outputs = logits(net, disturbed, inputs, noise)
    targets = ripple(inputs)[..., : outputs.shape[-1]]
    losses = binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    return losses.mean((1, 2, 3))


def _draw_noise(sources: Sequence[torch.Generator], shape: Sequence[int], bound: float) -> Tensor:
    """Uniform noise in [-bound, bound) of every restart, [restarts, *shape]."""
    return torch.stack([uniform(source, shape, bound) for source in sources])


def _scale(name: str) -> float:
    """The factor on limit, noise and rounding step of one array."""
    return 2.0 ** -SCALE_BITS.get(name, 0)


@torch.no_grad()
def _limit(parameters: Parameters) -> None:
    """Clamp every array to its limit, in place."""
    for name, values in parameters.items():
        limit = WEIGHT_LIMIT * _scale(name)
        values.clamp_(-limit, limit)


def rounded(values: Tensor, integer_bits: int, fraction_bits: int) -> Tensor:
    """The nearest numbers of a signed fixed-point word: round half up, then saturate."""
    limit = 2.0**integer_bits
    step = 2.0**-fraction_bits
    return (torch.floor(values / step + 0.5) * step).clamp(-limit, limit - step)


def quantised(parameters: Parameters, word: int) -> Parameters:
    """Every array rounded to Q(3, word - 4), `after` to Q(1, word - 2), as float64."""
    words = {}
    for name, values in parameters.items():
        bits = SCALE_BITS.get(name, 0)
        words[name] = rounded(values.double(), 3 - bits, word - 4 + bits)
    return words


def word_arithmetic(word: int) -> Between:
    """The casts of the designs, exact in float64: sums to Q(3, word - 4), neurons to `word`
    fraction bits, unsigned, and between linear factors Q(STAGE_BITS, word)."""
    step = 2.0**-word

    def neurons(sums: Tensor) -> Tensor:
        values = torch.sigmoid(rounded(sums, 3, word - 4))
        return (torch.floor(values / step + 0.5) * step).clamp(0, 1 - step)

    return Between(lambda values: rounded(values, STAGE_BITS, word), neurons)


def answers(words: Parameters, state: Tensor) -> Tensor:
    """The sum bits [restarts, batch] that the head reads from the state."""
    return linear(state, words["head.W"], words["head.b"])[..., 0] > 0


def fraction_right(net: Net, parameters: Parameters, word: int) -> list[float]:
    """The fraction of 32-bit validation pairs that each restart adds right."""
    source = torch.Generator().manual_seed(VALIDATION_SEED)
    inputs = torch.cat([draw_operands(source, 256, 32), draw_chains(source, 32)])
    between = word_arithmetic(word)
    words = quantised(parameters, word)
    driven = net.drive(words, inputs.double().expand(len(words["head.W"]), *inputs.shape))
    state = torch.zeros(*driven.shape[:2], net.units, dtype=torch.double)
    right = torch.ones(driven.shape[:2], dtype=torch.bool)
    for drive, target in zip(driven.unbind(2), sum_bits(inputs).unbind(1), strict=True):
        state = net.step(words, drive, state, between)
        right &= answers(words, state) == (target > 0.5)
    return right.double().mean(1).tolist()


def reachable_pairs(net: Net, parameters: Parameters, word: int) -> int | None:
    """Prove one net for operands of any length: the number of pairs (state, carry) it can reach.

    Breadth first over the four columns from the zero state without a carry. None if some pair gives
    a wrong bit, or if SEARCH_LIMIT pairs are not enough.
    """
    words = {name: values[None] for name, values in quantised(parameters, word).items()}
    between = word_arithmetic(word)
    columns = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).double()
    driven = net.drive(words, columns[None, :, None])[:, :, 0]
    state, carry = torch.zeros(1, net.units).double(), torch.zeros(1).double()
    seen = {(state.numpy().tobytes(), 0.0)}
    while len(state) and len(seen) <= SEARCH_LIMIT:
        total = columns.sum(1).repeat(len(state)) + carry.repeat_interleave(4)
        drive = driven.repeat(1, len(state), 1)
        state = net.step(words, drive, state.repeat_interleave(4, 0)[None], between)
        if (answers(words, state)[0] != (total % 2 == 1)).any():
            return None
        state, carry = state[0], (total >= 2).double()
        fresh = []
        for index, row in enumerate(zip(state.numpy(), carry.tolist(), strict=True)):
            key = (row[0].tobytes(), row[1])
            if key not in seen:
                seen.add(key)
                fresh.append(index)
        state, carry = state[fresh], carry[fresh]
    return None if len(state) else len(seen)


def validate(net: Net, parameters: Parameters, seeds: Sequence[int]) -> int:
    """The restart with the most proved word lengths; among equals, with the most right words."""
    scores = [[0, 0.0] for _ in seeds]
    for word in WORDS:
        fractions = fraction_right(net, parameters, word)
        for restart, fraction in enumerate(fractions):
            pairs = None
            if fraction == 1:
                pairs = reachable_pairs(net, select_restart(parameters, restart), word)
            scores[restart][0] += pairs is not None
            scores[restart][1] += fraction
            proof = f"proved with {pairs} pairs" if pairs else "not proved"
            progress(f"  seed {seeds[restart]}, {word} bits: {fraction:.3f} right, {proof}")
    return max(range(len(seeds)), key=lambda restart: scores[restart])


def main() -> None:
    """Train the named adders; each keeps the best of its seeds."""
    arguments = parse_arguments(__doc__.splitlines()[0], list(NETS))
    prepare_torch()
    for name in arguments.names:
        progress(name)
        start = time.perf_counter()
        net = NETS[name]
        seeds = NARROW_SEEDS if net.units == NARROWEST else SEEDS
        parameters = train(net, seeds)
        best = validate(net, parameters, seeds)
        save(select_restart(parameters, best), arguments.out / f"{name}.npz")
        progress(f"  keep seed {seeds[best]}, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
