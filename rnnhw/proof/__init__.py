"""Claims over all input sequences, decided by a search of the states that can be reached."""
