/* Words of NEON, which every AArch64 processor has: sixteen 32-bit sums in four registers. Products of
 * int16 pairs are long multiply-adds of even and of odd columns; those of bytes are dot products (sdot)
 * where RNNHW_DOTPROD is defined, and long products, added up in pairs, where it is not. Both multiply
 * signed bytes alone: an unsigned one loses RNNHW_BYTE_OFFSET. */
#ifndef RNNHW_SIMD_H
#define RNNHW_SIMD_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#ifdef RNNHW_DOTPROD
#define RNNHW_ISA dotprod
#define RNNHW_ISA_NAME "dotprod"
#else
#define RNNHW_ISA neon
#define RNNHW_ISA_NAME "neon"
#endif
#define RNNHW_ISA_TILES NULL

enum { RNNHW_BYTE_SUMS = 32 }; /* bits that sums of products of bytes have at first */

enum { RNNHW_BYTE_OFFSET = 128 }; /* what products of bytes take away from every unsigned one */

/* 4 rows x 4 registers of sums, 4 of operands and 2 of weights, of 32. */
enum { RNNHW_TILE_ROWS = 4 };

/* Rows of bytes that one pass over the operands computes; they divide 16. Without dot products a row
 * has 8 registers of sums. */
#ifdef RNNHW_DOTPROD
enum { RNNHW_QUAD_ROWS = 4 };
#else
enum { RNNHW_QUAD_ROWS = 2 };
#endif

/* Rows of few quads have kernels of their own (windows.inc); how fast they are is not measured. */
#define RNNHW_SHORT
enum { RNNHW_PREFERS_SHORT = 0 };

/* Blocks of 16 lanes that it computes: of a second one the operands would need signs, too. */
enum { RNNHW_QUAD_LANES = 1 };
#define RNNHW_UNROLL_ROWS _Pragma("GCC unroll 16")

/* Blocks of 16 rows of bytes that one pass over the operand of one lane computes: half of the registers
 * hold their sums. */
enum { RNNHW_QUAD_BLOCKS = RNNHW_QUAD_ROWS };

#define FOUR _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++)
#define EIGHT _Pragma("GCC unroll 8") for (int i = 0; i < 8; i++)

typedef struct {
    int32x4_t part[4];
} sums16;

/* The first and the second of two numbers for each of 16 lanes. */
typedef struct {
    int16x8_t even[2], odd[2];
} pairs16;

static inline sums16 sums_all(int32_t value)
{
    const int32x4_t all = vdupq_n_s32(value);
    return (sums16){{all, all, all, all}};
}

static inline sums16 sums_zero(void)
{
    return sums_all(0);
}

static inline pairs16 pairs_load(const int16_t *from)
{
    const int16x8x2_t low = vld2q_s16(from), high = vld2q_s16(from + 16);
    return (pairs16){{low.val[0], high.val[0]}, {low.val[1], high.val[1]}};
}

static inline pairs16 pairs_broadcast(const int16_t *from)
{
    const int16x8_t even = vld1q_dup_s16(from), odd = vld1q_dup_s16(from + 1);
    return (pairs16){{even, even}, {odd, odd}};
}

/* sums + a b of 16 lanes, modulo 2^32. */
static inline sums16 sums_multiply_add(sums16 sums, const int16x8_t *a, const int16x8_t *b)
{
    sums.part[0] = vmlal_s16(sums.part[0], vget_low_s16(a[0]), vget_low_s16(b[0]));
    sums.part[1] = vmlal_high_s16(sums.part[1], a[0], b[0]);
    sums.part[2] = vmlal_s16(sums.part[2], vget_low_s16(a[1]), vget_low_s16(b[1]));
    sums.part[3] = vmlal_high_s16(sums.part[3], a[1], b[1]);
    return sums;
}

static inline sums16 sums_dot(sums16 sums, pairs16 a, pairs16 b)
{
    return sums_multiply_add(sums_multiply_add(sums, a.even, b.even), a.odd, b.odd);
}

/* a[odd] b[odd] in every lane, exact. */
static inline sums16 pairs_product(pairs16 a, pairs16 b, const int odd)
{
    return odd ? sums_multiply_add(sums_zero(), a.odd, b.odd)
               : sums_multiply_add(sums_zero(), a.even, b.even);
}

/* Four bytes for each of 16 lanes. */
typedef struct {
    uint8x16_t part[4];
} quads16;

static inline quads16 quads_load(const void *from)
{
    quads16 quads;
    FOUR
        quads.part[i] = vld1q_u8((const uint8_t *)from + 16 * i);
    return quads;
}

static inline quads16 quads_broadcast(const void *from)
{
    uint32_t quad;
    memcpy(&quad, from, sizeof quad);
    const uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(quad));
    return (quads16){{all, all, all, all}};
}

