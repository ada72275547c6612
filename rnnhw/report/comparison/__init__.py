"""Renderers of comparisons: text, Markdown and HTML for people, CSV and JSON for programs.

All show one :class:`rnnhw.report.comparison.model.Comparison`, and the same one gives the same
bytes.
"""

from rnnhw.report.comparison.csv import to_csv
from rnnhw.report.comparison.html import to_html
from rnnhw.report.comparison.json import comparison_schema, to_json
from rnnhw.report.comparison.markdown import to_markdown
from rnnhw.report.comparison.tables import check_text
from rnnhw.report.comparison.text import print_comparison, to_text

__all__ = [
    "check_text",
    "comparison_schema",
    "print_comparison",
    "to_csv",
    "to_html",
    "to_json",
    "to_markdown",
    "to_text",
]
