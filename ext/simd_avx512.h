/* Words of AVX-512 with VNNI: sixteen 32-bit sums in one register, the dot products of int16 pairs
 * (vpdpwssd) and of bytes (vpdpbusd). */
#ifndef RNNHW_SIMD_H
#define RNNHW_SIMD_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define RNNHW_ISA avx512
#define RNNHW_ISA_NAME "avx512"
#define RNNHW_ISA_TILES NULL

enum { RNNHW_BYTE_SUMS = 32 }; /* bits that sums of products of bytes have at first */

enum { RNNHW_BYTE_OFFSET = 0 }; /* they multiply unsigned ones as they are */

/* A sum waits for the one before, four or five cycles; two multiply-adds begin in each. */
enum { RNNHW_TILE_ROWS = 8 };

/* Rows of bytes that one pass over the operands computes: 16 rows reach 98 % of vpdpbusd. */
enum { RNNHW_QUAD_ROWS = 16 };

/* Rows of few quads have kernels of their own (windows.inc), faster than others. */
#define RNNHW_SHORT
enum { RNNHW_PREFERS_SHORT = 1 };

/* Blocks of 16 lanes that it computes at most, of as many rows less: one broadcast serves them all. */
enum { RNNHW_QUAD_LANES = 4 };
#define RNNHW_UNROLL_ROWS _Pragma("GCC unroll 16")

/* Blocks of 16 rows of bytes that one pass over the operand of one lane computes: a sum waits
 * five cycles for the one before, and two may begin in each. */
enum { RNNHW_QUAD_BLOCKS = 8 };

typedef __m512i sums16;
typedef __m512i pairs16;

static inline sums16 sums_zero(void)
{
    return _mm512_setzero_si512();
}

static inline pairs16 pairs_load(const int16_t *from)
{
    return _mm512_loadu_si512(from);
}

static inline pairs16 pairs_broadcast(const int16_t *from)
{
    int32_t pair;
    memcpy(&pair, from, sizeof pair);
    return _mm512_set1_epi32(pair);
}

/* Modulo 2^32: vpdpwssd does not saturate. */
static inline sums16 sums_dot(sums16 sums, pairs16 a, pairs16 b)
{
    return _mm512_dpwssd_epi32(sums, a, b);
}

/* a[odd] b[odd] in every lane, exact: the other element of b is masked away. */
static inline sums16 pairs_product(pairs16 a, pairs16 b, const int odd)
{
    return _mm512_madd_epi16(a, _mm512_and_si512(b, _mm512_set1_epi32(odd ? ~0xffff : 0xffff)));
}

/* Four bytes for each of 16 lanes. */
typedef __m512i quads16;

/* Sums of products of bytes. */
typedef __m512i partial16;

static inline quads16 quads_load(const void *from)
{
    return _mm512_loadu_si512(from);
}

static inline quads16 quads_broadcast(const void *from)
{
    int32_t quad;
    memcpy(&quad, from, sizeof quad);
    return _mm512_set1_epi32(quad);
}

/* Bytes i to i + 3 of 19 as quad i: neighbours of four quads first, then within them. It reads 32. */
static inline quads16 quads_windows(const void *from)
{
    const __m512i among = _mm512_setr_epi32(0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4);
    const __m512i within = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6));
    const __m256i bytes = _mm256_loadu_si256(from);
    return _mm512_shuffle_epi8(
        _mm512_permutexvar_epi32(among, _mm512_castsi256_si512(bytes)), within);
}

/* partial + the products of the bytes of u, unsigned, and of s, signed; it does not saturate. */
static inline partial16 partial_add(partial16 partial, quads16 u, quads16 s)
{
    return _mm512_dpbusd_epi32(partial, u, s);
}

static inline partial16 partial_dot(quads16 u, quads16 s)
{
    return partial_add(sums_zero(), u, s);
}

/* sums + partial, modulo 2^32. */
static inline sums16 sums_widen(sums16 sums, partial16 partial)
{
    return _mm512_add_epi32(sums, partial);
}

static inline sums16 sums_all(int32_t value)
{
    return _mm512_set1_epi32(value);
}

static inline sums16 sums_right(sums16 a, int by)
{
    return _mm512_srav_epi32(a, _mm512_set1_epi32(by));
}

/* Each by a number of its own. */
static inline sums16 sums_right_by(sums16 a, sums16 by)
{
    return _mm512_srav_epi32(a, by);
}

static inline sums16 sums_left(sums16 a, int by)
{
    return _mm512_sllv_epi32(a, _mm512_set1_epi32(by));
}

static inline sums16 sums_and(sums16 a, sums16 b)
{
    return _mm512_and_si512(a, b);
}

