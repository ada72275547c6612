"""Pages of Markdown: their blocks, and what a command printed held against what they show."""

import doctest
import re

__all__ = ["assert_printed", "blocks", "tables"]


def blocks(page, language):
    """The blocks of a page in a language, without fences; not those that have a title."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def assert_printed(expected, output):
    """Fail unless ``output`` is what a page shows; ``...`` stands for anything."""
    # The kernels' name depends on the processor, a simulator's version on the system.
    found = re.sub(r"kernels: \w+", "kernels: avx2", output)
    found = re.sub(r"iverilog [\d.]+", "iverilog 11.0", found)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(expected, found, flags), found


def tables(page, *columns):
    """The tables of a page that have these columns, each a list of rows by column."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", page.read_text(), re.MULTILINE):
        head, _, *rows = (
            [cell.strip() for cell in line.strip("|\n").split(" | ")] for line in block.splitlines()
        )
        if set(columns) <= set(head):
            found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found
