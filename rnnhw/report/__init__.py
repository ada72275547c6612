"""Renderers of reports: text, Markdown and HTML for people, CSV and JSON for programs.

All show one :class:`rnnhw.cost.model.Report`, and the same report gives the same bytes.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnhw.report.csv import to_csv
    from rnnhw.report.html import to_html
    from rnnhw.report.json import report_schema, to_json
    from rnnhw.report.markdown import to_markdown
    from rnnhw.report.text import print_report, to_text
else:
    _HOMES = {
        "print_report": "text",
        "report_schema": "json",
        "to_csv": "csv",
        "to_html": "html",
        "to_json": "json",
        "to_markdown": "markdown",
        "to_text": "text",
    }

    # Each is imported when it is first used: commands that write JSON of their own need no cost
    # model, and with the renderers of reports it takes a tenth of a second to import.
    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value


__all__ = [
    "print_report",
    "report_schema",
    "to_csv",
    "to_html",
    "to_json",
    "to_markdown",
    "to_text",
]
