"""A first design: a file that runs as it is, with its weights in it."""

from __future__ import annotations

from pathlib import Path

from rnnhw.errors import DesignError, UsageError, check_name
from rnnhw.files import written_whole

__all__ = ["write_starter"]

_TEXT = '''"""{title}: a serial binary adder of three units, to start from.

Of two bits and the carry, s = a + b + c is 0 to 3. The units are h = ReLU(s), ReLU(s - 1) and
ReLU(s - 2), the carry is h[1] - h[2], and the sum's bit is h[0] - 2 h[1] + 2 h[2].

    rnnhw info {file}                   the network with its signals and formats
    rnnhw verify {file}                 the integers against the float reference
    rnnhw report {file}                 throughput and storage on the target
    rnnhw emit {file} -o rtl --check    Verilog, run against the integers

Change the layers, the formats and the task; weights may lie in an .npz beside this file.
"""

from rnnhw import BinaryAddition, Design, Elman, Formats, Linear, Q, ReLU, Target


def design(operand_bits=8):
    return Design(
        task=BinaryAddition(operand_bits, require={{"accuracy": 1.0}}),
        layers=[Elman(3, activation=ReLU(), name="rnn"), Linear(1, name="sum_bit")],
        formats=Formats(weight=Q(2, 1), sum=Q(3, 0), state=Q(2, 0)),
        weights={{
            "rnn.W": [[1, 1]] * 3,
            "rnn.U": [[0, 1, -1]] * 3,
            "rnn.b": [0, -1, -2],
            "sum_bit.W": [[1, -2, 2]],
            "sum_bit.b": [-0.5],
        }},
        target=Target("ice40up5k", lanes=1, clock_mhz=24),
    )
'''


def write_starter(name: str) -> Path:
    """Write a design file that runs, and return its path: ``name``, with ``.py`` behind it.

    Raises:
        UsageError: there is such a file, or it cannot be written, or the name has characters that
            control a terminal, or is too long.
    """
    path = Path(name if name.endswith(".py") else f"{name}.py")
    try:
        check_name(path.stem)
    except DesignError as error:
        raise UsageError(error.message, error.hint) from None
    if not path.stem or path.stem.startswith("."):
        raise UsageError(f"{name!r} names no file", "give a name, such as first")
    if path.exists():
        raise UsageError(f"{path} is there already", "choose another name")
    title, file = (_plain(text) for text in (path.stem.replace("_", " "), path.name))
    text = _TEXT.format(title=title.strip().capitalize() or "Design", file=file)
    with written_whole(path) as out:
        out.write(text.encode())
    return path


def _plain(text: str) -> str:
    """A name that cannot end a docstring."""
    return text.replace("\\", "").replace('"', "")
