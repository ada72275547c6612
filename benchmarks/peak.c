/* What one core can do at most with AVX2: multiply-adds of int16 pairs and 32-bit additions.
 *
 * Prints two numbers, the best of many short slices of CPU time: 10^9 multiply-accumulates a
 * second (vpmaddwd + vpaddd) and 10^9 additions a second (vpaddd). Every pass loads its operands
 * through a pointer that the compiler cannot know, so that nothing can be hoisted; eight sums
 * hide the latency.
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { SUMS = 8, LANES = 8, PASSES = 20000, SLICES = 20 };

static int32_t operands[(SUMS + 1) * LANES] __attribute__((aligned(64)));
static volatile int32_t sink;

/* Named sums, as arrays may end up in memory. */
#define EACH(act) act(0) act(1) act(2) act(3) act(4) act(5) act(6) act(7)
#define ZERO(i) __m256i sum##i = _mm256_setzero_si256();
#define ACCUMULATE(i) sum##i = _mm256_add_epi32(sum##i, _mm256_madd_epi16(from[i], from[SUMS]));
#define ADD(i) sum##i = _mm256_add_epi32(sum##i, from[i]);
#define JOIN(i) total = _mm256_add_epi32(total, sum##i);

#define SLICE(name, STEP)                                                                         \
    __attribute__((target("avx2"))) static void name(void)                                        \
    {                                                                                             \
        const __m256i *from = (const __m256i *)operands;                                          \
        EACH(ZERO)                                                                                \
        for (int pass = 0; pass < PASSES; pass++) {                                               \
            EACH(STEP)                                                                            \
            __asm__ volatile("" : "+r"(from));                                                    \
        }                                                                                         \
        __m256i total = _mm256_setzero_si256();                                                   \
        EACH(JOIN)                                                                                \
        sink = _mm256_extract_epi32(total, 0);                                                    \
    }

SLICE(multiply_accumulate, ACCUMULATE)
SLICE(add, ADD)

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double best_rate(void (*slice)(void), int lanes)
{
    double best = 0;
    for (int i = 0; i < SLICES; i++) {
        const double begin = cpu_seconds();
        slice();
        const double rate = 1e-9 * PASSES * SUMS * lanes / (cpu_seconds() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (!__builtin_cpu_supports("avx2"))
        return 1;
    for (int i = 0; i < (SUMS + 1) * LANES; i++)
        operands[i] = i * count; /* not known before it runs */
    printf("%.2f %.2f\n", best_rate(multiply_accumulate, 2 * LANES), best_rate(add, LANES));
    return 0;
}
