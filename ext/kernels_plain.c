/* The kernels in portable C: always there, and what the others are tested against. */
#include "kernels.h"
#include "simd_plain.h"
#include "kernels.inc"
