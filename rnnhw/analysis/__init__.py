"""Facts that follow from a step graph alone: counts, storage, reach."""
