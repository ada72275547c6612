/* The intrinsics of NEON that ext/simd_neon.h uses, in plain C, so that its kernels run on any machine:
 * this folder comes before those of the compiler. What each does is what Arm's "Neon Intrinsics
 * Reference" says of it; a test runs the same vectors through the real ones under an emulator. */
#ifndef RNNHW_EMULATED_NEON_H
#define RNNHW_EMULATED_NEON_H

#include <stdint.h>
#include <string.h>

#define VECTOR(name, element, count)                                                              \
    typedef struct {                                                                              \
        element v[count];                                                                         \
    } name;

VECTOR(int8x8_t, int8_t, 8)
VECTOR(int8x16_t, int8_t, 16)
VECTOR(uint8x16_t, uint8_t, 16)
VECTOR(int16x4_t, int16_t, 4)
VECTOR(int16x8_t, int16_t, 8)
VECTOR(int32x2_t, int32_t, 2)
VECTOR(int32x4_t, int32_t, 4)
VECTOR(uint32x4_t, uint32_t, 4)
VECTOR(int64x2_t, int64_t, 2)
VECTOR(uint64x2_t, uint64_t, 2)

#undef VECTOR

typedef struct {
    int16x8_t val[2];
} int16x8x2_t;

typedef struct {
    uint8x16_t val[4];
} uint8x16x4_t;

/* A function that computes element i of its result from `a`, `b` and `c`. */
#define LANES(count) for (int i = 0; i < (count); i++)
#define RESULT(type, count, value)                                                                \
    {                                                                                             \
        type result;                                                                              \
        LANES(count)                                                                              \
            result.v[i] = value;                                                                  \
        return result;                                                                            \
    }
#define UNARY(name, type, count, from, value)                                                     \
    static inline type name(from a) RESULT(type, count, value)
#define BINARY(name, type, count, from, value)                                                    \
    static inline type name(from a, from b) RESULT(type, count, value)
#define TERNARY(name, type, count, to, from, value)                                               \
    static inline type name(to a, from b, from c) RESULT(type, count, value)

/* --- memory --- */

#define LOAD(name, type, element)                                                                 \
    static inline type name(const element *from)                                                  \
    {                                                                                             \
        type result;                                                                              \
        memcpy(&result, from, sizeof result);                                                     \
        return result;                                                                            \
    }
#define STORE(name, type, element)                                                                \
    static inline void name(element *to, type a)                                                  \
    {                                                                                             \
        memcpy(to, &a, sizeof a);                                                                 \
    }

LOAD(vld1q_s8, int8x16_t, int8_t)
LOAD(vld1q_u8, uint8x16_t, uint8_t)
LOAD(vld1_s16, int16x4_t, int16_t)
LOAD(vld1q_s32, int32x4_t, int32_t)
LOAD(vld1q_s64, int64x2_t, int64_t)
STORE(vst1q_s8, int8x16_t, int8_t)
STORE(vst1q_u8, uint8x16_t, uint8_t)
STORE(vst1_s16, int16x4_t, int16_t)
STORE(vst1q_s32, int32x4_t, int32_t)

static inline int16x8x2_t vld2q_s16(const int16_t *from)
{
    int16x8x2_t result;
    LANES(16)
        result.val[i % 2].v[i / 2] = from[i];
    return result;
}

/* --- the same in every element, and the same bits as another type --- */

#define SPREAD(name, type, count, element)                                                        \
    static inline type name(element a) RESULT(type, count, a)

SPREAD(vdupq_n_u8, uint8x16_t, 16, uint8_t)
SPREAD(vdup_n_s32, int32x2_t, 2, int32_t)
SPREAD(vdupq_n_s32, int32x4_t, 4, int32_t)
SPREAD(vdupq_n_u32, uint32x4_t, 4, uint32_t)
SPREAD(vdupq_n_s64, int64x2_t, 2, int64_t)

static inline int16x8_t vld1q_dup_s16(const int16_t *a) RESULT(int16x8_t, 8, *a)

#define REINTERPRET(name, type, from)                                                             \
    static inline type name(from a)                                                               \
    {                                                                                             \
        type result;                                                                              \
        memcpy(&result, &a, sizeof result);                                                       \
        return result;                                                                            \
    }

