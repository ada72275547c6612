"""Renderers of analyses: text and HTML for people, JSON for programs."""

from rnnhw.report.analysis.html import to_html
from rnnhw.report.analysis.json import analysis_schema, to_json
from rnnhw.report.analysis.text import to_text

__all__ = ["analysis_schema", "to_html", "to_json", "to_text"]
