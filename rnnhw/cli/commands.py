"""The commands of ``rnnhw`` by name, the options that need none, and the way to run one.

A command is a module of this package: it reads its options, calls one library function and shows
what that gave. A new one is a line of ``COMMANDS``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main
import typer.models

from rnnhw.cli.output import show
from rnnhw.cli.plain_values import Command, Group
from rnnhw.errors import RnnhwError
from rnnhw.version import __version__

__all__ = ["COMMANDS", "run"]

COMMANDS: Mapping[str, str] = {
    "new": "new",
    "import": "importing",
    "simulate": "simulate",
    "verify": "verify",
    "prove": "prove",
    "analyze": "analyze",
    "report": "report",
    "compare": "compare",
    "sweep": "sweep",
    "quantize": "quantize",
    "emit": "emit",
    "synth": "synth",
    "profiles": "profiles",
    "info": "info",
}
"""Commands in the order of ``rnnhw --help``, each with the module that has its function
(``new_command``). It is imported when the command runs: all of them together take 0.6 s."""


class _Command(Command):
    """A command whose line of usage has the words of its arguments without typer's braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.translate(_NO_BRACES) for piece in super().collect_usage_pieces(ctx)]


_NO_BRACES = str.maketrans("", "", "{}")


class _Commands(Group):
    """The commands of :data:`COMMANDS`."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"rnnhw.cli.{COMMANDS[cmd_name]}")
        return typer.main.get_command_from_info(
            typer.models.CommandInfo(
                name=cmd_name, callback=getattr(module, f"{cmd_name}_command"), cls=_Command
            ),
            pretty_exceptions_short=False,
            rich_markup_mode=None,
        )


app = typer.Typer(
    name="rnnhw",
    cls=_Commands,
    help="Simulate, verify and cost fixed-point recurrent accelerators, bit for bit.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    except RnnhwError as error:
        error.name_options(_options(command, context), [word.partition("=")[0] for word in words])
        raise


def _options(command: Any, context: Any) -> dict[str, str]:
    """The options of the command that runs, by the parameters of its function."""
    parameters = command.get_command(context, context.invoked_subcommand).params
    options = {each.name: each.opts[0] for each in parameters if each.opts[0].startswith("--")}
    if "minimum" in options:
        options["steps_per_second"] = "--min steps_per_second=..."
    return options
