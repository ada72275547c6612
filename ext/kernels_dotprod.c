/* The kernels for NEON with dot products of bytes; compiled with flags of its own. */
#define RNNHW_DOTPROD
#include "kernels.h"
#include "simd_neon.h"
#include "kernels.inc"