/* Bytes i to i + 3 of 19 as quad i. */
static inline quads16 quads_windows(const void *from)
{
    static const uint8_t within[16] = {0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6};
    const uint8x16_t places = vld1q_u8(within);
    quads16 quads;
    FOUR
        quads.part[i] = vqtbl1q_u8(vld1q_u8((const uint8_t *)from + 4 * i), places);
    return quads;
}

/* a - b in every lane, modulo 2^32, and so on below. */
#define SUMS_OF_TWO(name, word)                                                                   \
    static inline sums16 name(sums16 a, sums16 b)                                                 \
    {                                                                                             \
        FOUR                                                                                      \
            a.part[i] = word(a.part[i], b.part[i]);                                               \
        return a;                                                                                 \
    }

SUMS_OF_TWO(sums_add, vaddq_s32)
SUMS_OF_TWO(sums_subtract, vsubq_s32)
SUMS_OF_TWO(sums_and, vandq_s32)
SUMS_OF_TWO(sums_xor, veorq_s32)
SUMS_OF_TWO(sums_without, vbicq_s32) /* the bits of a that b does not have */
SUMS_OF_TWO(sums_min, vminq_s32)
SUMS_OF_TWO(sums_max, vmaxq_s32)
SUMS_OF_TWO(sums_multiply, vmulq_s32)

#define IS_GREATER(a, b) vreinterpretq_s32_u32(vcgtq_s32(a, b))
#define IS_EQUAL(a, b) vreinterpretq_s32_u32(vceqq_s32(a, b))

SUMS_OF_TWO(sums_greater, IS_GREATER) /* -1 where a > b, else 0 */
SUMS_OF_TWO(sums_equal, IS_EQUAL)     /* -1 where a = b, else 0 */

#undef IS_GREATER
#undef IS_EQUAL
#undef SUMS_OF_TWO

/* An unsigned byte less RNNHW_BYTE_OFFSET. */
static inline int8x16_t quads_signed(uint8x16_t part)
{
    return vreinterpretq_s8_u8(veorq_u8(part, vdupq_n_u8(RNNHW_BYTE_OFFSET)));
}

#ifdef RNNHW_DOTPROD
/* Sums of products of bytes. */
typedef sums16 partial16;

static inline partial16 partial_zero(void)
{
    return sums_zero();
}

/* partial + the products of the bytes of u, signed as above, and of s. */
static inline partial16 partial_add(partial16 partial, quads16 u, quads16 s)
{
    FOUR
        partial.part[i] = vdotq_s32(partial.part[i], quads_signed(u.part[i]),
                                    vreinterpretq_s8_u8(s.part[i]));
    return partial;
}

/* sums + partial, modulo 2^32. */
static inline sums16 sums_widen(sums16 sums, partial16 partial)
{
    return sums_add(sums, partial);
}
#else
/* Two sums of products of bytes for each of 16 lanes. */
typedef struct {
    int32x4_t part[8];
} partial16;

static inline partial16 partial_zero(void)
{
    partial16 partial;
    EIGHT
        partial.part[i] = vdupq_n_s32(0);
    return partial;
}

