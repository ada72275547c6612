"""In which cycle every layer works, over steps and sequences."""
