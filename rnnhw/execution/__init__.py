"""Step graphs run: exact, compiled, and in floating point."""
