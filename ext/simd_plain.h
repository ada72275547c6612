/* Words of portable C: sixteen 32-bit sums and the dot product of int16 pairs. */
#ifndef RNNHW_SIMD_H
#define RNNHW_SIMD_H

#include <stdint.h>
#include <string.h>

#define RNNHW_ISA plain
#define RNNHW_ISA_NAME "plain"

/* Rows that one pass over the operands computes: as many sums as registers hold. */
enum { RNNHW_TILE_ROWS = 2 };

typedef struct {
    int32_t lane[16];
} sums16;

typedef struct {
    int16_t value[32]; /* two for each lane */
} pairs16;

static inline sums16 sums_zero(void)
{
    sums16 sums;
    memset(&sums, 0, sizeof sums);
    return sums;
}

static inline pairs16 pairs_load(const int16_t *from)
{
    pairs16 pairs;
    memcpy(&pairs, from, sizeof pairs);
    return pairs;
}

/* The pair at `from` in every lane. */
static inline pairs16 pairs_broadcast(const int16_t *from)
{
    pairs16 pairs;
    for (int lane = 0; lane < 16; lane++)
        memcpy(&pairs.value[2 * lane], from, 2 * sizeof *from);
    return pairs;
}

/* sums + a[0] b[0] + a[1] b[1] in every lane, modulo 2^32. The products come first and alone, as
 * compilers know how to vectorise that. */
static inline sums16 sums_dot(sums16 sums, pairs16 a, pairs16 b)
{
    int32_t product[32];
    for (int i = 0; i < 32; i++)
        product[i] = a.value[i] * b.value[i];
    for (int lane = 0; lane < 16; lane++)
        sums.lane[lane] = (int32_t)((uint32_t)sums.lane[lane] + (uint32_t)product[2 * lane] +
                                    (uint32_t)product[2 * lane + 1]);
    return sums;
}

/* a[odd] b[odd] in every lane, exact. */
static inline sums16 pairs_product(pairs16 a, pairs16 b, const int odd)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.value[2 * lane + odd] * b.value[2 * lane + odd];
    return result;
}

static inline sums16 sums_all(int32_t value)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = value;
    return result;
}

static inline sums16 sums_right(sums16 a, int by)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] >> by;
    return result;
}

static inline sums16 sums_left(sums16 a, int by)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = (int32_t)((uint32_t)a.lane[lane] << by);
    return result;
}

static inline sums16 sums_and(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] & b.lane[lane];
    return result;
}

static inline sums16 sums_xor(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] ^ b.lane[lane];
    return result;
}

/* The bits of a that b does not have. */
static inline sums16 sums_without(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] & ~b.lane[lane];
    return result;
}

static inline sums16 sums_min(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] < b.lane[lane] ? a.lane[lane] : b.lane[lane];
    return result;
}

static inline sums16 sums_max(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] > b.lane[lane] ? a.lane[lane] : b.lane[lane];
    return result;
}

/* -1 where a > b, else 0. */
static inline sums16 sums_greater(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = -(a.lane[lane] > b.lane[lane]);
    return result;
}

/* -1 where a = b, else 0. */
static inline sums16 sums_equal(sums16 a, sums16 b)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = -(a.lane[lane] == b.lane[lane]);
    return result;
}

static inline sums16 sums_load(const int32_t *from)
{
    sums16 sums;
    memcpy(&sums, from, sizeof sums);
    return sums;
}

/* a + b in every lane, modulo 2^32. */
static inline sums16 sums_add(sums16 a, sums16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] = (int32_t)((uint32_t)a.lane[lane] + (uint32_t)b.lane[lane]);
    return a;
}

/* a - b in every lane, modulo 2^32. */
static inline sums16 sums_subtract(sums16 a, sums16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] = (int32_t)((uint32_t)a.lane[lane] - (uint32_t)b.lane[lane]);
    return a;
}

static inline void sums_store(int32_t *to, sums16 sums)
{
    memcpy(to, &sums, sizeof sums);
}

/* Sixteen 64-bit numbers. */
typedef struct {
    int64_t lane[16];
} wide16;

static inline wide16 wide_all(int64_t value)
{
    wide16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = value;
    return result;
}

/* The products of 32-bit numbers that stand in 64-bit elements. */
static inline wide16 wide_product(const int64_t *a, int64_t b)
{
    wide16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = (int64_t)(int32_t)a[lane] * (int32_t)b;
    return result;
}

static inline wide16 wide_add(wide16 a, wide16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] += b.lane[lane];
    return a;
}

static inline wide16 wide_and(wide16 a, wide16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] &= b.lane[lane];
    return a;
}

/* -1 where a is negative, else 0. */
static inline wide16 wide_negative(wide16 a)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] = -(a.lane[lane] < 0);
    return a;
}

/* Zeros come in from the left. */
static inline wide16 wide_right(wide16 a, int by)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] = (int64_t)((uint64_t)a.lane[lane] >> by);
    return a;
}

static inline sums16 wide_low(wide16 a)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = (int32_t)(uint32_t)(uint64_t)a.lane[lane];
    return result;
}

/* Sums and differences of the elements `apart` (1, 2, 4 or 8) from each other. */
static inline sums16 sums_stage(sums16 a, const int apart)
{
    sums16 result;
    for (int i = 0; i < 16; i++) {
        const uint32_t own = (uint32_t)a.lane[i], other = (uint32_t)a.lane[i ^ apart];
        result.lane[i] = (int32_t)(i & apart ? other - own : other + own);
    }
    return result;
}

/* Sixteen int16 numbers as sums. */
static inline sums16 sums_load16(const int16_t *from)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = from[lane];
    return result;
}

/* a b in every lane, of 16-bit numbers; the upper half of every b is zero, whatever its sign. */
static inline sums16 sums_product16(sums16 a, sums16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] *= (int16_t)b.lane[lane];
    return a;
}

/* Byte `lane` of row u, of 16 rows of 16 bytes, goes to to[lane][u]. */
static inline void transpose_bytes(int8_t *const *to, const int8_t *rows)
{
    for (int lane = 0; lane < 16; lane++)
        for (int u = 0; u < 16; u++)
            to[lane][u] = rows[16 * u + lane];
}

#endif
