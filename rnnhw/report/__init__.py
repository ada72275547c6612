"""Renderers of reports: text, Markdown and HTML for people, CSV and JSON for programs.

All show one :class:`rnnhw.cost.model.Report`, and the same report gives the same bytes.
"""

from rnnhw.report.csv import to_csv
from rnnhw.report.html import to_html
from rnnhw.report.json import report_schema, to_json
from rnnhw.report.markdown import to_markdown
from rnnhw.report.text import print_report, to_text

__all__ = [
    "print_report",
    "report_schema",
    "to_csv",
    "to_html",
    "to_json",
    "to_markdown",
    "to_text",
]
