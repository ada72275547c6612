"""Designs side by side without hardware: scores, and what follows from the graph alone."""
