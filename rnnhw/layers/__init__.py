"""The parts that a user writes: cells, activations and structures, which only build graphs."""