/* partial + the products of the bytes of u, signed as above, and of s. */
static inline partial16 partial_add(partial16 partial, quads16 u, quads16 s)
{
    FOUR {
        const int8x16_t a = quads_signed(u.part[i]), b = vreinterpretq_s8_u8(s.part[i]);
        partial.part[2 * i] =
            vpadalq_s16(partial.part[2 * i], vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        partial.part[2 * i + 1] = vpadalq_s16(partial.part[2 * i + 1], vmull_high_s8(a, b));
    }
    return partial;
}

/* sums + both partial sums of every lane, modulo 2^32. */
static inline sums16 sums_widen(sums16 sums, partial16 partial)
{
    FOUR
        sums.part[i] = vaddq_s32(sums.part[i],
                                 vpaddq_s32(partial.part[2 * i], partial.part[2 * i + 1]));
    return sums;
}
#endif

static inline partial16 partial_dot(quads16 u, quads16 s)
{
    return partial_add(partial_zero(), u, s);
}

/* A shift to the left by a negative number is one to the right. */
static inline sums16 sums_left(sums16 a, int by)
{
    const int32x4_t count = vdupq_n_s32(by);
    FOUR
        a.part[i] = vshlq_s32(a.part[i], count);
    return a;
}

static inline sums16 sums_right(sums16 a, int by)
{
    return sums_left(a, -by);
}

/* Each by a number of its own. */
static inline sums16 sums_right_by(sums16 a, sums16 by)
{
    FOUR
        a.part[i] = vshlq_s32(a.part[i], vsubq_s32(vdupq_n_s32(0), by.part[i]));
    return a;
}

/* `tally` less one where a > b. */
static inline sums16 sums_tally(sums16 tally, sums16 a, sums16 b)
{
    return sums_add(tally, sums_greater(a, b));
}

static inline sums16 sums_load(const int32_t *from)
{
    sums16 sums;
    FOUR
        sums.part[i] = vld1q_s32(from + 4 * i);
    return sums;
}

static inline void sums_store(int32_t *to, sums16 sums)
{
    FOUR
        vst1q_s32(to + 4 * i, sums.part[i]);
}

/* The sum of those lanes that are `real` (1, else 0). */
static inline int64_t sums_total(sums16 a, const int32_t *real)
{
    int64x2_t total = vdupq_n_s64(0);
    FOUR
        total = vpadalq_s32(total, vmulq_s32(a.part[i], vld1q_s32(real + 4 * i)));
    return vaddvq_s64(total);
}

/* Sixteen 64-bit numbers. */
typedef struct {
    int64x2_t part[8];
} wide16;

static inline wide16 wide_all(int64_t value)
{
    wide16 result;
    EIGHT
        result.part[i] = vdupq_n_s64(value);
    return result;
}

/* The products of 32-bit numbers that stand in 64-bit elements. */
static inline wide16 wide_product(const int64_t *a, int64_t b)
{
    const int32x2_t all = vdup_n_s32((int32_t)b);
    wide16 result;
    EIGHT
        result.part[i] = vmull_s32(vmovn_s64(vld1q_s64(a + 2 * i)), all);
    return result;
}

static inline wide16 wide_add(wide16 a, wide16 b)
{
    EIGHT
        a.part[i] = vaddq_s64(a.part[i], b.part[i]);
    return a;
}

static inline wide16 wide_and(wide16 a, wide16 b)
{
    EIGHT
        a.part[i] = vandq_s64(a.part[i], b.part[i]);
    return a;
}

/* -1 where a is negative, else 0. */
static inline wide16 wide_negative(wide16 a)
{
    EIGHT
        a.part[i] = vshrq_n_s64(a.part[i], 63);
    return a;
}

/* Zeros come in from the left. */
static inline wide16 wide_right(wide16 a, int by)
{
    const int64x2_t count = vdupq_n_s64(-by);
    EIGHT
        a.part[i] = vreinterpretq_s64_u64(vshlq_u64(vreinterpretq_u64_s64(a.part[i]), count));
    return a;
}

static inline sums16 wide_low(wide16 a)
{
    sums16 result;
    FOUR
        result.part[i] = vuzp1q_s32(vreinterpretq_s32_s64(a.part[2 * i]),
                                    vreinterpretq_s32_s64(a.part[2 * i + 1]));
    return result;
}

/* Sums and differences of the parts `apart` from each other. */
static inline sums16 parts_stage(sums16 a, const int apart)
{
    sums16 result;
    FOUR
        result.part[i] = i & apart ? vsubq_s32(a.part[i ^ apart], a.part[i])
                                   : vaddq_s32(a.part[i], a.part[i ^ apart]);
    return result;
}

/* Sums and differences of the elements `apart` (1, 2, 4 or 8) from each other. */
static inline sums16 sums_stage(sums16 a, const int apart)
{
    if (apart >= 4)
        return parts_stage(a, apart / 4);
    FOUR {
        const int32x4_t own = a.part[i];
        const int32x4_t other = apart == 2 ? vextq_s32(own, own, 2) : vrev64q_s32(own);
        const int32x4_t sum = vaddq_s32(own, other), difference = vsubq_s32(own, other);
        a.part[i] = apart == 2 ? vcombine_s32(vget_low_s32(sum), vget_low_s32(difference))
                               : vtrn1q_s32(sum, difference);
    }
    return a;
}

/* Whether any lane is not 0. */
static inline int sums_any(sums16 a)
{
    const sums16 equal = sums_equal(a, sums_zero());
    int64x2_t zeros = vdupq_n_s64(0);
    FOUR
        zeros = vpadalq_s32(zeros, equal.part[i]);
    return vaddvq_s64(zeros) != -16;
}

/* Sixteen bytes with a sign as sums. */
static inline sums16 sums_load8(const int8_t *from)
{
    int32_t words[16];
    for (int lane = 0; lane < 16; lane++)
        words[lane] = from[lane];
    return sums_load(words);
}

/* Sixteen int16 numbers as sums. */
static inline sums16 sums_load16(const int16_t *from)
{
    sums16 sums;
    FOUR
        sums.part[i] = vmovl_s16(vld1_s16(from + 4 * i));
    return sums;
}

/* The low halves of sums as int16 numbers. */
static inline void sums_store16(int16_t *to, sums16 sums)
{
    FOUR
        vst1_s16(to + 4 * i, vmovn_s32(sums.part[i]));
}

/* a b in every lane, of 16-bit numbers; the upper half of every b is zero, whatever its sign. */
static inline sums16 sums_product16(sums16 a, sums16 b)
{
    FOUR
        a.part[i] = vmull_s16(vmovn_s32(a.part[i]), vmovn_s32(b.part[i]));
    return a;
}

/* Quads as words of 32 bits, and back. */
static inline sums16 quads_words(quads16 quads)
{
    sums16 words;
    FOUR
        words.part[i] = vreinterpretq_s32_u8(quads.part[i]);
    return words;
}

static inline quads16 quads_of_words(sums16 words)
{
    quads16 quads;
    FOUR
        quads.part[i] = vreinterpretq_u8_s32(words.part[i]);
    return quads;
}

static inline void quads_store(void *to, quads16 quads)
{
    FOUR
        vst1q_u8((uint8_t *)to + 16 * i, quads.part[i]);
}

/* a less `byte`, byte by byte, modulo 2^8. */
static inline quads16 quads_less(quads16 a, int byte)
{
    const uint8x16_t all = vdupq_n_u8((uint8_t)byte);
    FOUR
        a.part[i] = vsubq_u8(a.part[i], all);
    return a;
}

/* From [16 lanes][4 units] to [4 units][16 lanes]: every second byte, twice. */
static inline quads16 quads_transpose(quads16 a)
{
    const uint8x16_t even_low = vuzp1q_u8(a.part[0], a.part[1]);
    const uint8x16_t even_high = vuzp1q_u8(a.part[2], a.part[3]);
    const uint8x16_t odd_low = vuzp2q_u8(a.part[0], a.part[1]);
    const uint8x16_t odd_high = vuzp2q_u8(a.part[2], a.part[3]);
    return (quads16){{vuzp1q_u8(even_low, even_high), vuzp1q_u8(odd_low, odd_high),
                      vuzp2q_u8(even_low, even_high), vuzp2q_u8(odd_low, odd_high)}};
}

/* Two bytes of every quad, the first or the last `half` of it, as a pair of int16. */
static inline sums16 quads_pairs(quads16 quads, int half)
{
    sums16 pairs;
    FOUR {
        const int8x16_t bytes = vreinterpretq_s8_u8(quads.part[i]);
        const int32x4_t low = vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(bytes)));
        const int32x4_t high = vreinterpretq_s32_s16(vmovl_high_s8(bytes));
        pairs.part[i] = half ? vuzp2q_s32(low, high) : vuzp1q_s32(low, high);
    }
    return pairs;
}

