"""The command line: the only part of rnnhw that prints, reads arguments or exits."""

from rnnhw.cli.entry import main

__all__ = ["main"]
