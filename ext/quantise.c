/* Real numbers to raw integers. One loop, compiled for every rounding and overflow mode: nothing in
 * it branches. See quantise.h. */
#include "quantise.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))

/* Whether a number rounds up to the whole number above its floor: `twice` is twice what lies above
 * the floor, less one: 0 for a tie, -1 for a whole number. Constant `rounding`. */
INLINE int64_t rounds_up(double number, int64_t floor, double twice, const int rounding)
{
    const int64_t more = twice > 0, tie = twice == 0, negative = number < 0;
    switch (rounding) {
    case RNNHW_TRN:
        return 0;
    case RNNHW_TRN_ZERO:
        return negative & (int64_t)(twice > -1);
    case RNNHW_RND:
        return twice >= 0;
    case RNNHW_RND_MIN_INF:
        return more;
    case RNNHW_RND_ZERO:
        return more | (tie & negative);
    case RNNHW_RND_INF:
        return more | (tie & ~negative & 1);
    case RNNHW_RND_CONV:
        return more | (tie & floor & 1);
    default:
        return more | (tie & ~floor & 1);
    }
}

INLINE int quantise_as(int64_t *raw, const double *values, int64_t count, double scale,
                       const rnnhw_cast *to, int64_t *events, const int rounding,
                       const int overflow)
{
    const int64_t lowest = to->lowest, max = to->max;
    const uint64_t bits = to->width < 64 ? ((uint64_t)1 << to->width) - 1 : ~(uint64_t)0;
    int64_t highs = 0, lows = 0;
    int exact = 1;
    for (int64_t i = 0; i < count; i++) {
        const double scaled = values[i] * scale;
        const int good = (fabs(scaled) < 0x1p52) & ((scaled == 0) == (values[i] == 0));
        exact &= good;
        const double number = good ? scaled : 0;
        const int64_t whole = (int64_t)number;
        const int64_t below = (double)whole > number, floor = whole - below;
        /* `rest` is exact, and so is `twice` near a tie; elsewhere it keeps its side of it. */
        const double rest = number - (double)whole;
        const double twice = 2 * rest + (double)(2 * below - 1);
        const int64_t value = floor + rounds_up(number, floor, twice, rounding);
        const int high = value > max, low = value < lowest;
        highs += high;
        lows += low;
        if (overflow == RNNHW_WRAP)
            raw[i] = (int64_t)((((uint64_t)value - (uint64_t)lowest) & bits) + (uint64_t)lowest);
        else if (overflow == RNNHW_SAT_ZERO)
            raw[i] = high | low ? 0 : value;
        else
            raw[i] = high ? max : low ? lowest : value;
    }
    if (!exact)
        return 0;
    if (overflow == RNNHW_WRAP) {
        events[2] += highs + lows;
    } else {
        events[0] += highs;
        events[1] += lows;
    }
    return 1;
}

#define MODE(ROUNDING, OVERFLOW)                                                                  \
    return quantise_as(raw, values, count, scale, to, events, ROUNDING, OVERFLOW)
#define ROUNDING_MODE(ROUNDING)                                                                   \
    case ROUNDING:                                                                                \
        switch (to->overflow) {                                                                   \
        case RNNHW_WRAP:                                                                          \
            MODE(ROUNDING, RNNHW_WRAP);                                                           \
        case RNNHW_SAT_ZERO:                                                                      \
            MODE(ROUNDING, RNNHW_SAT_ZERO);                                                       \
        default:                                                                                  \
            MODE(ROUNDING, RNNHW_SAT);                                                            \
        }

int rnnhw_quantise(int64_t *raw, const double *values, int64_t count, double scale,
                   const rnnhw_cast *to, int64_t *events)
{
    switch (to->rounding) {
        ROUNDING_MODE(RNNHW_TRN)
        ROUNDING_MODE(RNNHW_TRN_ZERO)
        ROUNDING_MODE(RNNHW_RND)
        ROUNDING_MODE(RNNHW_RND_ZERO)
        ROUNDING_MODE(RNNHW_RND_INF)
        ROUNDING_MODE(RNNHW_RND_MIN_INF)
        ROUNDING_MODE(RNNHW_RND_CONV)
        ROUNDING_MODE(RNNHW_RND_CONV_ODD)
    }
    return 0;
}

int64_t rnnhw_underflows(const double *values, const int64_t *raw, int64_t count, double step)
{
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++)
        found += (values[i] != 0) & (raw[i] == 0) & (fabs(values[i]) < step);
    return found;
}
