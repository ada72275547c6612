/* What one core can do at most: multiply-accumulates of int16 pairs and of bytes, and additions.
 *
 * Prints a line for each instruction that the processor has: its name, then 10^9 multiply-accumulates
 * (of `vpaddd`: additions) a second, the best of many short slices of CPU time. Every pass loads its
 * operands through a pointer that the compiler cannot know, so that nothing can be hoisted; eight sums,
 * twelve of AVX-512, hide the latency.
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SUMS = 8, SUMS_512 = 12, PASSES = 20000, SLICES = 20, BYTES = 1024 };

static char operands[(SUMS_512 + 2) * BYTES] __attribute__((aligned(64)));
static volatile int32_t sink;

/* Named sums, as arrays may end up in memory. */
#define EACH_8(act) act(0) act(1) act(2) act(3) act(4) act(5) act(6) act(7)
#define EACH_12(act) EACH_8(act) act(8) act(9) act(10) act(11)

#define SLICE(name, isa, VECTOR, EACH, ZERO, STEP, ADD, FIRST)                                          \
    __attribute__((target(isa))) static void name(void)                                           \
    {                                                                                             \
        const VECTOR *from = (const VECTOR *)operands;                                            \
        EACH(ZERO)                                                                                \
        for (int pass = 0; pass < PASSES; pass++) {                                               \
            EACH(STEP)                                                                            \
            __asm__ volatile("" : "+r"(from));                                                    \
        }                                                                                         \
        VECTOR total = sum0;                                                                      \
        EACH(ADD)                                                                                 \
        sink = FIRST(total);                                                                      \
    }

#define ZERO_256(i) __m256i sum##i = _mm256_setzero_si256();
#define JOIN_256(i) total = _mm256_add_epi32(total, sum##i);
#define FIRST_256(total) _mm256_extract_epi32(total, 0)
#define PAIRS_256(i) sum##i = _mm256_add_epi32(sum##i, _mm256_madd_epi16(from[i], from[SUMS]));
#define ADD_256(i) sum##i = _mm256_add_epi32(sum##i, from[i]);
SLICE(pairs_avx2, "avx2", __m256i, EACH_8, ZERO_256, PAIRS_256, JOIN_256, FIRST_256)
SLICE(additions, "avx2", __m256i, EACH_8, ZERO_256, ADD_256, JOIN_256, FIRST_256)

/* Two operands for all sums: where each has its own, a processor that reads two vectors of 64 bytes a
 * cycle multiplies less than two. The sums begin differently, or the compiler would keep one. */
#define FIRST_SUM(i) __m512i sum##i = from[i];
#define JOIN_512(i) total = _mm512_add_epi32(total, sum##i);
#define FIRST_512(total) _mm_cvtsi128_si32(_mm512_castsi512_si128(total))
#define PAIRS_512(i) sum##i = _mm512_dpwssd_epi32(sum##i, from[SUMS_512], from[SUMS_512 + 1]);
#define QUADS_512(i) sum##i = _mm512_dpbusd_epi32(sum##i, from[SUMS_512], from[SUMS_512 + 1]);
SLICE(pairs_avx512, "avx512f,avx512vnni", __m512i, EACH_12, FIRST_SUM, PAIRS_512, JOIN_512, FIRST_512)
SLICE(quads_avx512, "avx512f,avx512vnni", __m512i, EACH_12, FIRST_SUM, QUADS_512, JOIN_512, FIRST_512)

/* Four sums of 16 rows by 16 columns, of tiles that stay in registers: reading one takes half as long
 * as multiplying two. */
__attribute__((target("amx-tile,amx-int8"))) static void tiles_amx(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.rows[i] = 16;
    }
    __asm__ volatile("" : "+m"(shape)); /* gcc 12 does not know that loadconfig reads it */
    _tile_loadconfig(&shape);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, operands, 64);
    _tile_loadd(5, operands, 64);
    _tile_loadd(6, operands, 64);
    _tile_loadd(7, operands, 64);
    for (int pass = 0; pass < PASSES / 16; pass++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
}

static int has_amx(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_rate(const char *name, void (*slice)(void), double operations)
{
    double best = 0;
    for (int i = 0; i < SLICES; i++) {
        const double begin = cpu_seconds();
        slice();
        const double rate = 1e-9 * operations / (cpu_seconds() - begin);
        best = rate > best ? rate : best;
    }
    printf("%s %.2f\n", name, best);
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (!__builtin_cpu_supports("avx2"))
        return 1;
    for (int i = 0; i < (SUMS_512 + 2) * BYTES; i++)
        operands[i] = (char)(i * count); /* not known before it runs */
    const double steps = (double)PASSES * SUMS, steps_512 = (double)PASSES * SUMS_512;
    print_rate("vpmaddwd", pairs_avx2, 16 * steps);
    print_rate("vpaddd", additions, 8 * steps);
    if (__builtin_cpu_supports("avx512vnni")) {
        print_rate("vpdpwssd", pairs_avx512, 32 * steps_512);
        print_rate("vpdpbusd", quads_avx512, 64 * steps_512);
        if (has_amx())
            print_rate("tdpbusd", tiles_amx, 16. * 16 * 64 * 4 * (PASSES / 16));
    }
    return 0;
}
