"""Claims for tests: small random networks beside random automata; and certificates, changed."""

import json
import lzma
import zipfile
from dataclasses import replace

import numpy as np

from rnnhw import (
    GRU,
    LSTM,
    Design,
    Diagonal,
    Elman,
    Formats,
    JordanNetwork,
    LeakyElman,
    Linear,
    MinGRU,
    Q,
    Sigmoid,
)
from rnnhw.design.claims import Claim, Subject
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer, Automaton
from rnnhw.graph.network import event_signals
from rnnhw.numerics.cast import Overflow, Rounding
from rnnhw.proof.search import Search

__all__ = ["random_claim", "random_design", "rewritten", "searched"]


def random_design(rng, outputs=1, word=None):
    """A recurrent network of one to three units of two to four bits with random weights."""
    word = word or int(rng.integers(2, 5))
    units = int(rng.integers(1, 4))
    signed = Q(1, word - 2, rounding=rng.choice(list(Rounding)))
    signed = replace(
        signed, overflow=rng.choice([o for o in Overflow if o is not Overflow.SAT_ZERO])
    )
    layer = [
        lambda: Elman(units, name="rnn"),
        lambda: Elman(units, recurrent=Diagonal(), activation=Sigmoid(), name="rnn"),
        lambda: GRU(units, name="rnn"),
        lambda: LSTM(1, name="rnn"),
        lambda: MinGRU(units, name="rnn"),
        lambda: LeakyElman(units, name="rnn"),
        lambda: JordanNetwork(units, outputs, name="rnn"),
    ][rng.integers(0, 7)]()
    layers = [layer] if isinstance(layer, JordanNetwork) else [layer, Linear(outputs, name="head")]
    formats = Formats(
        input=Q(1, 1), weight=Q(1, 2), sum=Q(1, word - 2), state=signed, cell=signed, gate=signed,
        output=signed,
    )  # fmt: skip
    design = Design(layers=layers, formats=formats, inputs=2, max_steps=64)
    weights = {t.key: rng.normal(0, 1.2, t.shape) for t in design.network.tensors}
    return Design(layers=layers, formats=formats, inputs=2, max_steps=64, weights=weights)


def random_automaton(rng, answers, asked):
    """Up to three states, two or three symbols, missing edges; ``asked`` of its edges want an
    answer."""
    states, symbols = int(rng.integers(1, 4)), int(rng.integers(2, 4))
    after = rng.integers(0, states, (states, symbols))
    after[rng.random(after.shape) < 0.2] = FORBIDDEN
    after[0, 0] = rng.integers(0, states)  # a sequence is there
    expected = rng.integers(0, answers, after.shape)
    expected[rng.random(after.shape) >= asked] = UNWANTED
    alphabet = rng.choice(np.arange(-4, 4), (symbols, 2)) / 2
    kind = Answer.SIGN if answers == 2 else Answer.CLASS
    return Automaton(alphabet, after, expected, kind)


def random_claim(seed):
    """A claim of any kind about a random network."""
    rng = np.random.default_rng(seed)
    outputs = int(rng.choice([1, 1, 3]))
    kind = ["answers", "late", "same", "other", "within", "never"][seed % 6]
    design = random_design(rng, outputs)
    asked = {"answers": 0.3, "late": 0.02, "same": 0.8, "other": 0.8}.get(kind, 0.0)
    automaton = random_automaton(rng, 2 if outputs == 1 else outputs, asked)
    symbols = (automaton.alphabet * 2).astype(np.int64)  # Q(1, 1)
    subject = Subject(design.network, design.parameters, symbols)
    subjects, within, never = (subject,), {}, ()
    if kind in ("same", "other"):
        subjects = (subject, subject)
        if kind == "other":
            key = str(rng.choice(list(subject.parameters.raw)))
            raw = dict(subject.parameters.raw)
            raw[key] = np.clip(raw[key] + rng.integers(-1, 2, raw[key].shape), -8, 7)
            second = type(subject.parameters)({}, raw, {})
            subjects = (subject, Subject(subject.network, second, subject.symbols))
        automaton = automaton.asking()
    if kind == "within":
        name = str(rng.choice([n for n in subject.network.signals() if not n.endswith(".x")]))
        node = subject.network.signal(name)
        low, high = node.format.min, node.format.max
        span = (high - low) // 8
        within = {
            name: (low + int(rng.integers(0, span + 1)), high - int(rng.integers(0, span + 1)))
        }
    if kind == "never":
        casts = [name for name, _ in event_signals(subject.network)]
        never = tuple(rng.choice(casts, 1).tolist())
    return Claim(subjects, automaton, within, never)


def searched(claim, **bounds):
    """A search that has run, and its outcome."""
    search = Search(claim, **bounds)
    search.begin()
    return search, search.run()


def rewritten(source, target, change):
    """A certificate again after ``change(meta, sets)``; a set is [states, bytes], sorted."""
    with zipfile.ZipFile(source) as archive:
        meta = json.loads(archive.read("certificate.json"))
        sets = []
        for state, count in enumerate(meta["states"]):
            raw = lzma.decompress(archive.read(f"set_{state}.xz"))
            planes = np.frombuffer(raw, np.uint8)
            sets.append(planes.reshape(-1, count).T.copy() if count else planes.reshape(0, 8))
    change(meta, sets)
    meta["states"] = [len(keys) for keys in sets]
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("certificate.json", json.dumps(meta))
        for state, keys in enumerate(sets):
            archive.writestr(
                f"set_{state}.xz", lzma.compress(np.ascontiguousarray(keys.T).tobytes())
            )
