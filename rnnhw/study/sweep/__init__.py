"""Many designs run and costed, and those that no other beats."""
