"""Throughput, storage and energy of a design on a target. No kernel runs, no weights are read.

    clock and cycles:  steps/s = clock / cycles a step;  slack = 1 - required / reached time
    utilisation:       useful MACs / (lanes x cycles)

The cycles come from :mod:`rnnhw.accelerator` on an FPGA or ASIC and from the profile's measured
figures (:mod:`rnnhw.cost.processor`) on a microcontroller; energy (:mod:`rnnhw.cost.energy`) is of
ASIC nodes alone.
"""
