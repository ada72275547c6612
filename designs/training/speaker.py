"""Train the speaker recognisers: `python designs/training/speaker.py [NAME ...] [--out DIR]`.

    logits = head.W pool + head.b

The pool is the mean of the last layer's outputs over the real frames, or its output at the last of
them (LSTM, GRU, `..._last`). The layers are those of _layers.py: one Elman layer of any structure,
h[t] = tanh(W x[t] + R h[t-1] + b) with h[-1] = 0, an LSTM or a GRU, three layers of independent
ReLU units, or a deep stack. x[t] holds the 12 cepstrum coefficients of a frame, z-scored by the
training set's real frames. Two nets without a recurrence stand beside them: `speaker_window` takes
tanh(W [x[t]; x[t+1]; x[t+2]] + b) for h[t], and `speaker_mean` takes x[t] itself.

The data are the Japanese Vowels of Kudo, Toyama and Shimbo (Pattern Recognition Letters 20, 1999).
The recipe's settings were chosen by cross-validation inside the training set: AdamW (Loshchilov and
Hutter, 2019), a cosine schedule after a short warm-up, clipped gradients, and Gaussian noise on the
inputs, without which the recurrent nets fall below the linear one. Of five seeds the script keeps
the one with the lowest noisy training loss; the test set decides nothing and is only reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from _common import (
    DESIGNS,
    STRUCTURES,
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
)
from _layers import Layer, elman, feed_forward, gru, lstm, stack
from torch import Tensor
from torch.nn.functional import cross_entropy

DATA = DESIGNS / "data" / "japanese_vowels.npz"
COEFFICIENTS = 12
CLASSES = 9
HIDDEN = 32
WINDOW = 3
SEEDS = range(5)
EPOCHS = 150
BATCH = 54
LEARNING_RATE = 0.01
WARM_UP = 20
"""Steps of the optimiser over which the learning rate grows to its full value."""

WEIGHT_DECAY = 0.01
GRADIENT_LIMIT = 1.0
INPUT_NOISE = 0.6
"""Standard deviation of the noise on the z-scored inputs."""

DEEP_GAIN = 3**0.5
"""Factor of the first weights in the deep stacks: their variance becomes 1/inputs, without which
the signal fades on its way through nine layers and the nets do not learn."""

JUDGED_EPOCHS = 10
"""The last epochs, over which the noisy training loss of a seed is averaged."""


@dataclass(frozen=True)
class Utterances:
    """One part of the data set."""

    frames: Tensor
    """z-scored, [utterances, steps, 12]; padding is to be ignored."""

    lengths: Tensor
    """Real frames of each utterance, [utterances]."""

    classes: Tensor
    """Speakers 0 to 8, [utterances]."""


Pool = Callable[[Tensor, Tensor], Tensor]
"""(states [restarts, batch, steps, units], lengths [batch]) to [restarts, batch, units]."""


@dataclass(frozen=True)
class Net:
    """One recogniser: its parameters at the start, its states, and how they are pooled."""

    draw: Callable[[torch.Generator], Parameters]
    states: Callable[[Parameters, Tensor], Tensor]
    """(parameters, frames [restarts, batch, steps, 12]) to [restarts, batch, steps', units]."""

    pool: Pool
    span: int = 1
    """Frames that one state sees at once; a sequence has span - 1 fewer states than frames."""

    constrain: Callable[[Parameters], None] = lambda parameters: None
    """Brings the parameters back into their limits, in place, after every step."""


HELD_OUT = "_val"
"""The end of the name of a net that is trained without every fifth training utterance."""

HELD_OUT_EVERY = 5


def load() -> tuple[Utterances, Utterances]:
    """The training and the test part, both scaled by the training part's real frames."""
    with np.load(DATA, allow_pickle=False) as arrays:
        data = dict(arrays)
    real = np.arange(data["train_x"].shape[1]) < data["train_lengths"][:, None]
    frames = data["train_x"][real].astype(np.float64)
    mean, deviation = frames.mean(0), frames.std(0)

    def part(name: str) -> Utterances:
        scaled = (data[f"{name}_x"].astype(np.float64) - mean) / deviation
        return Utterances(
            torch.from_numpy(scaled.astype(np.float32)),
            torch.from_numpy(data[f"{name}_lengths"].astype(np.int64)),
            torch.from_numpy(data[f"{name}_y"].astype(np.int64)),
        )

    return part("train"), part("test")


def without_held_out(data: Utterances) -> Utterances:
    """Those that a net with HELD_OUT in its name learns from."""
    kept = torch.arange(len(data.classes)) % HELD_OUT_EVERY != HELD_OUT_EVERY - 1
    return Utterances(data.frames[kept], data.lengths[kept], data.classes[kept])


def pool_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """The mean over the first `lengths` states."""
    real = torch.arange(states.shape[2]) < lengths[:, None]
    return torch.where(real[..., None], states, 0.0).sum(2) / lengths[:, None]


def pool_last(states: Tensor, lengths: Tensor) -> Tensor:
    """The state at step `lengths` - 1."""
    last = torch.arange(states.shape[2]) == lengths[:, None] - 1
    return torch.where(last[..., None], states, 0.0).sum(2)


def window() -> Net:
    """HIDDEN tanh units on WINDOW frames at a time, the earliest first."""

    def draw(source: torch.Generator) -> Parameters:
        hidden = draw_linear(source, "hidden", HIDDEN, WINDOW * COEFFICIENTS)
        return hidden | draw_linear(source, "head", CLASSES, HIDDEN)

    def states(parameters: Parameters, frames: Tensor) -> Tensor:
        windows = frames.unfold(2, WINDOW, 1).mT.flatten(3)
        return torch.tanh(linear(windows, parameters["hidden.W"], parameters["hidden.b"]))

    return Net(draw, states, pool_mean, span=WINDOW)


def frame_mean() -> Net:
    """A linear read-out of the mean frame."""
    return Net(
        lambda source: draw_linear(source, "head", CLASSES, COEFFICIENTS),
        lambda parameters, frames: frames,
        pool_mean,
    )


def recogniser(layer: Layer, pool: Pool) -> Net:
    """A layer, or a stack of them, HIDDEN units wide at its end, and a linear read-out."""

    def draw(source: torch.Generator) -> Parameters:
        return layer.draw(source) | draw_linear(source, "head", CLASSES, HIDDEN)

    return Net(draw, layer.run, pool)


def one(structure: str) -> Layer:
    """HIDDEN tanh units whose recurrence has the structure of that name."""
    return elman("rnn", COEFFICIENTS, HIDDEN, STRUCTURES[structure])


def independent(layers: int, pool: Pool) -> Net:
    """ReLU layers in which every unit reads its own past alone (IndRNN, Li et al. 2018).

    No recurrent weight may pass 1: a unit that multiplies its past by more grows with the length
    of the sequence, and so would the words of a fixed-point net.
    """
    names = [f"rnn{k + 1}" for k in range(layers)]
    widths = [COEFFICIENTS, *[HIDDEN] * (layers - 1)]
    diagonal = STRUCTURES["diagonal"]

    def constrain(parameters: Parameters) -> None:
        for name in names:
            parameters[f"{name}.U"].clamp_(-1, 1)

    whole = stack(
        [
            elman(name, inputs, HIDDEN, diagonal, torch.relu)
            for name, inputs in zip(names, widths, strict=True)
        ]
    )
    return replace(recogniser(whole, pool), constrain=constrain)


def deep_recurrent(layers: int) -> Layer:
    """Dense Elman layers of HIDDEN units, one on the other."""
    widths = [COEFFICIENTS, *[HIDDEN] * (layers - 1)]
    dense = STRUCTURES["dense"]
    return stack(
        [
            elman(f"rnn{k + 1}", inputs, HIDDEN, dense, gain=DEEP_GAIN)
            for k, inputs in enumerate(widths)
        ]
    )


def deep_head(recurrent: int, layers: int) -> Layer:
    """Recurrent layers, then feed-forward ones half as wide again, but for the last.

    Six of these multiply as often as six recurrent layers of n units: with w = 3 n / 2,
    n w + 4 w w + w n = 6 (n n + n n).
    """
    widths = [HIDDEN, *[HIDDEN * 3 // 2] * (layers - 1), HIDDEN]
    head = [
        feed_forward(f"dense{k + 1}", widths[k], widths[k + 1], DEEP_GAIN) for k in range(layers)
    ]
    return stack([deep_recurrent(recurrent), *head])


NETS = {
    "speaker_dense": recogniser(one("dense"), pool_mean),
    "speaker_tridiagonal": recogniser(one("tridiagonal"), pool_mean),
    "speaker_hadamard": recogniser(one("hadamard"), pool_mean),
    "speaker_butterfly": recogniser(one("butterfly"), pool_mean),
    "speaker_window": window(),
    "speaker_mean": frame_mean(),
    "speaker_dense_last": recogniser(one("dense"), pool_last),
    "speaker_tridiagonal_last": recogniser(one("tridiagonal"), pool_last),
    "speaker_hadamard_last": recogniser(one("hadamard"), pool_last),
    "speaker_lstm": recogniser(lstm("rnn", COEFFICIENTS, HIDDEN, STRUCTURES["dense"]), pool_last),
    "speaker_lstm_tridiagonal": recogniser(
        lstm("rnn", COEFFICIENTS, HIDDEN, STRUCTURES["tridiagonal"]), pool_last
    ),
    "speaker_gru": recogniser(gru("rnn", COEFFICIENTS, HIDDEN, STRUCTURES["dense"]), pool_last),
    "speaker_indrnn": independent(3, pool_mean),
    "deep_stack_head": recogniser(deep_head(3, 6), pool_mean),
    "deep_stack_recurrent": recogniser(deep_recurrent(9), pool_mean),
}
NETS |= {
    f"{name}{HELD_OUT}": NETS[name]
    for name in ("speaker_lstm", "speaker_gru", "speaker_tridiagonal")
}


def logits(net: Net, parameters: Parameters, frames: Tensor, lengths: Tensor) -> Tensor:
    """[restarts, batch, classes] for frames [restarts, batch, steps, 12] and lengths [batch]."""
    pooled = net.pool(net.states(parameters, frames), lengths - (net.span - 1))
    return linear(pooled, parameters["head.W"], parameters["head.b"])


def learning_rate_factor(step: int, steps: int) -> float:
    """A linear warm-up, then half a cosine down to 0."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (steps - WARM_UP)))


def limit_gradients(parameters: Parameters) -> None:
    """Scale the gradient of each restart to a norm of at most GRADIENT_LIMIT, in place."""
    gradients = [values.grad for values in parameters.values()]
    norms = torch.stack([grad.flatten(1).square().sum(1) for grad in gradients]).sum(0).sqrt()
    factors = (GRADIENT_LIMIT / (norms + 1e-6)).clamp(max=1.0)
    for grad in gradients:
        grad.mul_(factors.reshape(-1, *[1] * (grad.dim() - 1)))


def train(net: Net, data: Utterances, seeds: Sequence[int]) -> tuple[Parameters, Tensor]:
    """All restarts side by side; also the noisy training loss of each at the end, [restarts]."""
    sources = generators(seeds)
    parameters = draw_restarts(net.draw, sources)
    optimiser = torch.optim.AdamW(parameters.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * (len(data.classes) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, steps)
    )
    history = []
    order = torch.Generator().manual_seed(0)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(data.classes), generator=order).split(BATCH):
            losses = _noisy_losses(net, parameters, data, batch, sources)
            optimiser.zero_grad()
            losses.sum().backward()
            limit_gradients(parameters)
            optimiser.step()
            with torch.no_grad():
                net.constrain(parameters)
            schedule.step()
            history.append(losses.detach())
        if (epoch + 1) % 50 == 0:
            shown = " ".join(f"{loss:.4f}" for loss in losses.tolist())
            progress(f"  epoch {epoch + 1}, loss by seed: {shown}")
    judged = torch.stack(history[-JUDGED_EPOCHS * steps // EPOCHS :]).mean(0)
    return {name: values.detach() for name, values in parameters.items()}, judged


def _noisy_losses(
    net: Net,
    parameters: Parameters,
    data: Utterances,
    batch: Tensor,
    sources: Sequence[torch.Generator],
) -> Tensor:
    """Cross-entropy of each restart [restarts] on the batch with its own input noise."""
    clean = data.frames[batch]
    noise = torch.stack([torch.randn(clean.shape, generator=source) for source in sources])
    outputs = logits(net, parameters, clean + INPUT_NOISE * noise, data.lengths[batch])
    targets = data.classes[batch].expand(len(sources), -1)
    losses = cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return losses.unflatten(0, targets.shape).mean(1)


@torch.no_grad()
def count_right(net: Net, parameters: Parameters, data: Utterances) -> list[int]:
    """Utterances named right, by restart."""
    frames = data.frames.expand(len(parameters["head.W"]), *data.frames.shape)
    answers = logits(net, parameters, frames, data.lengths).argmax(-1)
    return (answers == data.classes).sum(1).tolist()


def train_and_save(name: str, data: Utterances, test: Utterances, folder: Path) -> None:
    """Train one recogniser and keep the seed with the lowest noisy training loss."""
    progress(name)
    start = time.perf_counter()
    parameters, losses = train(NETS[name], data, SEEDS)
    best = int(losses.argmin())
    save(select_restart(parameters, best), folder / f"{name}.npz")
    right = count_right(NETS[name], parameters, test)
    shown = " ".join(f"{loss:.4f}" for loss in losses.tolist())
    progress(f"  noisy training loss by seed: {shown}")
    progress(f"  right of {len(test.classes)} test utterances by seed: {right}")
    progress(f"  keep seed {SEEDS[best]}, {time.perf_counter() - start:.0f} s")


def main() -> None:
    """Train the named recognisers."""
    arguments = parse_arguments(__doc__.splitlines()[0], list(NETS))
    prepare_torch()
    data, test = load()
    for name in arguments.names:
        seen = without_held_out(data) if name.endswith(HELD_OUT) else data
        train_and_save(name, seen, test, arguments.out)


if __name__ == "__main__":
    main()
