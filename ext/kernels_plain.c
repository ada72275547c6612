/* The kernels in portable C: always there, and what the others are tested against. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-gcse-after-reload") /* a third of the time that gcc takes; no faster code */
#endif
#include "kernels.h"
#include "simd_plain.h"
#include "kernels.inc"
#include "tiles_plain.h"
#include "tiles.inc"

const rnnhw_tiles rnnhw_tiles_plain = {
    .enter = tiles_enter, .leave = tiles_leave, .rows = rows_tiles};
