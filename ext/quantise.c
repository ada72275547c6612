/* Real numbers to raw integers. One loop, compiled for every rounding and overflow mode, and for AVX2
 * beside what every processor has: nothing in it branches or leaves double numbers, so that compilers
 * take several numbers at a time. See quantise.h. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math") /* or comparisons stay branches; nobody asks for the flags */
#endif
#include "quantise.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Added to a number of at most 2^50, it leaves the nearest whole number (the even one of two) in the last bits
 * of a double. */
#define WHOLE 0x1.8p52

INLINE double nearest(double number)
{
    return (number + WHOLE) - WHOLE;
}

INLINE uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* 1.0 or 0.0, which unlike a whole number needs no conversion. */
INLINE double one_if(int condition)
{
    return condition ? 1.0 : 0.0;
}

/* A number less than 2^50 away from zero, rounded; constant `rounding`. Its difference from the
 * nearest whole number, from -1/2 to 1/2, is exact. */
INLINE double rounded(double number, const int rounding)
{
    const double even = nearest(number), beyond = number - even;
    /* Where two whole numbers are as near, the other one lies above or below. */
    const double above = one_if(beyond == 0.5), below = one_if(beyond == -0.5);
    switch (rounding) {
    case RNNHW_TRN:
        return even - one_if(beyond < 0);
    case RNNHW_TRN_ZERO:
        return even - one_if((beyond < 0) & (number > 0)) + one_if((beyond > 0) & (number < 0));
    case RNNHW_RND:
        return even + above;
    case RNNHW_RND_MIN_INF:
        return even - below;
    case RNNHW_RND_ZERO:
        return number < 0 ? even + above : even - below;
    case RNNHW_RND_INF:
        return number < 0 ? even - below : even + above;
    case RNNHW_RND_CONV:
        return even;
    default:
        return even + above - below;
    }
}

INLINE int quantise_as(int64_t *restrict raw, const double *restrict values, int64_t count,
                       double scale, const rnnhw_cast *to, int64_t *events, const int rounding,
                       const int overflow)
{
    const int64_t lowest = to->lowest;
    const double least = (double)lowest, most = (double)to->max; /* exact where anything clips */
    const uint64_t bits = to->width < 64 ? ((uint64_t)1 << to->width) - 1 : ~(uint64_t)0;
    int64_t highs = 0, lows = 0, inexact = 0;
    for (int64_t i = 0; i < count; i++) {
        const double scaled = values[i] * scale, value = rounded(scaled, rounding);
        const int good = (fabs(scaled) < 0x1p50) & ((scaled == 0) == (values[i] == 0));
        inexact += !good;
        highs += value > most;
        lows += value < least;
        double fits = value;
        if (overflow == RNNHW_SAT_ZERO)
            fits = (value > most) | (value < least) ? 0 : value;
        if (overflow == RNNHW_SAT) {
            fits = value > most ? most : value;
            fits = fits < least ? least : fits;
        }
        uint64_t whole = bits_of(fits + WHOLE) - bits_of(WHOLE);
        if (overflow == RNNHW_WRAP)
            whole = ((whole - (uint64_t)lowest) & bits) + (uint64_t)lowest;
        raw[i] = (int64_t)whole;
    }
    if (inexact)
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

INLINE int quantise_all(int64_t *raw, const double *values, int64_t count, double scale,
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

INLINE int64_t underflows_of(const double *values, const int64_t *raw, int64_t count, double step)
{
    int64_t lost = 0;
    for (int64_t i = 0; i < count; i++)
        lost += (values[i] != 0) & (raw[i] == 0) & (fabs(values[i]) < step);
    return lost;
}

static int portably;

void rnnhw_quantise_portably(int only)
{
    portably = only;
}

#if defined(__GNUC__) && defined(__x86_64__)
#define AVX2 __attribute__((target("avx2"))) static

AVX2 int quantise_avx2(int64_t *raw, const double *values, int64_t count, double scale,
                       const rnnhw_cast *to, int64_t *events)
{
    return quantise_all(raw, values, count, scale, to, events);
}

AVX2 int64_t underflows_avx2(const double *values, const int64_t *raw, int64_t count, double step)
{
    return underflows_of(values, raw, count, step);
}

#define USE_AVX2(call)                                                                            \
    if (!portably && __builtin_cpu_supports("avx2"))                                              \
    return call
#else
#define USE_AVX2(call) (void)portably
#endif

int rnnhw_quantise(int64_t *raw, const double *values, int64_t count, double scale,
                   const rnnhw_cast *to, int64_t *events)
{
    USE_AVX2(quantise_avx2(raw, values, count, scale, to, events));
    return quantise_all(raw, values, count, scale, to, events);
}

int64_t rnnhw_underflows(const double *values, const int64_t *raw, int64_t count, double step)
{
    USE_AVX2(underflows_avx2(values, raw, count, step));
    return underflows_of(values, raw, count, step);
}
