/* Which instruction sets are built, and which of them this processor runs. */
#include "kernels.h"

static const rnnhw_kernels *const built[] = {
    &rnnhw_kernels_plain,
#ifdef RNNHW_AVX2
    &rnnhw_kernels_avx2,
#endif
#ifdef RNNHW_AVX512
    &rnnhw_kernels_avx512,
#endif
};

enum { BUILT = sizeof(built) / sizeof(built[0]) };

const rnnhw_kernels *rnnhw_built(int index)
{
    return index >= 0 && index < BUILT ? built[index] : NULL;
}

int rnnhw_supported(int index)
{
    const rnnhw_kernels *kernels = rnnhw_built(index);
    if (kernels == NULL)
        return 0;
#ifdef RNNHW_AVX2
    if (kernels == &rnnhw_kernels_avx2) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") != 0;
    }
#endif
#ifdef RNNHW_AVX512
    if (kernels == &rnnhw_kernels_avx512) {
        /* Asks the operating system (xgetbv) too, whether it saves the registers. */
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
    }
#endif
    return 1;
}
