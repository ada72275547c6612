"""Runs of imported networks: files in, outputs of the float reference out."""

import numpy as np

from rnnhw import import_network, load
from rnnhw.design.tasks.samples import Samples
from rnnhw.execution.first_states import first_states
from rnnhw.execution.reference import run_reference


def imported(file, folder, **options):
    """What the importer says, and the design as it is loaded from its file.

    Tables are small, for the float reference does not read them.
    """
    options = {"address": 6, **options}
    result = import_network(file, folder / "mine.py", force=True, **options)
    return result, load(folder / "mine.py")


def float_run(design, x, lengths=None, first=None):
    """The float reference on ``x`` [sequences, steps, features]."""
    x = np.asarray(x, np.float64)
    lengths = np.full(len(x), x.shape[1]) if lengths is None else np.asarray(lengths)
    samples = Samples(x, lengths, None, first or {})
    states = first_states(design.network, samples).real
    return run_reference(design.network, design.parameters, x, lengths, initial=states)
