"""``rnnhw prove``."""

from __future__ import annotations

import contextlib
import shlex
import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from rnnhw.cli.complaints import complain, remark
from rnnhw.cli.inputs import keep_inputs, load_design
from rnnhw.cli.options import (
    PLAIN,
    DesignFile,
    Isa,
    Settings,
    Threads,
    assignments,
    chosen_format,
)
from rnnhw.cli.output import show
from rnnhw.cli.progress import shown_progress
from rnnhw.design.claims import Claim, other_task, task_automaton
from rnnhw.design.design import Design, load
from rnnhw.design.tasks import UNWANTED
from rnnhw.errors import UsageError, unknown_name
from rnnhw.execution.engine import check_threads
from rnnhw.files import check_output, check_writable, written_whole
from rnnhw.proof.aiger import aiger
from rnnhw.proof.check import Checked, check
from rnnhw.proof.counterexample import Counterexample
from rnnhw.proof.outcome import Outcome, Verdict
from rnnhw.proof.prove import Bounds, KeptInterrupt, Proof, claimed, prove
from rnnhw.report.json_text import head, json_text

__all__ = ["prove_command"]

_CODES = {Verdict.CLOSED: 0, Verdict.WRONG: 1, Verdict.OPEN: 4}
"""Exit codes: an open search is neither a pass nor a failed check."""

_SIZES = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

_MOST_STEPS = 40
"""Of a counterexample that is printed."""

ProofFormat = Annotated[
    str | None, typer.Option("--format", metavar="NAME", help="text, json or aiger.")
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="An .npz takes the counterexample, which simulate --data runs; any other file the "
        "certificate, or the search where a bound stopped it. Repeatable.",
        readable=False,
    ),
]


def prove_command(
    design: DesignFile,
    settings: Settings = None,
    equivalent_to: Annotated[
        Path | None,
        typer.Option(
            "--equivalent-to",
            metavar="DESIGN2",
            help="Prove that both give the same sign or class, instead of the right one.",
            readable=False,
        ),
    ] = None,
    set_other: Annotated[
        list[str] | None,
        typer.Option(
            "--set-other",
            metavar="NAME=VALUE",
            help="Set a parameter of DESIGN2 alone; --set sets those that it has too. Repeatable.",
        ),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            "--within",
            metavar="SIGNAL=LOW:HIGH",
            help="Prove that a signal never leaves these real bounds; either may be left out. "
            "Repeatable.",
        ),
    ] = None,
    never: Annotated[
        list[str] | None,
        typer.Option(
            "--never",
            metavar="SIGNAL",
            help="Prove that this cast never meets a value that does not fit. Repeatable.",
        ),
    ] = None,
    automaton: Annotated[
        list[str] | None,
        typer.Option(
            "--automaton",
            metavar="NAME=VALUE",
            help="Set an argument of the task's automaton(), such as exact=true of Recall. "
            "Repeatable.",
        ),
    ] = None,
    max_states: Annotated[
        int | None,
        typer.Option("--max-states", metavar="N", min=1, help="Stop when there are more states."),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            help="Memory for the states, such as 512M or 8G; default: half of the machine's.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="FILE", help="Go on with an open search.", readable=False),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--check",
            metavar="FILE",
            help="Check a certificate instead, without the search and the engine.",
            readable=False,
        ),
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden", help="With --check: step in Python integers, slowly.")
    ] = False,
    isa: Isa = None,
    threads: Threads = None,
    format: ProofFormat = None,
    output: Files = None,
) -> int:
    """Prove a design right for sequences of any length.

    A search of all states that the inputs of the task can reach, beside the automaton that says
    what is right (BinaryAddition, Recall, Parity, ModuloCounter, S3WordProblem, or a task of your
    own with a method automaton()). It ends closed: right for ever; with a shortest sequence that
    goes wrong, exit code 1; or open, where a bound stops it: right up to so many steps, exit
    code 4. --format aiger -o FILE.aig writes the claim as a circuit for model checkers instead.
    """
    shown = chosen_format(format, None, (*PLAIN, "aiger"))
    check_threads(threads)
    searches = resume or max_states or memory or isa or threads
    if shown == "aiger":
        files = _Files([])
        circuit = _circuit_file(output, not (searches or certificate))
    else:
        files = _Files(output or [])
        circuit = None
    bounds, size = _bounds(within), _size(memory)
    if golden and certificate is None:
        raise UsageError("--golden is for --check", "give --check FILE")
    if set_other and equivalent_to is None:
        raise UsageError("--set-other is for a second design", "give --equivalent-to DESIGN2")
    loaded = load_design(design, settings)
    other = None
    if equivalent_to is not None:
        other = _other_design(equivalent_to, settings, set_other)
    asked = task_automaton(loaded, assignments("--automaton", automaton)) if automaton else None
    if other is not None and asked is None:
        remark(other_task(loaded, other))
    for file in [*files.all, *([] if circuit is None else [circuit])]:
        keep_inputs(file, loaded)
        if other is not None:
            keep_inputs(file, other)
        check_output(file, [each for each in (certificate, resume) if each is not None])
    if certificate is not None:
        if output or searches:
            raise UsageError(
                "--check reads a certificate and searches nothing",
                "leave out --output, --resume, --max-states, --memory, --isa and --threads",
            )
        claim = claimed(
            loaded, automaton=asked, equivalent_to=other, within=bounds, never=never or ()
        )
        return _check(certificate, loaded, claim, golden, shown)
    if circuit is not None:
        claim = claimed(
            loaded, automaton=asked, equivalent_to=other, within=bounds, never=never or ()
        )
        with written_whole(circuit) as place:
            place.write(aiger(claim))
        return 0
    try:
        with shown_progress("states expanded") as progress:
            proof = prove(
                loaded,
                automaton=asked,
                equivalent_to=other,
                within=bounds,
                never=never or (),
                max_states=max_states,
                memory=size,
                isa=isa,
                threads=threads,
                resume=resume,
                certificate=files.certificate,
                progress=progress,
                keeping=lambda: remark(f"writing the search to {files.certificate}"),
            )
    except KeptInterrupt:
        remark(files.kept())
        raise
    found, replay = proof.counterexample, ""
    if found is not None and files.counterexample is not None:
        found.save(files.counterexample, loaded.task)
        replay = shlex.join(
            ["rnnhw", "simulate", str(design)]
            + [word for each in settings or () for word in ("--set", each)]
            + ["--data", str(files.counterexample)]
        )
    show(_text(proof, replay) if shown == "text" else json_text(_data(proof, other)))
    for missing in files.unwritten(proof.outcome.verdict):
        complain(*missing)
    if proof.outcome.verdict is Verdict.OPEN:
        remark(files.kept())
    return _CODES[proof.outcome.verdict]


