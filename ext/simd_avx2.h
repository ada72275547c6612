/* Words of AVX2: sixteen 32-bit sums and the dot product of int16 pairs (vpmaddwd). */
#ifndef RNNHW_SIMD_H
#define RNNHW_SIMD_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define RNNHW_ISA avx2
#define RNNHW_ISA_NAME "avx2"

/* 4 rows x 2 registers of sums, 2 of operands: the 16 rows of a tile divide evenly, and only the
 * add of a sum waits for the one before. (6 rows fill the registers but leave 4 single rows.) */
enum { RNNHW_TILE_ROWS = 4 };

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

/* Sixteen int16 numbers as sums. */
static inline sums16 sums_load16(const int16_t *from)
{
    return (sums16){_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)from)),
                    _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(from + 8)))};
}

/* a b in every lane, of 16-bit numbers; the upper half of every b is zero, whatever its sign. */
static inline sums16 sums_product16(sums16 a, sums16 b)
{
    return (sums16){_mm256_madd_epi16(a.low, b.low), _mm256_madd_epi16(a.high, b.high)};
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
