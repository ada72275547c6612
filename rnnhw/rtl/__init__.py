"""Verilog of the accelerator: static modules, the tops that wire them, and what runs them."""