/* A table of 256 bytes, a quarter of it in four registers. */
typedef struct {
    uint8x16x4_t quarter[4];
} table256;

static inline table256 table_load(const int8_t *entries)
{
    table256 table;
    FOUR
        _Pragma("GCC unroll 4") for (int j = 0; j < 4; j++)
            table.quarter[i].val[j] = vld1q_u8((const uint8_t *)entries + 64 * i + 16 * j);
    return table;
}

/* An index outside a quarter gives zero (tbl), or leaves what stands there (tbx). */
static inline quads16 table_look_up(table256 table, quads16 index)
{
    quads16 result;
    FOUR {
        const uint8x16_t at = index.part[i];
        uint8x16_t found = vqtbl4q_u8(table.quarter[0], at);
        found = vqtbx4q_u8(found, table.quarter[1], vsubq_u8(at, vdupq_n_u8(64)));
        found = vqtbx4q_u8(found, table.quarter[2], vsubq_u8(at, vdupq_n_u8(128)));
        result.part[i] = vqtbx4q_u8(found, table.quarter[3], vsubq_u8(at, vdupq_n_u8(192)));
    }
    return result;
}

/* Byte `lane` of row u, of 16 rows of 16 bytes, goes to to[lane][u]: four perfect shuffles. */
static inline void transpose_bytes(int8_t *const *to, const int8_t *rows)
{
    int8x16_t from[16], shuffled[16];
    for (int u = 0; u < 16; u++)
        from[u] = vld1q_s8(rows + 16 * u);
    for (int round = 0; round < 4; round++) {
        for (int u = 0; u < 8; u++) {
            shuffled[2 * u] = vzip1q_s8(from[u], from[u + 8]);
            shuffled[2 * u + 1] = vzip2q_s8(from[u], from[u + 8]);
        }
        memcpy(from, shuffled, sizeof from);
    }
    for (int lane = 0; lane < 16; lane++)
        vst1q_s8(to[lane], from[lane]);
}

#undef FOUR
#undef EIGHT

#endif
