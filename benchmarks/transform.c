/* The Walsh-Hadamard transform as a C programmer writes it: in place, int32, one vector after the
 * other. The compiler vectorises the inner loop. A peer of the engine in goals.py. */
#include <stdint.h>

void transforms(int32_t *restrict vectors, int64_t n, int64_t count, int64_t repeats)
{
    for (int64_t r = 0; r < repeats; r++)
        for (int64_t c = 0; c < count; c++) {
            int32_t *v = vectors + c * n;
            for (int64_t half = 1; half < n; half *= 2)
                for (int64_t first = 0; first < n; first += 2 * half)
                    for (int64_t i = first; i < first + half; i++) {
                        const uint32_t a = (uint32_t)v[i], b = (uint32_t)v[i + half];
                        v[i] = (int32_t)(a + b);
                        v[i + half] = (int32_t)(a - b);
                    }
        }
}
