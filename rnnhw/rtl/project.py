"""The folder of an emitted network: Verilog, images, test bench, and what other tools read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from rnnhw.errors import UsageError
from rnnhw.files import check_output, replaced_folder
from rnnhw.numerics.cast import Q
from rnnhw.rtl.bench import Stimulus, bench_files, bench_name
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.modules import MODULES
from rnnhw.version import __version__

__all__ = ["project_files", "sources", "static_module", "static_modules", "write_project"]

_LICENCE = "SPDX-License-Identifier: MIT"
_ORIGIN = f"Written by rnnhw {__version__}."


@cache
def static_module(name: str) -> str:
    """The text of a static module."""
    return (files(__package__) / "verilog" / f"{name}.v").read_text()


def static_modules(emission: Emission) -> tuple[str, ...]:
    """The static modules of a network, with those that they instantiate in turn."""
    names: set[str] = set()
    pending = list(emission.modules)
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            pending += MODULES[name].holds
    return tuple(sorted(names))


def sources(emission: Emission) -> list[str]:
    """The Verilog files of a network without its test bench."""
    generated = [name for name in emission.files if name.endswith(".v")]
    return [*generated, *(f"{name}.v" for name in static_modules(emission))]


def project_files(emission: Emission, stimulus: Stimulus | None = None) -> dict[str, str]:
    """Every file of the folder by name; the test bench where there is a stimulus."""
    name = emission.name
    bench = {} if stimulus is None else bench_files(emission, stimulus)
    generated = {**emission.files, **bench}
    texts = {file: _marked(text, "//") for file, text in generated.items()}
    texts |= {f"{module}.v": static_module(module) for module in static_modules(emission)}
    texts[f"{name}.f"] = _marked("".join(f"{file}\n" for file in sources(emission)), "//")
    texts[f"{name}.core"] = _core(emission, bench)
    texts[f"{name}.h"] = _marked(_header(emission), "//")
    return texts


def write_project(
    emission: Emission,
    directory: Path,
    stimulus: Stimulus | None = None,
    *,
    inputs: Iterable[Path] = (),
) -> tuple[str, ...]:
    """Write the folder and give the names of its files, sorted.

    Files that rnnhw wrote before are replaced, all at once; others in the folder are left alone.

    Args:
        inputs: files that the run reads.

    Raises:
        UsageError: the folder cannot be written, or a file that rnnhw did not write or that the run
            reads is in the way; nothing is written then.
    """
    texts = project_files(emission, stimulus)
    read = list(inputs)
    for file in texts:
        check_output(directory / file, read)
        if not _ours(directory / file):
            raise UsageError(
                f"{directory / file} is there and was not written by rnnhw",
                "move it away, or choose another folder",
            )
    replaced_folder(directory, texts)
    return tuple(sorted(texts))


def _ours(path: Path) -> bool:
    """Whether ``path`` may be replaced: nothing is there, or a file with rnnhw's first lines."""
    if not path.exists():
        return True
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return False
    head = "".join(text.splitlines(keepends=True)[:3])
    static = path.name.startswith("rnnhw_") and f"module {path.stem}" in text
    return _LICENCE in head and ("Written by rnnhw" in head or static)


def _marked(text: str, comment: str) -> str:
    """``text`` behind its licence and its origin."""
    lines = text.splitlines(keepends=True)
    if lines and _LICENCE in lines[0]:
        text = "".join(lines[1:])
    return f"{comment} {_LICENCE}\n{comment} {_ORIGIN}\n{text}"


# --- what other tools read -----------------------------------------------------------------------
def _header(emission: Emission) -> str:
    """A C header with the formats of the streams."""
    prefix = emission.name.upper()
    guard = f"RNNHW_{prefix}_H"
    lines = [
        "// One vector of a stream is UNITS elements; the value of an element is its number times",
        "// 2^-FRACTION.",
        f"#ifndef {guard}",
        f"#define {guard}",
    ]
    sides = [("INPUT", emission.inputs, emission.input_format, "")]
    sides += [
        (f"OUTPUT{port.suffix}", port.units, port.format, port.name)
        for port in emission.output_ports
    ]
    for side, units, format, output in sides:
        lines += ["", *([f"// {output}"] if output else [])]
        lines += [
            f"#define {prefix}_{side}_{key} {_number(value)}"
            for key, value in {"UNITS": units, **_format(format)}.items()
        ]
    return "\n".join([*lines, "", f"#endif // {guard}", ""])


def _format(format: Q) -> dict[str, int]:
    return {"WIDTH": format.width, "FRACTION": format.fraction, "SIGNED": int(format.signed)}


def _number(value: int) -> str:
    return f"({value})" if value < 0 else str(value)


def _core(emission: Emission, bench: Mapping[str, str]) -> str:
    """A FuseSoC core (CAPI2)."""
    name = emission.name
    top = bench_name(emission)
    images = [file for file in emission.files if file.endswith(".hex")]
    bench_images = [file for file in bench if file.endswith(".hex")]
    # CAPI=2 must be the first line.
    lines = ["CAPI=2:", f"# {_LICENCE}", f"# {_ORIGIN}", f"name: ::{name}:{__version__}"]
    lines += [f"description: {name}, a recurrent network emitted by rnnhw", "filesets:"]
    lines += _fileset("rtl", sources(emission), images)
    if bench:
        lines += _fileset("bench", [f"{top}.v"], bench_images)
    lines += [
        "targets:", "  default:", "    filesets: [rtl]", f"    toplevel: {_yaml(name)}",
        "  lint:", "    flow: lint",
        "    flow_options: {tool: verilator, verilator_options: [-Wall]}",
        "    filesets: [rtl]", f"    toplevel: {_yaml(name)}",
    ]  # fmt: skip
    if bench:
        lines += [
            "  sim:", "    flow: sim", "    flow_options: {tool: icarus}",
            "    filesets: [rtl, bench]", f"    toplevel: {top}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _yaml(name: str) -> str:
    """A name as YAML reads it as text: some words mean true, false or nothing."""
    words = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
    return f'"{name}"' if name.lower() in words else name


def _fileset(name: str, verilog: list[str], images: list[str]) -> list[str]:
    """A set of Verilog files, and memory images beside the place where tools run."""
    return [
        f"  {name}:",
        "    file_type: verilogSource-2005",
        "    files:",
        *(f"      - {file}" for file in verilog),
        *(f"      - {file}: {{file_type: user, copyto: {file}}}" for file in images),
    ]
