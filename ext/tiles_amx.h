/* The tile product of AMX: 16 rows of 64 signed bytes against 64 unsigned ones of 16 lanes. */
#ifndef RNNHW_TILES_H
#define RNNHW_TILES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define RNNHW_TILES __attribute__((target("amx-tile,amx-int8")))

/* Tile registers 0 to 3 hold sums, 4 to 7 two pairs of operands: 16 rows of 64 bytes each. They
 * belong to the thread; between a run and the next they are given back, or the system would save
 * 8 KB at every switch. */
static RNNHW_TILES void tiles_enter(void)
{
    static const struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } configuration = {.palette = 1,
                       .bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                       .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&configuration);
}

static RNNHW_TILES void tiles_leave(void)
{
    _tile_release();
}

#define STEP(SUMS, W, X, k)                                                                       \
    _tile_loadd(W, weights + (k) * RNNHW_TILE_STEP, 64);                                         \
    _tile_loadd(X, x + (k) * RNNHW_TILE_STEP, 64);                                                      \
    _tile_dpbsud(SUMS, W, X);

/* Sums [16 rows][16 lanes] over so many steps of 64 columns, in as many parts as are returned, to be
 * added: a sum waits 52 cycles for the one before, and another can begin after 16. */
static inline RNNHW_TILES int tiles_sums(int32_t (*sums)[256], const int8_t *weights,
                                        const uint8_t *x, int64_t steps)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    int64_t k = 0;
    for (; k + 4 <= steps; k += 4) {
        STEP(0, 4, 5, k)
        STEP(1, 6, 7, k + 1)
        STEP(2, 4, 5, k + 2)
        STEP(3, 6, 7, k + 3)
    }
    if (k < steps) {
        STEP(0, 4, 5, k)
    }
    if (k + 1 < steps) {
        STEP(1, 6, 7, k + 1)
    }
    if (k + 2 < steps) {
        STEP(2, 4, 5, k + 2)
    }
    _tile_stored(0, sums[0], 64);
    if (steps > 1)
        _tile_stored(1, sums[1], 64);
    if (steps > 2)
        _tile_stored(2, sums[2], 64);
    if (steps > 3)
        _tile_stored(3, sums[3], 64);
    return steps < 4 ? (int)steps : 4;
}

#undef STEP

#endif
