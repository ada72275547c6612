"""rnnhw: a hardware-oriented simulator for fixed-point recurrent accelerators.

One Python design file describes a network; rnnhw runs it in integers with operation and memory
counters, verifies it against a float reference, reports throughput and storage on hardware, and
writes Verilog that equals it bit for bit and cycle for cycle.

    simulate, verify, prove, analyze, estimate, compare, emit, synth   what the commands do
    sweep, quantize, simulate_batch                     many designs; word lengths
    import_network                                      a network of another tool as a design file
    report, profiles                                    renderers of reports; target hardware
    Design, Elman, LSTM, Banded, Q, ...                 what a design file is made of
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

if None in map(find_spec, ("rnnhw.execution._engine", "rnnhw.numerics._quantise")):
    raise ImportError(
        f"the rnnhw in {Path(__file__).parents[1]} is not built: run `python -m pip install -e .` "
        "there, or work in another folder to use an installed rnnhw"
    )


def _homes() -> dict[str, str]:
    """Public names and the modules that define them, as the stub ``__init__.pyi`` lists them."""
    stub = Path(__file__).with_suffix(".pyi").read_text()
    imports = re.findall(r"^from (rnnhw\S*) import (\([^)]*\)|.*)$", stub, re.MULTILINE)
    return {
        name: module for module, names in imports for name in re.findall(r"(\w+) as \w+", names)
    }


# Each name is imported when it is first used, so that `import rnnhw` costs no more than it needs.
_HOMES = _homes()
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rnnhw' has no attribute {name!r}")
    home = _HOMES[name]
    value = (
        import_module(f"rnnhw.{name}") if home == "rnnhw" else getattr(import_module(home), name)
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
