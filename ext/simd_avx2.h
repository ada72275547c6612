/* Words of AVX2: sixteen 32-bit sums and the dot product of int16 pairs (vpmaddwd). */
#ifndef RNNHW_SIMD_H
#define RNNHW_SIMD_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define RNNHW_ISA avx2
#define RNNHW_ISA_NAME "avx2"
#define RNNHW_ISA_TILES NULL

enum { RNNHW_BYTE_SUMS = 16 }; /* bits that sums of products of bytes have at first */

enum { RNNHW_BYTE_OFFSET = 0 }; /* they multiply unsigned ones as they are */

/* 4 rows x 2 registers of sums, 2 of operands: the 16 rows of a tile divide evenly, and only the
 * add of a sum waits for the one before. (6 rows fill the registers but leave 4 single rows.) */
enum { RNNHW_TILE_ROWS = 4 };

/* Rows of bytes that one pass over the operands computes; they divide 16. */
enum { RNNHW_QUAD_ROWS = 4 };

/* 16 bits do not hold the sums of all quads of a row (windows.inc). */
enum { RNNHW_PREFERS_SHORT = 0 };

/* Blocks of 16 lanes that it computes: with a second one every sum would be spilled. */
enum { RNNHW_QUAD_LANES = 1 };
#define RNNHW_UNROLL_ROWS _Pragma("GCC unroll 16")

/* Blocks of 16 rows of bytes that one pass over the operand of one lane computes: with their partial
 * sums they fill half of the registers. */
enum { RNNHW_QUAD_BLOCKS = 2 };

typedef struct {
    __m256i low, high;
} sums16;

typedef sums16 pairs16;

static inline sums16 sums_zero(void)
{
    return (sums16){_mm256_setzero_si256(), _mm256_setzero_si256()};
}

static inline pairs16 pairs_load(const int16_t *from)
{
    return (pairs16){_mm256_loadu_si256((const __m256i *)from),
                     _mm256_loadu_si256((const __m256i *)(from + 16))};
}

static inline pairs16 pairs_broadcast(const int16_t *from)
{
    int32_t pair;
    memcpy(&pair, from, sizeof pair);
    const __m256i all = _mm256_set1_epi32(pair);
    return (pairs16){all, all};
}

/* vpmaddwd wraps only for two products of -2^15 by -2^15: right modulo 2^32, as promised. */
static inline sums16 sums_dot(sums16 sums, pairs16 a, pairs16 b)
{
    return (sums16){_mm256_add_epi32(sums.low, _mm256_madd_epi16(a.low, b.low)),
                    _mm256_add_epi32(sums.high, _mm256_madd_epi16(a.high, b.high))};
}

/* a[odd] b[odd] in every lane, exact: the other element of b is masked away. */
static inline sums16 pairs_product(pairs16 a, pairs16 b, const int odd)
{
    const __m256i mask = _mm256_set1_epi32(odd ? ~0xffff : 0xffff);
    return (sums16){_mm256_madd_epi16(a.low, _mm256_and_si256(b.low, mask)),
                    _mm256_madd_epi16(a.high, _mm256_and_si256(b.high, mask))};
}

/* Four bytes for each of 16 lanes. */
typedef sums16 quads16;

/* Two 16-bit sums of products of bytes for each of 16 lanes. */
typedef sums16 partial16;

static inline quads16 quads_load(const void *from)
{
    return (quads16){_mm256_loadu_si256((const __m256i *)from),
                     _mm256_loadu_si256((const __m256i *)from + 1)};
}

static inline quads16 quads_broadcast(const void *from)
{
    int32_t quad;
    memcpy(&quad, from, sizeof quad);
    const __m256i all = _mm256_set1_epi32(quad);
    return (quads16){all, all};
}

/* u[0] s[0] + u[1] s[1] and u[2] s[2] + u[3] s[3] of unsigned u and signed s (vpmaddubsw). */
static inline partial16 partial_dot(quads16 u, quads16 s)
{
    return (partial16){_mm256_maddubs_epi16(u.low, s.low), _mm256_maddubs_epi16(u.high, s.high)};
}

