/* Which instruction sets are built, and which of them this processor runs. */
#if defined(__linux__)
#define _DEFAULT_SOURCE /* syscall, beside C11 */
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(RNNHW_NEON) && defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(RNNHW_NEON) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "kernels.h"

#if defined(RNNHW_AVX512) && defined(RNNHW_AMX)
#define BUILDS_AMX
#include <cpuid.h>
#endif

static const rnnhw_kernels *const built[] = {
    &rnnhw_kernels_plain,
#ifdef RNNHW_AVX2
    &rnnhw_kernels_avx2,
#endif
#ifdef RNNHW_AVX512
    &rnnhw_kernels_avx512,
#endif
#ifdef BUILDS_AMX
    &rnnhw_kernels_amx,
#endif
#ifdef RNNHW_NEON
    &rnnhw_kernels_neon,
    &rnnhw_kernels_dotprod,
#endif
};

enum { BUILT = sizeof(built) / sizeof(built[0]) };

const rnnhw_kernels *rnnhw_built(int index)
{
    return index >= 0 && index < BUILT ? built[index] : NULL;
}

#ifdef RNNHW_AVX512
static int has_avx512(void)
{
    /* Asks the operating system (xgetbv) too, whether it saves the registers. */
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

#ifdef BUILDS_AMX
/* Whether the processor has AMX for bytes, and Linux lets this process, and the threads that it
 * starts from now on, use the tile registers (Documentation/arch/x86/xstate.rst). */
static int has_amx(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, UNKNOWN = -1 };
    static int known = UNKNOWN; /* a virtual machine takes microseconds for each cpuid */
    if (known == UNKNOWN) {
        const unsigned tiles = 1u << 24, bytes = 1u << 25;
        unsigned a, b, c, d;
        known = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & tiles) && (d & bytes) &&
                syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
    }
    return known;
}
#endif

#ifdef RNNHW_NEON
/* Whether the processor has dot products of bytes, as its system says. */
static int has_dotprod(void)
{
#if defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has;
#else
    return 0; /* no other system is asked */
#endif
}
#endif

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
    if (kernels == &rnnhw_kernels_avx512)
        return has_avx512();
#endif
#ifdef BUILDS_AMX
    if (kernels == &rnnhw_kernels_amx)
        return has_avx512() && has_amx();
#endif
#ifdef RNNHW_NEON
    if (kernels == &rnnhw_kernels_dotprod)
        return has_dotprod();
#endif
    return 1;
}
