"""Linear recurrences in real tridiagonal form."""

from rnnhw.jordan.conversion import JordanForm, jordan_form
from rnnhw.jordan.matrix import tridiagonal_form

__all__ = ["JordanForm", "jordan_form", "tridiagonal_form"]
