"""Networks of other tools, as graphs over the same operations."""