static inline partial16 partial_add(partial16 partial, quads16 u, quads16 s)
{
    const partial16 more = partial_dot(u, s);
    return (partial16){_mm256_add_epi16(partial.low, more.low),
                       _mm256_add_epi16(partial.high, more.high)};
}

/* sums + both partial sums of every lane. */
static inline sums16 sums_widen(sums16 sums, partial16 partial)
{
    const __m256i ones = _mm256_set1_epi16(1);
    return (sums16){_mm256_add_epi32(sums.low, _mm256_madd_epi16(partial.low, ones)),
                    _mm256_add_epi32(sums.high, _mm256_madd_epi16(partial.high, ones))};
}

static inline sums16 sums_all(int32_t value)
{
    return (sums16){_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}

/* A shift by the same count in a vector takes one micro-operation, by one in a register two. */
static inline sums16 sums_right(sums16 a, int by)
{
    const __m256i count = _mm256_set1_epi32(by);
    return (sums16){_mm256_srav_epi32(a.low, count), _mm256_srav_epi32(a.high, count)};
}

/* Each by a number of its own. */
static inline sums16 sums_right_by(sums16 a, sums16 by)
{
    return (sums16){_mm256_srav_epi32(a.low, by.low), _mm256_srav_epi32(a.high, by.high)};
}

static inline sums16 sums_left(sums16 a, int by)
{
    const __m256i count = _mm256_set1_epi32(by);
    return (sums16){_mm256_sllv_epi32(a.low, count), _mm256_sllv_epi32(a.high, count)};
}

static inline sums16 sums_and(sums16 a, sums16 b)
{
    return (sums16){_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)};
}

static inline sums16 sums_xor(sums16 a, sums16 b)
{
    return (sums16){_mm256_xor_si256(a.low, b.low), _mm256_xor_si256(a.high, b.high)};
}

/* The bits of a that b does not have. */
static inline sums16 sums_without(sums16 a, sums16 b)
{
    return (sums16){_mm256_andnot_si256(b.low, a.low), _mm256_andnot_si256(b.high, a.high)};
}

static inline sums16 sums_min(sums16 a, sums16 b)
{
    return (sums16){_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)};
}

static inline sums16 sums_max(sums16 a, sums16 b)
{
    return (sums16){_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)};
}

/* -1 where a > b, else 0. */
static inline sums16 sums_greater(sums16 a, sums16 b)
{
    return (sums16){_mm256_cmpgt_epi32(a.low, b.low), _mm256_cmpgt_epi32(a.high, b.high)};
}

/* `tally` less one where a > b. */
static inline sums16 sums_tally(sums16 tally, sums16 a, sums16 b)
{
    return (sums16){_mm256_add_epi32(tally.low, _mm256_cmpgt_epi32(a.low, b.low)),
                    _mm256_add_epi32(tally.high, _mm256_cmpgt_epi32(a.high, b.high))};
}

/* The sums of both 64-bit halves of eight 32-bit numbers, of those lanes that are `real`. */
static inline __m256i sums_halves(__m256i a, const int32_t *real)
{
    const __m256i left = _mm256_mullo_epi32(a, _mm256_loadu_si256((const __m256i *)real));
    return _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(left)),
                            _mm256_cvtepi32_epi64(_mm256_extracti128_si256(left, 1)));
}

/* The sum of those lanes that are `real` (1, else 0). */
static inline int64_t sums_total(sums16 a, const int32_t *real)
{
    const __m256i four = _mm256_add_epi64(sums_halves(a.low, real), sums_halves(a.high, real + 8));
    const __m128i two =
        _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
    return _mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1);
}

/* Whether any lane is not 0. */
static inline int sums_any(sums16 a)
{
    const __m256i both = _mm256_or_si256(a.low, a.high);
    return !_mm256_testz_si256(both, both);
}

/* -1 where a = b, else 0. */
static inline sums16 sums_equal(sums16 a, sums16 b)
{
    return (sums16){_mm256_cmpeq_epi32(a.low, b.low), _mm256_cmpeq_epi32(a.high, b.high)};
}

static inline sums16 sums_load(const int32_t *from)
{
    return (sums16){_mm256_loadu_si256((const __m256i *)from),
                    _mm256_loadu_si256((const __m256i *)(from + 8))};
}

