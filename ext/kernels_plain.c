/* The kernels in portable C: always there, and what the others are tested against. */
#include "kernels.h"
#include "simd_plain.h"
#include "kernels.inc"
#include "tiles_plain.h"
#include "tiles.inc"

const rnnhw_tiles rnnhw_tiles_plain = {
    .enter = tiles_enter, .leave = tiles_leave, .rows = rows_tiles};
