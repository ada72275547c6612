"""A sequence that breaks a claim: what each step reads and gives, and a file that runs it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.claims import Claim, Subject
from rnnhw.design.tasks import UNWANTED, Answer, ReplayedTask, Samples
from rnnhw.execution import golden
from rnnhw.execution.batch import Batch, Run
from rnnhw.files import written_whole

__all__ = ["Counterexample", "counterexample"]


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A shortest sequence that breaks a claim.

    ``inputs`` are real [steps, features]; ``answers`` those of every subject [steps], by the
    golden model; ``expected`` the automaton's [steps], UNWANTED where none is. ``broken`` says
    what does not hold at the last step.
    """

    inputs: NDArray[np.float64]
    answers: tuple[NDArray[np.int64], ...]
    expected: NDArray[np.int64]
    broken: tuple[str, ...]

    def samples(self, task: object) -> Samples:
        """The sequence as data of the user's own, with the right answers where the task tells."""
        if isinstance(task, ReplayedTask):
            return task.replayed(self.inputs)
        return Samples(self.inputs[None], np.array([len(self.inputs)]))

    def save(self, path: Path, task: object) -> None:
        """Write :meth:`samples` as an ``.npz`` that ``simulate --data`` reads.

        Raises:
            UsageError: the file cannot be written.
        """
        samples = self.samples(task)
        arrays: dict[str, NDArray[np.generic]] = {"x": samples.x, "lengths": samples.lengths}
        if samples.y is not None:
            arrays["y"] = samples.y
        with written_whole(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def counterexample(claim: Claim, symbols: tuple[int, ...]) -> Counterexample:
    """What the golden model gives for a sequence that a search found.

    Raises:
        AssertionError: the golden model does not break the claim at its last step, and there
            alone: a defect of the search.
    """
    automaton, word = claim.automaton, np.array(symbols, np.int64)
    expected = np.zeros(len(word), np.int64)
    state = 0
    for step, symbol in enumerate(symbols):
        expected[step] = automaton.expected[state, symbol]
        state = int(automaton.next[state, symbol])
    runs = [_run(claim, subject, word) for subject in claim.subjects]
    answers = tuple(_answers(claim, run) for run in runs)
    right = answers[1] if len(answers) > 1 else expected
    wrong = (expected != UNWANTED) & (answers[0] != right)
    broken = ["the answer is wrong" if len(answers) == 1 else "the answers differ"] * int(wrong[-1])
    for name, (low, high) in claim.within.items():
        outside = ((runs[0].traces[name][0] < low) | (runs[0].traces[name][0] > high)).any(1)
        broken += [f"{name} leaves its bounds"] * int(outside[-1])
        wrong |= outside
    before = _run(claim, claim.subjects[0], word[:-1]) if len(word) > 1 else None
    for name in claim.never:
        broken += [f"{name} meets a value that does not fit"] * bool(runs[0].events[name].total)
        assert before is None or not before.events[name].total
    assert broken and not wrong[:-1].any(), "the search and the golden model differ"
    return Counterexample(automaton.alphabet[word], answers, expected, tuple(broken))


def _run(claim: Claim, subject: Subject, word: NDArray[np.int64]) -> Run:
    batch = Batch(subject.symbols[word][None], np.array([len(word)]), {})
    traces = claim.within if subject is claim.subjects[0] else ()
    return golden.run(subject.network, subject.parameters, batch, traces)


def _answers(claim: Claim, run: Run) -> NDArray[np.int64]:
    outputs = run.outputs[0]
    signs = claim.automaton.answer is Answer.SIGN
    answers: NDArray[np.int64] = outputs[:, 0] > 0 if signs else outputs.argmax(1)
    return answers.astype(np.int64)
