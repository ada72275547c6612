/* The kernels for AVX-512 with VNNI; compiled with flags of its own. */
#include "kernels.h"
#include "simd_avx512.h"
#include "kernels.inc"

#ifdef RNNHW_AMX
const rnnhw_kernels rnnhw_kernels_amx = RNNHW_KERNEL_TABLE("amx", &rnnhw_tiles_amx, 1);
#endif
