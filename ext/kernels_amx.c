/* The kernels of AMX: those of AVX-512, and products of bytes by tiles. */
#include "kernels.h"

#ifdef RNNHW_AMX
#include "tiles_amx.h"
#include "tiles.inc"

const rnnhw_tiles rnnhw_tiles_amx = {
    .enter = tiles_enter, .leave = tiles_leave, .rows = rows_tiles};
#endif