/* a + b in every lane, modulo 2^32. */
static inline sums16 sums_add(sums16 a, sums16 b)
{
    return (sums16){_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}

/* a - b in every lane, modulo 2^32. */
static inline sums16 sums_subtract(sums16 a, sums16 b)
{
    return (sums16){_mm256_sub_epi32(a.low, b.low), _mm256_sub_epi32(a.high, b.high)};
}

static inline void sums_store(int32_t *to, sums16 sums)
{
    _mm256_storeu_si256((__m256i *)to, sums.low);
    _mm256_storeu_si256((__m256i *)(to + 8), sums.high);
}

/* Sixteen 64-bit numbers. */
typedef struct {
    __m256i part[4];
} wide16;

static inline wide16 wide_all(int64_t value)
{
    const __m256i all = _mm256_set1_epi64x(value);
    return (wide16){{all, all, all, all}};
}

/* The products of 32-bit numbers that stand in 64-bit elements. */
static inline wide16 wide_product(const int64_t *a, int64_t b)
{
    const __m256i all = _mm256_set1_epi64x(b);
    wide16 result;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        result.part[i] =
            _mm256_mul_epi32(_mm256_loadu_si256((const __m256i *)(a + 4 * i)), all);
    return result;
}

static inline wide16 wide_add(wide16 a, wide16 b)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        a.part[i] = _mm256_add_epi64(a.part[i], b.part[i]);
    return a;
}

static inline wide16 wide_and(wide16 a, wide16 b)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        a.part[i] = _mm256_and_si256(a.part[i], b.part[i]);
    return a;
}

/* -1 where a is negative, else 0. */
static inline wide16 wide_negative(wide16 a)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        a.part[i] = _mm256_cmpgt_epi64(_mm256_setzero_si256(), a.part[i]);
    return a;
}

/* Zeros come in from the left. */
static inline wide16 wide_right(wide16 a, int by)
{
    const __m256i count = _mm256_set1_epi64x(by);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        a.part[i] = _mm256_srlv_epi64(a.part[i], count);
    return a;
}

/* The low 32 bits of two registers, in order. */
static inline __m256i wide_halves(__m256i first, __m256i second)
{
    const __m256 low = _mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second),
                                         _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(low), _MM_SHUFFLE(3, 1, 2, 0));
}

static inline sums16 wide_low(wide16 a)
{
    return (sums16){wide_halves(a.part[0], a.part[1]), wide_halves(a.part[2], a.part[3])};
}

/* `swapped` has the elements `apart` from those of `a` in their places. */
#define STAGE(a, swapped, differences)                                                            \
    _mm256_blend_epi32(_mm256_add_epi32(a, swapped), _mm256_sub_epi32(swapped, a), differences)

/* Sums and differences of the elements `apart` (1, 2, 4 or 8) from each other. */
static inline sums16 sums_stage(sums16 a, const int apart)
{
    if (apart == 8)
        return (sums16){_mm256_add_epi32(a.low, a.high), _mm256_sub_epi32(a.low, a.high)};
    if (apart == 4) {
        const __m256i low = _mm256_permute2x128_si256(a.low, a.low, 1);
        const __m256i high = _mm256_permute2x128_si256(a.high, a.high, 1);
        return (sums16){STAGE(a.low, low, 0xf0), STAGE(a.high, high, 0xf0)};
    }
    if (apart == 2) {
        const __m256i low = _mm256_shuffle_epi32(a.low, _MM_SHUFFLE(1, 0, 3, 2));
        const __m256i high = _mm256_shuffle_epi32(a.high, _MM_SHUFFLE(1, 0, 3, 2));
        return (sums16){STAGE(a.low, low, 0xcc), STAGE(a.high, high, 0xcc)};
    }
    const __m256i low = _mm256_shuffle_epi32(a.low, _MM_SHUFFLE(2, 3, 0, 1));
    const __m256i high = _mm256_shuffle_epi32(a.high, _MM_SHUFFLE(2, 3, 0, 1));
    return (sums16){STAGE(a.low, low, 0xaa), STAGE(a.high, high, 0xaa)};
}

#undef STAGE