static inline sums16 sums_xor(sums16 a, sums16 b)
{
    return _mm512_xor_si512(a, b);
}

/* The bits of a that b does not have. */
static inline sums16 sums_without(sums16 a, sums16 b)
{
    return _mm512_andnot_si512(b, a);
}

static inline sums16 sums_min(sums16 a, sums16 b)
{
    return _mm512_min_epi32(a, b);
}

static inline sums16 sums_max(sums16 a, sums16 b)
{
    return _mm512_max_epi32(a, b);
}

/* -1 where a > b, else 0. */
static inline sums16 sums_greater(sums16 a, sums16 b)
{
    return _mm512_movm_epi32(_mm512_cmpgt_epi32_mask(a, b));
}

/* `tally` less one where a > b. */
static inline sums16 sums_tally(sums16 tally, sums16 a, sums16 b)
{
    return _mm512_mask_sub_epi32(tally, _mm512_cmpgt_epi32_mask(a, b), tally,
                                 _mm512_set1_epi32(1));
}

/* The sum of those lanes that are `real` (1, else 0). */
static inline int64_t sums_total(sums16 a, const int32_t *real)
{
    const __m512i lanes = _mm512_loadu_si512(real);
    const __m512i left = _mm512_maskz_mov_epi32(_mm512_test_epi32_mask(lanes, lanes), a);
    return _mm512_reduce_add_epi64(
        _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_castsi512_si256(left)),
                         _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(left, 1))));
}

/* Whether any lane is not 0. */
static inline int sums_any(sums16 a)
{
    return _mm512_test_epi32_mask(a, a) != 0;
}

/* -1 where a = b, else 0. */
static inline sums16 sums_equal(sums16 a, sums16 b)
{
    return _mm512_movm_epi32(_mm512_cmpeq_epi32_mask(a, b));
}

static inline sums16 sums_load(const int32_t *from)
{
    return _mm512_loadu_si512(from);
}

/* a + b in every lane, modulo 2^32. */
static inline sums16 sums_add(sums16 a, sums16 b)
{
    return _mm512_add_epi32(a, b);
}

/* a - b in every lane, modulo 2^32. */
static inline sums16 sums_subtract(sums16 a, sums16 b)
{
    return _mm512_sub_epi32(a, b);
}

static inline void sums_store(int32_t *to, sums16 sums)
{
    _mm512_storeu_si512(to, sums);
}

/* Sixteen 64-bit numbers. */
typedef struct {
    __m512i low, high;
} wide16;

static inline wide16 wide_all(int64_t value)
{
    return (wide16){_mm512_set1_epi64(value), _mm512_set1_epi64(value)};
}

/* The products of 32-bit numbers that stand in 64-bit elements. */
static inline wide16 wide_product(const int64_t *a, int64_t b)
{
    const __m512i all = _mm512_set1_epi64(b);
    return (wide16){_mm512_mul_epi32(_mm512_loadu_si512(a), all),
                    _mm512_mul_epi32(_mm512_loadu_si512(a + 8), all)};
}

static inline wide16 wide_add(wide16 a, wide16 b)
{
    return (wide16){_mm512_add_epi64(a.low, b.low), _mm512_add_epi64(a.high, b.high)};
}

static inline wide16 wide_and(wide16 a, wide16 b)
{
    return (wide16){_mm512_and_si512(a.low, b.low), _mm512_and_si512(a.high, b.high)};
}

/* -1 where a is negative, else 0. */
static inline wide16 wide_negative(wide16 a)
{
    return (wide16){_mm512_srai_epi64(a.low, 63), _mm512_srai_epi64(a.high, 63)};
}

/* Zeros come in from the left. */
static inline wide16 wide_right(wide16 a, int by)
{
    const __m512i count = _mm512_set1_epi64(by);
    return (wide16){_mm512_srlv_epi64(a.low, count), _mm512_srlv_epi64(a.high, count)};
}

static inline sums16 wide_low(wide16 a)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32(a.low)),
                              _mm512_cvtepi64_epi32(a.high), 1);
}

/* Sums and differences of the elements `apart` (1, 2, 4 or 8) from each other. */
static inline sums16 sums_stage(sums16 a, const int apart)
{
    __m512i swapped;
    __mmask16 differences; /* the upper one of two elements */
    if (apart == 8) {
        swapped = _mm512_shuffle_i64x2(a, a, _MM_SHUFFLE(1, 0, 3, 2));
        differences = 0xff00;
    } else if (apart == 4) {
        swapped = _mm512_shuffle_i64x2(a, a, _MM_SHUFFLE(2, 3, 0, 1));
        differences = 0xf0f0;
    } else if (apart == 2) {
        swapped = _mm512_shuffle_epi32(a, _MM_PERM_BADC);
        differences = 0xcccc;
    } else {
        swapped = _mm512_shuffle_epi32(a, _MM_PERM_CDAB);
        differences = 0xaaaa;
    }
    return _mm512_mask_sub_epi32(_mm512_add_epi32(a, swapped), differences, swapped, a);
}

