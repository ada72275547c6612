"""Renderers of reports: text for people, JSON for programs. The JSON report is the report."""

from rnnhw.report.json import report_schema, to_json
from rnnhw.report.text import print_report, to_text

__all__ = ["print_report", "report_schema", "to_json", "to_text"]
