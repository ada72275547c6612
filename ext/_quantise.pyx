# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Binds the quantiser of real numbers. The caller has checked every argument."""

from libc.stdint cimport int64_t

import numpy as np


cdef extern from "quantise.h":
    ctypedef struct rnnhw_cast:
        int64_t drop
        int64_t width
        int64_t is_signed
        int64_t rounding
        int64_t overflow
        int64_t lowest
        int64_t max

    bint rnnhw_quantise(int64_t *raw, const double *values, int64_t count, double scale,
                        const rnnhw_cast *to, int64_t *events) nogil
    int64_t rnnhw_underflows(const double *values, const int64_t *raw, int64_t count,
                             double step) nogil
    void rnnhw_quantise_portably(bint only)


def quantise(const double[::1] values, double scale, int64_t width, int64_t rounding,
             int64_t overflow, int64_t lowest, int64_t highest):
    """Raw integers, and how many were clipped high, clipped low, wrapped; None where a value
    needs more than a double tells of it scaled."""
    cdef rnnhw_cast to = rnnhw_cast(0, width, 0, rounding, overflow, lowest, highest)
    cdef int64_t[3] events = [0, 0, 0]
    cdef int64_t count = values.shape[0]
    raw = np.empty(count, np.int64)
    cdef int64_t[::1] place = raw
    cdef bint exact = True
    if count:
        with nogil:
            exact = rnnhw_quantise(&place[0], &values[0], count, scale, &to, events)
    return (raw, (events[0], events[1], events[2])) if exact else None


def underflows(const double[::1] values, const int64_t[::1] raw, double step):
    """How many values are not zero and nearer to zero than ``step``, with a raw integer of 0."""
    cdef int64_t count = values.shape[0], found = 0
    if count:
        with nogil:
            found = rnnhw_underflows(&values[0], &raw[0], count, step)
    return found


def portably(only):
    """Whether to use what every processor has alone."""
    rnnhw_quantise_portably(only)