/* Sixteen bytes with a sign as sums. */
static inline sums16 sums_load8(const int8_t *from)
{
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)from));
}

/* a b in every lane, modulo 2^32. */
static inline sums16 sums_multiply(sums16 a, sums16 b)
{
    return _mm512_mullo_epi32(a, b);
}

/* Sixteen int16 numbers as sums. */
static inline sums16 sums_load16(const int16_t *from)
{
    return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)from));
}

/* The low halves of sums as int16 numbers. */
static inline void sums_store16(int16_t *to, sums16 sums)
{
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16(sums));
}

/* a b in every lane, of 16-bit numbers; the upper half of every b is zero, whatever its sign. */
static inline sums16 sums_product16(sums16 a, sums16 b)
{
    return _mm512_madd_epi16(a, b);
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
    _mm512_storeu_si512(to, quads);
}

/* a less `byte`, byte by byte, modulo 2^8. */
static inline quads16 quads_less(quads16 a, int byte)
{
    return _mm512_sub_epi8(a, _mm512_set1_epi8((char)byte));
}

/* From [16 lanes][4 units] to [4 units][16 lanes]. */
static inline quads16 quads_transpose(quads16 a)
{
    const __m512i within = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m512i among =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(among, _mm512_shuffle_epi8(a, within));
}

/* Two bytes of every quad, the first or the last `half` of it, as a pair of int16. */
static inline sums16 quads_pairs(quads16 quads, int half)
{
    const __m512i above = _mm512_broadcast_i32x4(
        _mm_setr_epi8(-1, 0, -1, 1, -1, 4, -1, 5, -1, 8, -1, 9, -1, 12, -1, 13));
    const __m512i behind = _mm512_broadcast_i32x4(
        _mm_setr_epi8(-1, 2, -1, 3, -1, 6, -1, 7, -1, 10, -1, 11, -1, 14, -1, 15));
    return _mm512_srai_epi16(_mm512_shuffle_epi8(quads, half ? behind : above), 8);
}

#define RNNHW_CLIPS_BYTES

/* Counts of clipped elements in 16 bits, counted downwards: in every 128 bits those of four lanes,
 * twice. */
typedef struct {
    __m512i high, low;
} byte_tally;

static inline byte_tally byte_tally_zero(void)
{
    return (byte_tally){_mm512_setzero_si512(), _mm512_setzero_si512()};
}

static inline __m512i shorts_tally(__m512i tally, __m512i a, __m512i b)
{
    return _mm512_mask_sub_epi16(tally, _mm512_cmpgt_epi16_mask(a, b), tally,
                                 _mm512_set1_epi16(1));
}

/* 32 words, limited to lowest..max. What 16 bits do not hold stays above or below the limits. */
static inline __m512i shorts_clipped(sums16 a, sums16 b, int lowest, int max, byte_tally *tally,
                                     const int counts)
{
    const __m512i least = _mm512_set1_epi16((short)lowest), most = _mm512_set1_epi16((short)max);
    const __m512i both = _mm512_packs_epi32(a, b);
    if (!counts)
        return both;
    tally->high = shorts_tally(tally->high, both, most);
    tally->low = shorts_tally(tally->low, least, both);
    return _mm512_min_epi16(_mm512_max_epi16(both, least), most);
}

/* Four vectors of 16 words as quads under a mask, limited to lowest..max, from -128 to 127 or from 0
 * to 255; without `counts` they are within. */
