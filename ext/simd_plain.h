/* Words of portable C: sixteen 32-bit sums and the dot product of int16 pairs. */
#ifndef RNNHW_SIMD_H
#define RNNHW_SIMD_H

#include <stdint.h>
#include <string.h>

#define RNNHW_ISA plain
#define RNNHW_ISA_NAME "plain"
#define RNNHW_ISA_TILES &rnnhw_tiles_plain

enum { RNNHW_BYTE_SUMS = 32 }; /* bits that sums of products of bytes have at first */

enum { RNNHW_BYTE_OFFSET = 0 }; /* they multiply unsigned ones as they are */

/* Rows that one pass over the operands computes: as many sums as registers hold. */
enum { RNNHW_TILE_ROWS = 2 };

/* Rows of bytes that one pass over the operands computes; they divide 16. */
enum { RNNHW_QUAD_ROWS = 2 };

/* Rows of few quads have kernels of their own (windows.inc), not faster than others. */
#define RNNHW_SHORT
enum { RNNHW_PREFERS_SHORT = 0 };

/* Blocks of 16 lanes that it computes at most, of as many rows less: one broadcast serves them all. */
enum { RNNHW_QUAD_LANES = 2 };
#define RNNHW_UNROLL_ROWS /* at -O1 gcc 12 unrolls loops over such large structures wrongly */

/* Blocks of 16 rows of bytes that one pass over the operand of one lane computes: as many sums
 * as registers hold. */
enum { RNNHW_QUAD_BLOCKS = 2 };

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

/* Four bytes for each of 16 lanes. */
typedef struct {
    uint8_t value[64];
} quads16;

/* Sums of products of bytes, which 32 bits hold: plain C runs what is planned for 16 bits, too. */
typedef sums16 partial16;

static inline quads16 quads_load(const void *from)
{
    quads16 quads;
    memcpy(&quads, from, sizeof quads);
    return quads;
}

static inline quads16 quads_broadcast(const void *from)
{
    quads16 quads;
    for (int lane = 0; lane < 16; lane++)
        memcpy(&quads.value[4 * lane], from, 4);
    return quads;
}

/* Bytes i to i + 3 of 19 as quad i. */
static inline quads16 quads_windows(const void *from)
{
    quads16 quads;
    for (int lane = 0; lane < 16; lane++)
        memcpy(&quads.value[4 * lane], (const uint8_t *)from + lane, 4);
    return quads;
}

/* partial + the products of the bytes of u, unsigned, and of s, signed. 16 bits hold each product,
 * and compilers know how to vectorise that. */
static inline partial16 partial_add(partial16 partial, quads16 u, quads16 s)
{
    int16_t product[64];
    int32_t pair[32];
    for (int i = 0; i < 64; i++)
        product[i] = (int16_t)(u.value[i] * (int8_t)s.value[i]);
    for (int i = 0; i < 32; i++)
        pair[i] = product[2 * i] + product[2 * i + 1];
    for (int lane = 0; lane < 16; lane++)
        partial.lane[lane] = (int32_t)((uint32_t)partial.lane[lane] + (uint32_t)pair[2 * lane] +
                                       (uint32_t)pair[2 * lane + 1]);
    return partial;
}

static inline partial16 partial_dot(quads16 u, quads16 s)
{
    return partial_add(sums_zero(), u, s);
}

/* sums + partial, modulo 2^32. */
static inline sums16 sums_widen(sums16 sums, partial16 partial)
{
    for (int lane = 0; lane < 16; lane++)
        sums.lane[lane] =
            (int32_t)((uint32_t)sums.lane[lane] + (uint32_t)partial.lane[lane]);
    return sums;
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

/* Each by a number of its own. */
static inline sums16 sums_right_by(sums16 a, sums16 by)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = a.lane[lane] >> by.lane[lane];
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

/* `tally` less one where a > b. */
static inline sums16 sums_tally(sums16 tally, sums16 a, sums16 b)
{
    for (int lane = 0; lane < 16; lane++)
        tally.lane[lane] -= a.lane[lane] > b.lane[lane];
    return tally;
}

/* The sum of those lanes that are `real` (1, else 0). */
static inline int64_t sums_total(sums16 a, const int32_t *real)
{
    int64_t total = 0;
    for (int lane = 0; lane < 16; lane++)
        total += (int64_t)a.lane[lane] * real[lane];
    return total;
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

/* Sixteen bytes with a sign as sums. */
static inline sums16 sums_load8(const int8_t *from)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = from[lane];
    return result;
}

/* a b in every lane, modulo 2^32. */
static inline sums16 sums_multiply(sums16 a, sums16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] = (int32_t)((uint32_t)a.lane[lane] * (uint32_t)b.lane[lane]);
    return a;
}