/* Sixteen bytes with a sign as sums. */
static inline sums16 sums_load8(const int8_t *from)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)from);
    return (sums16){_mm256_cvtepi8_epi32(bytes),
                    _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes))};
}

/* a b in every lane, modulo 2^32. */
static inline sums16 sums_multiply(sums16 a, sums16 b)
{
    return (sums16){_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high)};
}

/* Sixteen int16 numbers as sums. */
static inline sums16 sums_load16(const int16_t *from)
{
    return (sums16){_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)from)),
                    _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(from + 8)))};
}

/* The low halves of sums as int16 numbers. */
static inline void sums_store16(int16_t *to, sums16 sums)
{
    const __m256i half = _mm256_set1_epi32(0xffff);
    const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(sums.low, half),
                                               _mm256_and_si256(sums.high, half));
    _mm256_storeu_si256((__m256i *)to, _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0)));
}

/* a b in every lane, of 16-bit numbers; the upper half of every b is zero, whatever its sign. */
static inline sums16 sums_product16(sums16 a, sums16 b)
{
    return (sums16){_mm256_madd_epi16(a.low, b.low), _mm256_madd_epi16(a.high, b.high)};
}

/* Quads as words of 32 bits, and back. */
static inline sums16 quads_words(quads16 quads)
{
    return quads;
}

static inline quads16 quads_of_words(sums16 words)
{
    return words;
}

static inline void quads_store(void *to, quads16 quads)
{
    sums_store(to, quads);
}

/* a less `byte`, byte by byte, modulo 2^8. */
static inline quads16 quads_less(quads16 a, int byte)
{
    const __m256i all = _mm256_set1_epi8((char)byte);
    return (quads16){_mm256_sub_epi8(a.low, all), _mm256_sub_epi8(a.high, all)};
}

/* Of eight lanes: four bytes of each of the units 0, 0, 1, 1, 2, 2, 3, 3. */
static inline __m256i quads_units(__m256i a)
{
    const __m256i within = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(a, within),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* From [16 lanes][4 units] to [4 units][16 lanes]. */
static inline quads16 quads_transpose(quads16 a)
{
    const __m256i low = quads_units(a.low), high = quads_units(a.high);
    const __m256i even = _mm256_unpacklo_epi64(low, high), odd = _mm256_unpackhi_epi64(low, high);
    return (quads16){_mm256_permute2x128_si256(even, odd, 0x20),
                     _mm256_permute2x128_si256(even, odd, 0x31)};
}

/* Two bytes of every quad, the first or the last `half` of it, as a pair of int16. */
static inline sums16 quads_pairs(quads16 quads, int half)
{
    const __m256i above = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13));
    const __m256i behind = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15));
    const __m256i order = half ? behind : above;
    return (sums16){_mm256_srai_epi16(_mm256_shuffle_epi8(quads.low, order), 8),
                    _mm256_srai_epi16(_mm256_shuffle_epi8(quads.high, order), 8)};
}

#define RNNHW_CLIPS_BYTES

/* Counts of clipped elements in 16 bits, counted downwards: in every 128 bits those of four lanes,
 * twice. */
typedef struct {
    sums16 high, low;
} byte_tally;

static inline byte_tally byte_tally_zero(void)
{
    return (byte_tally){sums_zero(), sums_zero()};
}

/* 16 words of 8 lanes, limited to lowest..max. What 16 bits do not hold stays above or below the
 * limits. */
static inline __m256i shorts_clipped(__m256i a, __m256i b, int lowest, int max, __m256i *high,
                                     __m256i *low, const int counts)
{
    const __m256i least = _mm256_set1_epi16((short)lowest), most = _mm256_set1_epi16((short)max);
    const __m256i both = _mm256_packs_epi32(a, b);
    if (!counts)
        return both;
    *high = _mm256_add_epi16(*high, _mm256_cmpgt_epi16(both, most));
    *low = _mm256_add_epi16(*low, _mm256_cmpgt_epi16(least, both));
    return _mm256_min_epi16(_mm256_max_epi16(both, least), most);
}