static inline quads16 quads_clipped(const sums16 *words, int lowest, int max, int mask,
                                    byte_tally *tally, const int counts)
{
    const __m512i bits = _mm512_set1_epi16((short)(mask & 255));
    const __m512i low = shorts_clipped(words[0], words[1], lowest, max, tally, counts);
    const __m512i high = shorts_clipped(words[2], words[3], lowest, max, tally, counts);
    const __m512i bytes =
        _mm512_packus_epi16(_mm512_and_si512(low, bits), _mm512_and_si512(high, bits));
    return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(_mm_setr_epi8(
                                          0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

/* Counts in 16 bits by lane. */
static inline sums16 tally_words(__m512i tally)
{
    const __m512i four =
        _mm512_add_epi16(tally, _mm512_shuffle_epi32(tally, _MM_PERM_BADC)); /* twice the same */
    return _mm512_cvtepi16_epi32(_mm512_castsi512_si256(_mm512_permutexvar_epi64(
        _mm512_setr_epi64(0, 2, 4, 6, 0, 2, 4, 6), four)));
}

/* A table of 256 bytes, two bytes in each of 128 words. */
typedef struct {
    __m512i words[4];
} table256;

static inline table256 table_load(const int8_t *entries)
{
    return (table256){{_mm512_loadu_si512(entries), _mm512_loadu_si512(entries + 64),
                       _mm512_loadu_si512(entries + 128), _mm512_loadu_si512(entries + 192)}};
}

/* The entries of 32 indices in 16 bits each, in their low bytes; more above them. */
static inline __m512i table_words(const table256 *table, __m512i index)
{
    const __m512i word = _mm512_srli_epi16(index, 1);
    const __m512i low = _mm512_permutex2var_epi16(table->words[0], word, table->words[1]);
    const __m512i high = _mm512_permutex2var_epi16(table->words[2], word, table->words[3]);
    const __mmask32 upper = _mm512_test_epi16_mask(index, _mm512_set1_epi16(0x80));
    const __mmask32 odd = _mm512_test_epi16_mask(index, _mm512_set1_epi16(1));
    const __m512i both = _mm512_mask_blend_epi16(upper, low, high);
    return _mm512_mask_srli_epi16(both, odd, both, 8);
}

/* A permutation of words, twice, and the byte of the word: what AVX-512 has without VBMI. */
static inline quads16 table_look_up(table256 table, quads16 index)
{
    const __m512i byte = _mm512_set1_epi16(0xff);
    const __m512i even = table_words(&table, _mm512_and_si512(index, byte));
    const __m512i odd = table_words(&table, _mm512_srli_epi16(index, 8));
    return _mm512_or_si512(_mm512_and_si512(even, byte), _mm512_slli_epi16(odd, 8));
}

/* Four registers of quads to those of lanes, and back: word i of lane 4 g + k in register i, and word i
 * of group g in register k. */
static inline void turn_quads(__m512i *a)
{
    const __m512i first = _mm512_unpacklo_epi32(a[0], a[1]);
    const __m512i second = _mm512_unpackhi_epi32(a[0], a[1]);
    const __m512i third = _mm512_unpacklo_epi32(a[2], a[3]);
    const __m512i fourth = _mm512_unpackhi_epi32(a[2], a[3]);
    a[0] = _mm512_unpacklo_epi64(first, third);
    a[1] = _mm512_unpackhi_epi64(first, third);
    a[2] = _mm512_unpacklo_epi64(second, fourth);
    a[3] = _mm512_unpackhi_epi64(second, fourth);
}

/* The quads of 16 units, looked up in 256 bytes of every lane: its 16 bytes side by side meet its table
 * in registers. */
#define RNNHW_TABLES_BY_LANE
static inline void tables_look_up(quads16 *quads, const int8_t *tables)
{
    uint8_t at[4][64];
    turn_quads(quads);
    for (int k = 0; k < 4; k++)
        _mm512_storeu_si512(at[k], quads[k]);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m128i found[4];
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            const table256 table = table_load(tables + 256 * (4 * g + k));
            const __m256i index =
                _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(at[k] + 16 * g)));
            const __m512i words = table_words(&table, _mm512_castsi256_si512(index));
            found[g] = _mm256_cvtepi16_epi8(_mm512_castsi512_si256(words));
        }
        const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(found[0]), found[1], 1);
        const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(found[2]), found[3], 1);
        quads[k] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
    turn_quads(quads);
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

#define RNNHW_TRANSPOSES_LINES

/* Byte `lane` of row u, of 64 rows of 16 bytes, goes to to[lane][u]: four rows become sixteen words of
 * four bytes, and sixteen such registers are transposed, in pairs, fours, eights and sixteens. */
static inline void transpose_lines(int8_t *const *to, const int8_t *rows)
{
    const __m512i among = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i within = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        a[i] = _mm512_shuffle_epi8(
            _mm512_permutexvar_epi32(among, _mm512_loadu_si512(rows + 64 * i)), within);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    /* a[4 g + j] has lanes j, 4 + j, 8 + j and 12 + j of rows 16 g to 16 g + 15. */
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const __m512i low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x88);
        const __m512i odd_low = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xdd);
        const __m512i odd_high = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xdd);
        _mm512_storeu_si512(to[j], _mm512_shuffle_i32x4(low, high, 0x88));
        _mm512_storeu_si512(to[8 + j], _mm512_shuffle_i32x4(low, high, 0xdd));
        _mm512_storeu_si512(to[4 + j], _mm512_shuffle_i32x4(odd_low, odd_high, 0x88));
        _mm512_storeu_si512(to[12 + j], _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd));
    }
}

#endif