/* Whether any lane is not 0. */
static inline int sums_any(sums16 a)
{
    int32_t any = 0;
    for (int lane = 0; lane < 16; lane++)
        any |= a.lane[lane];
    return any != 0;
}

/* Sixteen int16 numbers as sums. */
static inline sums16 sums_load16(const int16_t *from)
{
    sums16 result;
    for (int lane = 0; lane < 16; lane++)
        result.lane[lane] = from[lane];
    return result;
}

/* The low halves of sums as int16 numbers. */
static inline void sums_store16(int16_t *to, sums16 sums)
{
    for (int lane = 0; lane < 16; lane++)
        to[lane] = (int16_t)(uint32_t)sums.lane[lane];
}

/* a b in every lane, of 16-bit numbers; the upper half of every b is zero, whatever its sign. */
static inline sums16 sums_product16(sums16 a, sums16 b)
{
    for (int lane = 0; lane < 16; lane++)
        a.lane[lane] *= (int16_t)b.lane[lane];
    return a;
}

/* Quads as words of 32 bits, and back. */
static inline sums16 quads_words(quads16 quads)
{
    sums16 words;
    for (int lane = 0; lane < 16; lane++)
        words.lane[lane] =
            (int32_t)((uint32_t)quads.value[4 * lane] | (uint32_t)quads.value[4 * lane + 1] << 8 |
                      (uint32_t)quads.value[4 * lane + 2] << 16 |
                      (uint32_t)quads.value[4 * lane + 3] << 24);
    return words;
}

static inline quads16 quads_of_words(sums16 words)
{
    quads16 quads;
    for (int lane = 0; lane < 16; lane++)
        for (int i = 0; i < 4; i++)
            quads.value[4 * lane + i] = (uint8_t)((uint32_t)words.lane[lane] >> 8 * i);
    return quads;
}

static inline void quads_store(void *to, quads16 quads)
{
    memcpy(to, &quads, sizeof quads);
}

/* a less `byte`, byte by byte, modulo 2^8. */
static inline quads16 quads_less(quads16 a, int byte)
{
    for (int i = 0; i < 64; i++)
        a.value[i] = (uint8_t)(a.value[i] - (unsigned)byte);
    return a;
}

/* From [16 lanes][4 units] to [4 units][16 lanes]. */
static inline quads16 quads_transpose(quads16 a)
{
    quads16 result;
    for (int lane = 0; lane < 16; lane++)
        for (int i = 0; i < 4; i++)
            result.value[16 * i + lane] = a.value[4 * lane + i];
    return result;
}

/* Two bytes of every quad, the first or the last `half` of it, as a pair of int16. */
static inline sums16 quads_pairs(quads16 quads, int half)
{
    sums16 pairs;
    for (int lane = 0; lane < 16; lane++) {
        const uint16_t first = (uint16_t)(int8_t)quads.value[4 * lane + 2 * half];
        const uint16_t second = (uint16_t)(int8_t)quads.value[4 * lane + 2 * half + 1];
        pairs.lane[lane] = (int32_t)(first | (uint32_t)second << 16);
    }
    return pairs;
}

/* A table of 256 bytes. */
typedef struct {
    const int8_t *entries;
} table256;

static inline table256 table_load(const int8_t *entries)
{
    return (table256){entries};
}

static inline quads16 table_look_up(table256 table, quads16 index)
{
    for (int i = 0; i < 64; i++)
        index.value[i] = (uint8_t)table.entries[index.value[i]];
    return index;
}

/* Byte `lane` of row u, of 16 rows of 16 bytes, goes to to[lane][u]. */
static inline void transpose_bytes(int8_t *const *to, const int8_t *rows)
{
    for (int lane = 0; lane < 16; lane++)
        for (int u = 0; u < 16; u++)
            to[lane][u] = rows[16 * u + lane];
}

#endif
