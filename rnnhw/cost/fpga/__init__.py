"""Logic, memory blocks and multipliers on FPGAs."""