/* Quads of 8 lanes. */
static inline __m256i half_clipped(__m256i a, __m256i b, __m256i c, __m256i d, int lowest, int max,
                                   int mask, __m256i *high, __m256i *low, const int counts)
{
    const __m256i bits = _mm256_set1_epi16((short)(mask & 255));
    const __m256i first = shorts_clipped(a, b, lowest, max, high, low, counts);
    const __m256i second = shorts_clipped(c, d, lowest, max, high, low, counts);
    const __m256i bytes =
        _mm256_packus_epi16(_mm256_and_si256(first, bits), _mm256_and_si256(second, bits));
    return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(_mm_setr_epi8(
                                          0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

/* Four vectors of 16 words as quads under a mask, limited to lowest..max, from -128 to 127 or from 0
 * to 255; without `counts` they are within. */
static inline quads16 quads_clipped(const sums16 *words, int lowest, int max, int mask,
                                    byte_tally *tally, const int counts)
{
    return (quads16){half_clipped(words[0].low, words[1].low, words[2].low, words[3].low, lowest,
                                  max, mask, &tally->high.low, &tally->low.low, counts),
                     half_clipped(words[0].high, words[1].high, words[2].high, words[3].high,
                                  lowest, max, mask, &tally->high.high, &tally->low.high, counts)};
}

/* Counts in 16 bits of 8 lanes. */
static inline __m256i half_tally(__m256i tally)
{
    const __m256i four = _mm256_add_epi16(
        tally, _mm256_shuffle_epi32(tally, _MM_SHUFFLE(1, 0, 3, 2))); /* twice the same */
    return _mm256_cvtepi16_epi32(
        _mm256_castsi256_si128(_mm256_permute4x64_epi64(four, _MM_SHUFFLE(2, 0, 2, 0))));
}

/* Counts in 16 bits by lane. */
static inline sums16 tally_words(sums16 tally)
{
    return (sums16){half_tally(tally.low), half_tally(tally.high)};
}

/* A table of 256 bytes. A gather loads each entry by itself, at 5 operations; here 16 shuffles look
 * 32 bytes up in every sixteenth of the table, and the upper bits choose: 1.7. */
typedef struct {
    const int8_t *entries;
} table256;

static inline table256 table_load(const int8_t *entries)
{
    return (table256){entries};
}

#define SIXTEENTH(k)                                                                              \
    _mm256_shuffle_epi8(                                                                          \
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(table + 16 * (k)))), low)
#define EIGHTH(k) _mm256_blendv_epi8(SIXTEENTH(k), SIXTEENTH((k) + 1), bit4)
#define QUARTER(k) _mm256_blendv_epi8(EIGHTH(k), EIGHTH((k) + 2), bit5)
#define HALF(k) _mm256_blendv_epi8(QUARTER(k), QUARTER((k) + 4), bit6)

static inline __m256i table_bytes(const int8_t *table, __m256i index)
{
    const __m256i low = _mm256_and_si256(index, _mm256_set1_epi8(15));
    const __m256i bit4 = _mm256_slli_epi16(index, 3), bit5 = _mm256_slli_epi16(index, 2);
    const __m256i bit6 = _mm256_slli_epi16(index, 1);
    return _mm256_blendv_epi8(HALF(0), HALF(8), index);
}

#undef SIXTEENTH
#undef EIGHTH
#undef QUARTER
#undef HALF

static inline quads16 table_look_up(table256 table, quads16 index)
{
    return (quads16){table_bytes(table.entries, index.low), table_bytes(table.entries, index.high)};
}

/* Byte `lane` of row u, of 16 rows of 16 bytes, goes to to[lane][u]: four perfect shuffles. */
static inline void transpose_bytes(int8_t *const *to, const int8_t *rows)
{
    __m128i from[16], shuffled[16];
    for (int u = 0; u < 16; u++)
        from[u] = _mm_loadu_si128((const __m128i *)(rows + 16 * u));
    for (int round = 0; round < 4; round++) {
        for (int u = 0; u < 8; u++) {
            shuffled[2 * u] = _mm_unpacklo_epi8(from[u], from[u + 8]);
            shuffled[2 * u + 1] = _mm_unpackhi_epi8(from[u], from[u + 8]);
        }
        memcpy(from, shuffled, sizeof from);
    }
    for (int lane = 0; lane < 16; lane++)
        _mm_storeu_si128((__m128i *)to[lane], from[lane]);
}

#endif