REINTERPRET(vreinterpretq_s8_u8, int8x16_t, uint8x16_t)
REINTERPRET(vreinterpretq_u8_u32, uint8x16_t, uint32x4_t)
REINTERPRET(vreinterpretq_u8_s32, uint8x16_t, int32x4_t)
REINTERPRET(vreinterpretq_s32_u8, int32x4_t, uint8x16_t)
REINTERPRET(vreinterpretq_s32_u32, int32x4_t, uint32x4_t)
REINTERPRET(vreinterpretq_s32_s16, int32x4_t, int16x8_t)
REINTERPRET(vreinterpretq_s32_s64, int32x4_t, int64x2_t)
REINTERPRET(vreinterpretq_s64_u64, int64x2_t, uint64x2_t)
REINTERPRET(vreinterpretq_u64_s64, uint64x2_t, int64x2_t)

/* --- arithmetic, modulo the element --- */

BINARY(vaddq_s32, int32x4_t, 4, int32x4_t, (int32_t)((uint32_t)a.v[i] + (uint32_t)b.v[i]))
BINARY(vsubq_s32, int32x4_t, 4, int32x4_t, (int32_t)((uint32_t)a.v[i] - (uint32_t)b.v[i]))
BINARY(vmulq_s32, int32x4_t, 4, int32x4_t, (int32_t)((uint32_t)a.v[i] * (uint32_t)b.v[i]))
BINARY(vaddq_s64, int64x2_t, 2, int64x2_t, (int64_t)((uint64_t)a.v[i] + (uint64_t)b.v[i]))
BINARY(vsubq_u8, uint8x16_t, 16, uint8x16_t, (uint8_t)(a.v[i] - b.v[i]))
BINARY(vandq_s32, int32x4_t, 4, int32x4_t, a.v[i] & b.v[i])
BINARY(veorq_s32, int32x4_t, 4, int32x4_t, a.v[i] ^ b.v[i])
BINARY(vbicq_s32, int32x4_t, 4, int32x4_t, a.v[i] & ~b.v[i])
BINARY(vandq_s64, int64x2_t, 2, int64x2_t, a.v[i] & b.v[i])
BINARY(veorq_u8, uint8x16_t, 16, uint8x16_t, a.v[i] ^ b.v[i])
BINARY(vminq_s32, int32x4_t, 4, int32x4_t, a.v[i] < b.v[i] ? a.v[i] : b.v[i])
BINARY(vmaxq_s32, int32x4_t, 4, int32x4_t, a.v[i] > b.v[i] ? a.v[i] : b.v[i])
BINARY(vcgtq_s32, uint32x4_t, 4, int32x4_t, a.v[i] > b.v[i] ? UINT32_MAX : 0)
BINARY(vceqq_s32, uint32x4_t, 4, int32x4_t, a.v[i] == b.v[i] ? UINT32_MAX : 0)

/* The lowest byte of an element of the second operand counts, with its sign. */
static inline int32_t shifted_32(int32_t value, int by)
{
    if (by >= 0)
        return by < 32 ? (int32_t)((uint32_t)value << by) : 0;
    return value >> (by > -32 ? -by : 31);
}

static inline uint64_t shifted_64(uint64_t value, int by)
{
    if (by >= 0)
        return by < 64 ? value << by : 0;
    return by > -64 ? value >> -by : 0;
}

BINARY(vshlq_s32, int32x4_t, 4, int32x4_t, shifted_32(a.v[i], (int8_t)b.v[i]))

static inline uint64x2_t vshlq_u64(uint64x2_t a, int64x2_t b)
    RESULT(uint64x2_t, 2, shifted_64(a.v[i], (int8_t)b.v[i]))

static inline int64x2_t vshrq_n_s64(int64x2_t a, const int by) RESULT(int64x2_t, 2, a.v[i] >> by)

/* --- into elements twice as wide, and back --- */

UNARY(vmovl_s8, int16x8_t, 8, int8x8_t, a.v[i])
UNARY(vmovl_high_s8, int16x8_t, 8, int8x16_t, a.v[8 + i])
UNARY(vmovl_s16, int32x4_t, 4, int16x4_t, a.v[i])
UNARY(vmovn_s32, int16x4_t, 4, int32x4_t, (int16_t)a.v[i])
UNARY(vmovn_s64, int32x2_t, 2, int64x2_t, (int32_t)a.v[i])
BINARY(vmull_s8, int16x8_t, 8, int8x8_t, (int16_t)(a.v[i] * b.v[i]))
BINARY(vmull_high_s8, int16x8_t, 8, int8x16_t, (int16_t)(a.v[8 + i] * b.v[8 + i]))
BINARY(vmull_s16, int32x4_t, 4, int16x4_t, a.v[i] * b.v[i])
BINARY(vmull_s32, int64x2_t, 2, int32x2_t, (int64_t)a.v[i] * b.v[i])

