"""What one step and one sequence compute."""
