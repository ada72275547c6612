/* The kernels for NEON as every AArch64 processor has it. */
#include "kernels.h"
#include "simd_neon.h"
#include "kernels.inc"
