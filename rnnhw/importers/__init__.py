"""Trained networks from files of other tools, as design files with their weights."""
