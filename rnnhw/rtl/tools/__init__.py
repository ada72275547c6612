"""Simulators and synthesis, run on emitted Verilog."""
