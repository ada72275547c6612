"""The error of words that did not run yet, by the designs that did.

A format of b bits adds noise whose power falls to a quarter with one bit more, and the powers of
independent roundings add: the power of the output's error is a constant and a sum of c 4^-b over
the variables (estimated so by Caffarena et al. 2010, doi:10.1155/2010/171027). Two designs that
differ by one bit of one variable tell its c. The model orders what is worth a run; what a design
gives is always measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnhw.study.word_lengths.goal import error_power
from rnnhw.study.word_lengths.space import Space, Words

__all__ = ["noise_of_bits"]


def noise_of_bits(space: Space, words: Words) -> NDArray[np.float64]:
    """The factor c of every variable, by the designs next to ``words`` that ran; 0 where none
    tells."""
    base = np.array(space.key(words))
    nearest = np.full(len(base), np.inf)
    factors = np.zeros(len(base))
    for key, outcome in space.outcomes.items():
        if outcome is None:
            continue
        distance = float(np.abs(base - key).sum())
        for place in np.flatnonzero(distance < nearest):
            shorter = space.outcomes.get((*key[:place], key[place] - 1, *key[place + 1 :]))
            if shorter is not None:
                more = max(error_power(shorter) - error_power(outcome), 0.0)
                nearest[place], factors[place] = distance, more / 3 * 4.0 ** key[place]
    return factors
