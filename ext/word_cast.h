/* Casts in 32-bit words: the constants that a cast computes with. */
#ifndef RNNHW_WORD_CAST_H
#define RNNHW_WORD_CAST_H

#include <stdint.h>

enum rnnhw_rounding {
    RNNHW_TRN,
    RNNHW_TRN_ZERO,
    RNNHW_RND,
    RNNHW_RND_ZERO,
    RNNHW_RND_INF,
    RNNHW_RND_MIN_INF,
    RNNHW_RND_CONV,
    RNNHW_RND_CONV_ODD
};

enum rnnhw_overflow { RNNHW_WRAP, RNNHW_SAT, RNNHW_SAT_ZERO, RNNHW_SAT_SYM, RNNHW_WRAP_SM };

/* A cast: drop `drop` fraction bits (negative: append zeros), then fit lowest..max. */
typedef struct {
    int64_t drop;
    int64_t width;
    int64_t is_signed;
    int64_t rounding;
    int64_t overflow;
    int64_t lowest;
    int64_t max;
} rnnhw_cast;

/* A cast in 32-bit words. Rounding is the floor of value + offset, which the plan proves to stay in
 * them; an offset is `base`, and what `odd` says by the sign or the floor of the value. */
typedef struct {
    int32_t base, odd, lowest, max, bits;
    int drop, spare;
    int deleted;  /* brings the first deleted bit to the top */
    int sign, over; /* (value >> over) + sign >> sign: words by which a value leaves its range */
    int offset, fit;
} word_cast;

enum { OFFSET_NONE, OFFSET_FIXED, OFFSET_BY_SIGN, OFFSET_BY_FLOOR };
enum { FIT_PROVEN, FIT_WRAP, FIT_WRAP_SUM, FIT_SATURATE, FIT_ZERO, FIT_SIGN_MAGNITUDE };

/* The constant that rounding adds before the floor: `odd` by the sign or the floor of the value. */
typedef struct {
    int64_t base, odd;
    int offset;
} rounding_of;

static inline rounding_of rounding_as(int64_t rounding, int64_t drop)
{
    const int64_t half = drop ? (int64_t)1 << (drop - 1) : 0, low = ((int64_t)1 << drop) - 1;
    if (drop == 0)
        return (rounding_of){0, 0, OFFSET_NONE};
    switch (rounding) {
    case RNNHW_TRN_ZERO:
        return (rounding_of){0, low, OFFSET_BY_SIGN};
    case RNNHW_RND:
        return (rounding_of){half, 0, OFFSET_FIXED};
    case RNNHW_RND_MIN_INF:
        return (rounding_of){half - 1, 0, OFFSET_FIXED};
    case RNNHW_RND_ZERO:
        return (rounding_of){half - 1, 1, OFFSET_BY_SIGN};
    case RNNHW_RND_INF:
        return (rounding_of){half, -1, OFFSET_BY_SIGN};
    case RNNHW_RND_CONV:
        return (rounding_of){half - 1, 0, OFFSET_BY_FLOOR};
    case RNNHW_RND_CONV_ODD:
        return (rounding_of){half - 1, 1, OFFSET_BY_FLOOR};
    default:
        return (rounding_of){0, 0, OFFSET_FIXED};
    }
}

/* `proven`: nothing can clip. `summed`: of a wrapping sum, the words outside are added up. */
static inline word_cast word_cast_of(const rnnhw_cast *to, int proven, int summed)
{
    const rounding_of by = rounding_as(to->rounding, to->drop);
    const int64_t position = to->drop + to->width; /* of the first deleted bit */
    int fit = FIT_SATURATE;
    if (to->overflow == RNNHW_WRAP)
        fit = summed ? FIT_WRAP_SUM : FIT_WRAP;
    else if (to->overflow == RNNHW_SAT_ZERO)
        fit = FIT_ZERO;
    else if (to->overflow == RNNHW_WRAP_SM)
        fit = FIT_SIGN_MAGNITUDE;
    return (word_cast){.base = (int32_t)by.base,
                       .odd = (int32_t)by.odd,
                       .lowest = (int32_t)to->lowest,
                       .max = (int32_t)to->max,
                       .bits = to->width < 32 ? (int32_t)((1u << to->width) - 1) : -1,
                       .drop = (int)to->drop,
                       .spare = to->width < 32 ? (int)(32 - to->width) : 0,
                       .deleted = position < 31 ? (int)(31 - position) : 0,
                       .sign = (int)to->is_signed,
                       .over = (int)(to->width - to->is_signed),
                       .offset = by.offset,
                       .fit = proven ? FIT_PROVEN : fit};
}

#endif
