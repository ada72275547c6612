/* The kernels for AVX2; this file alone is compiled with -mavx2. */
#include "kernels.h"
#include "simd_avx2.h"
#include "kernels.inc"
