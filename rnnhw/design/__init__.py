"""The design file, its weights, target and tasks."""