def _circuit_file(output: list[Path] | None, alone: bool) -> Path:
    """The place of ``--format aiger``; ``alone`` tells whether nothing is asked of a search."""
    if not alone:
        raise UsageError(
            "--format aiger writes the claim and searches nothing",
            "leave out --resume, --max-states, --memory, --isa, --threads and --check",
        )
    if output is None or len(output) != 1 or output[0] == Path("-"):
        raise UsageError("--format aiger is a binary file", "name one: -o FILE.aig")
    check_writable(output[0])
    return output[0]


class _Files:
    """The places of ``--output`` by what they take."""

    def __init__(self, files: list[Path]) -> None:
        self.all = files
        arrays = [file for file in files if file.suffix.lower() == ".npz"]
        others = [file for file in files if file not in arrays]
        for kind, several in (("counterexample", arrays), ("certificate", others)):
            if len(several) > 1:
                raise UsageError(
                    f"--output {several[0]} and {several[1]} both take the {kind}", "give one"
                )
        for file in files:
            if file == Path("-"):
                raise UsageError("--output -: no such file is text", "name a file")
            check_writable(file)
        self.counterexample = arrays[0] if arrays else None
        self.certificate = others[0] if others else None

    def kept(self) -> str:
        """How a search that is not over goes on."""
        if self.certificate is None:
            return "nothing is kept of this search: with -o FILE it can go on"
        return f"{self.certificate} keeps the search: with --resume {self.certificate} it goes on"

    def unwritten(self, verdict: Verdict) -> list[tuple[str, str]]:
        """The files that were asked for and not written, with the cure."""
        missing = []
        wrong = verdict is Verdict.WRONG
        if self.counterexample is not None and not wrong:
            missing.append(
                (
                    f"{self.counterexample} is not written: there is no counterexample",
                    "name a file that is no .npz for the certificate, or the search so far",
                )
            )
        if self.certificate is not None and wrong:
            missing.append(
                (
                    f"{self.certificate} is not written: nothing is proved",
                    "name an .npz for the counterexample",
                )
            )
        return missing


def _other_design(path: Path, settings: list[str] | None, own: list[str] | None) -> Design:
    """The second design with its own settings, and those of the first that it has too."""
    with contextlib.redirect_stdout(sys.stderr):
        known = load(path).settings
        shared = assignments("--set", settings)
        given = assignments("--set-other", own)
        for name in given:
            if name not in known:
                message, hint = unknown_name("parameter", name, known)
                raise UsageError(f"--set-other: {path}: {message}", hint)
        return load(path, {n: v for n, v in shared.items() if n in known} | given)


def _bounds(texts: list[str] | None) -> Bounds:
    """``SIGNAL=LOW:HIGH`` texts as exact numbers by signal."""
    bounds = {}
    for name, text in assignments("--within", texts).items():
        low, colon, high = text.partition(":")
        if not colon or not (low or high):
            raise UsageError(f"--within {name}={text}", "write --within SIGNAL=LOW:HIGH")
        bounds[name] = (_number(name, low), _number(name, high))
    return bounds


def _number(name: str, text: str) -> Fraction | None:
    if not text:
        return None
    try:
        if len(text) > 40:  # a long exponent would fill the memory
            raise ValueError
        float(text)  # refuses what a fraction alone takes, such as 1/0
        return Fraction(text) if abs(float(text)) < 2.0**80 else Fraction(float(text))
    except (ValueError, OverflowError):
        raise UsageError(
            f"--within {name}: {text[:40]!r} is not a number", "give -1.5 or 1e-3"
        ) from None


