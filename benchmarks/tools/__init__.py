"""What other tools count for one dense LSTM, beside rnnhw: each run from its package.

A tool that is not installed, or that fails, is a row that says so.
"""

from tools.row import INPUTS, STEPS, UNITS, Row
from tools.table import measure_all, ratios_table, tools_table

__all__ = ["INPUTS", "STEPS", "UNITS", "Row", "measure_all", "ratios_table", "tools_table"]
