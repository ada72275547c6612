/* The kernels for AVX-512 with VNNI; this file alone is compiled with its flags. */
#include "kernels.h"
#include "simd_avx512.h"
#include "kernels.inc"