def _size(text: str | None) -> int | None:
    """Bytes of a text such as ``512M``."""
    if text is None:
        return None
    unit = text[-1:].upper() if text[-1:].isalpha() else ""
    number = text[: len(text) - len(unit)]
    if unit not in _SIZES or not number.isdecimal() or len(number) > 12 or int(number) == 0:
        raise UsageError(
            f"Invalid value for '--memory': {text[:40]!r}",
            "give bytes, or a number with K, M, G or T: 512M, 8G",
        )
    return int(number) << _SIZES[unit]


# --- certificates ------------------------------------------------------------------------------
def _check(path: Path, design: Design, claim: Claim, golden: bool, shown: str) -> int:
    with shown_progress("states checked") as progress:
        checked = check(claim, path, golden=golden, progress=progress)
    show(
        _checked_text(path, claim, checked)
        if shown == "text"
        else json_text(
            {
                **head("proof-check"),
                **_claim_data(design, None, claim),
                "states": checked.states,
                "steps": checked.steps,
                "golden": golden,
                "fault": checked.fault or None,
                "passed": not checked.fault,
            }
        )
    )
    return 1 if checked.fault else 0


def _checked_text(path: Path, claim: Claim, checked: Checked) -> str:
    if checked.fault:
        return f"refused: {path}: {checked.fault}\n"
    return (
        f"certificate holds: {claim.in_words} for sequences of any length: {checked.states:,} "
        f"states, {checked.steps:,} steps checked\n"
    )


# --- the result --------------------------------------------------------------------------------
def _text(proof: Proof, replay: str) -> str:
    """The verdict; ``replay`` is the command that runs the counterexample that was written."""
    outcome, claim = proof.outcome, proof.claim
    lines = [proof.design.title] if proof.design.title else []
    lines += [_verdict_text(outcome)]
    if proof.counterexample is not None:
        lines += ["", *_steps_text(proof, proof.counterexample)]
    if replay:
        lines += [f"replay: {replay}"]
    lines += ["", f"claim {claim.digest}"]
    return "\n".join(lines) + "\n"


def _verdict_text(outcome: Outcome) -> str:
    what, states = outcome.claim.in_words, f"{outcome.states:,} states"
    steps = f"{outcome.depth:,} step{'s' * (outcome.depth != 1)}"
    match outcome.verdict:
        case Verdict.CLOSED:
            return f"closed: {states}, depth {outcome.depth}: {what} for sequences of any length"
        case Verdict.WRONG:
            return f"wrong after {steps}: no shorter sequence breaks the claim ({what})"
        case Verdict.OPEN:
            return (
                f"open at {states}: {what} for every sequence of up to {steps}; stopped by "
                f"{outcome.reason}"
            )


def _steps_text(proof: Proof, found: Counterexample) -> list[str]:
    """A row a step: what it reads, what the designs answer, what is right."""
    count = len(found.inputs)
    heads = ["step", "input", "answer", "expected"]
    if len(found.answers) > 1:
        heads = ["step", "input", "answer", "other"]
    rows = []
    for step in range(count):
        right = found.answers[1] if len(found.answers) > 1 else found.expected
        asked = found.expected[step] != UNWANTED
        rows.append(
            [
                str(step + 1),
                " ".join(f"{value:g}" for value in found.inputs[step]),
                str(found.answers[0][step]),
                str(right[step]) if asked else "-",
            ]
        )
    skipped = max(count - _MOST_STEPS, 0)
    shown = rows[skipped:]
    widths = [max(map(len, column)) for column in zip(heads, *shown, strict=True)]
    table = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (heads, *shown)
    ]
    if skipped:
        table.insert(1, f"... {skipped:,} steps before")
    return [*table, *(f"step {count}: {why}" for why in found.broken)]


def _claim_data(design: Design, other: Design | None, claim: Claim) -> dict[str, Any]:
    data: dict[str, Any] = {
        "design": design.path.name if design.path else None,
        "settings": dict(design.settings),
    }
    if other is not None:
        data["equivalent_to"] = other.path.name if other.path else None
        data["other_settings"] = dict(other.settings)
    return {**data, "claim": claim.in_words, "claim_sha256": claim.digest}


def _data(proof: Proof, other: Design | None) -> dict[str, Any]:
    outcome, found = proof.outcome, proof.counterexample
    data = {
        **head("proof"),
        **_claim_data(proof.design, other, proof.claim),
        "verdict": outcome.verdict.value,
        "passed": proof.closed,
        "states": outcome.states,
        "depth": outcome.depth,
        "stopped_by": outcome.reason or None,
        "counterexample": None,
    }
    if found is not None:
        data["counterexample"] = {
            "inputs": found.inputs.tolist(),
            "symbols": list(outcome.symbols),
            "answers": [answers.tolist() for answers in found.answers],
            "expected": [None if e == UNWANTED else e for e in found.expected.tolist()],
            "broken": list(found.broken),
        }
    return data
