"""The operations of one step and of one sequence."""
