"""What follows from a step graph alone: counts, storage, reach."""
