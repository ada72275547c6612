"""The commands of ``rnnhw`` by name, the options that need none, and the way to run one.

A command is a module of this package: it reads its options, calls one library function and shows
what that gave. A new one is a line of ``COMMANDS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from rnnhw.cli.analyze import analyze_command
from rnnhw.cli.compare import compare_command
from rnnhw.cli.emit import emit_command
from rnnhw.cli.importing import import_command
from rnnhw.cli.info import info_command
from rnnhw.cli.new import new_command
from rnnhw.cli.output import show
from rnnhw.cli.profiles import profiles_command
from rnnhw.cli.prove import prove_command
from rnnhw.cli.quantize import quantize_command
from rnnhw.cli.report import report_command
from rnnhw.cli.simulate import simulate_command
from rnnhw.cli.sweep import sweep_command
from rnnhw.cli.synth import synth_command
from rnnhw.cli.verify import verify_command
from rnnhw.version import __version__

__all__ = ["COMMANDS", "run"]

COMMANDS: Mapping[str, Callable[..., int]] = {
    "new": new_command,
    "import": import_command,
    "simulate": simulate_command,
    "verify": verify_command,
    "prove": prove_command,
    "analyze": analyze_command,
    "report": report_command,
    "compare": compare_command,
    "sweep": sweep_command,
    "quantize": quantize_command,
    "emit": emit_command,
    "synth": synth_command,
    "profiles": profiles_command,
    "info": info_command,
}
"""In the order of ``rnnhw --help``."""

app = typer.Typer(
    name="rnnhw",
    help="Simulate, verify and cost fixed-point recurrent accelerators, bit for bit.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        show(f"rnnhw {__version__}\n")
        raise typer.Exit()


@app.callback(no_args_is_help=True)
def _every_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in rnnhw an error comes from.")
    ] = False,
) -> None:
    """Take the options that need no command."""


_COMPLETION = "_RNNHW_COMPLETE"
"""The variable by which a shell asks typer to complete a word."""


def run(words: Sequence[str]) -> int:
    """Run a command; the exit code. Whatever goes wrong is raised."""
    command = typer.main.get_command(app)
    try:
        if _COMPLETION in os.environ:
            command.main(list(words), "rnnhw")
        # Not the command's own main(): it makes another exception of an interrupt.
        context = command.make_context("rnnhw", list(words))
    except SystemExit as ended:  # of completion, before any design is read
        return int(ended.code or 0)
    except typer.Exit as ended:  # of --help and --version
        return ended.exit_code
    try:
        with context:
            return int(command.invoke(context) or 0)
    except typer.Exit as ended:
        return ended.exit_code
