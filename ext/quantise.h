/* Real numbers to raw integers of a format, in one pass. */
#ifndef RNNHW_QUANTISE_H
#define RNNHW_QUANTISE_H

#include "kernels.h"

/* raw[i] = values[i] * scale, rounded and fitted as `to` says (its `drop` is not looked at);
 * `scale` is a power of two. Adds to `events`, and gives 1.
 *
 * Gives 0 and leaves `events` alone where a value is no number, or scaled is no double below 2^50:
 * what its whole part and its rest are cannot be told exactly then. */
int rnnhw_quantise(int64_t *raw, const double *values, int64_t count, double scale,
                   const rnnhw_cast *to, int64_t *events);

/* How many values are not zero and nearer to zero than `step`, with a raw integer of zero. */
int64_t rnnhw_underflows(const double *values, const int64_t *raw, int64_t count, double step);

/* Whether to use what every processor has alone, so that tests reach that too. */
void rnnhw_quantise_portably(int only);

#endif