static inline int32_t sum_32(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

TERNARY(vmlal_s16, int32x4_t, 4, int32x4_t, int16x4_t, sum_32(a.v[i], b.v[i] * c.v[i]))
TERNARY(vmlal_high_s16, int32x4_t, 4, int32x4_t, int16x8_t,
        sum_32(a.v[i], b.v[4 + i] * c.v[4 + i]))

/* --- neighbours --- */

static inline int32x4_t vpadalq_s16(int32x4_t a, int16x8_t b)
    RESULT(int32x4_t, 4, sum_32(a.v[i], b.v[2 * i] + b.v[2 * i + 1]))

static inline int64x2_t vpadalq_s32(int64x2_t a, int32x4_t b)
    RESULT(int64x2_t, 2, a.v[i] + b.v[2 * i] + b.v[2 * i + 1])

BINARY(vpaddq_s32, int32x4_t, 4, int32x4_t,
       i < 2 ? sum_32(a.v[2 * i], a.v[2 * i + 1]) : sum_32(b.v[2 * i - 4], b.v[2 * i - 3]))

static inline int64_t vaddvq_s64(int64x2_t a)
{
    return a.v[0] + a.v[1];
}

TERNARY(vdotq_s32, int32x4_t, 4, int32x4_t, int8x16_t,
        sum_32(a.v[i], b.v[4 * i] * c.v[4 * i] + b.v[4 * i + 1] * c.v[4 * i + 1] +
                           b.v[4 * i + 2] * c.v[4 * i + 2] + b.v[4 * i + 3] * c.v[4 * i + 3]))

/* --- order --- */

UNARY(vget_low_s8, int8x8_t, 8, int8x16_t, a.v[i])
UNARY(vget_low_s16, int16x4_t, 4, int16x8_t, a.v[i])
UNARY(vget_low_s32, int32x2_t, 2, int32x4_t, a.v[i])
UNARY(vrev64q_s32, int32x4_t, 4, int32x4_t, a.v[i ^ 1])
BINARY(vcombine_s32, int32x4_t, 4, int32x2_t, i < 2 ? a.v[i] : b.v[i - 2])
BINARY(vtrn1q_s32, int32x4_t, 4, int32x4_t, i % 2 ? b.v[i - 1] : a.v[i])
BINARY(vuzp1q_s32, int32x4_t, 4, int32x4_t, i < 2 ? a.v[2 * i] : b.v[2 * i - 4])
BINARY(vuzp2q_s32, int32x4_t, 4, int32x4_t, i < 2 ? a.v[2 * i + 1] : b.v[2 * i - 3])
BINARY(vuzp1q_u8, uint8x16_t, 16, uint8x16_t, i < 8 ? a.v[2 * i] : b.v[2 * i - 16])
BINARY(vuzp2q_u8, uint8x16_t, 16, uint8x16_t, i < 8 ? a.v[2 * i + 1] : b.v[2 * i - 15])
BINARY(vzip1q_s8, int8x16_t, 16, int8x16_t, i % 2 ? b.v[i / 2] : a.v[i / 2])
BINARY(vzip2q_s8, int8x16_t, 16, int8x16_t, i % 2 ? b.v[8 + i / 2] : a.v[8 + i / 2])

static inline int32x4_t vextq_s32(int32x4_t a, int32x4_t b, const int first)
    RESULT(int32x4_t, 4, first + i < 4 ? a.v[first + i] : b.v[first + i - 4])

/* --- tables --- */

static inline uint8x16_t vqtbx4q_u8(uint8x16_t a, uint8x16x4_t table, uint8x16_t index)
    RESULT(uint8x16_t, 16,
           index.v[i] < 64 ? table.val[index.v[i] / 16].v[index.v[i] % 16] : a.v[i])

static inline uint8x16_t vqtbl1q_u8(uint8x16_t table, uint8x16_t index)
    RESULT(uint8x16_t, 16, index.v[i] < 16 ? table.v[index.v[i]] : 0)

static inline uint8x16_t vqtbl4q_u8(uint8x16x4_t table, uint8x16_t index)
{
    return vqtbx4q_u8(vdupq_n_u8(0), table, index);
}

#undef LANES
#undef RESULT
#undef UNARY
#undef BINARY
#undef TERNARY
#undef LOAD
#undef STORE
#undef SPREAD
#undef REINTERPRET

#endif
