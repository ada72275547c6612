/* The tile product of AMX: 16 rows of 64 signed bytes against 64 unsigned ones of 16 lanes. */
#ifndef RNNHW_TILES_H
#define RNNHW_TILES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* Flags of functions, not of a file: a compiler that does not know AMX refuses the flags. */
#define RNNHW_TILES                                                                               \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-int8,"                 \
                          "prefer-vector-width=512")))

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
    _tile_loadd(W, weights + (k) * RNNHW_TILE_STEP, 64);                                          \
    _tile_loadd(X, x + (k) * RNNHW_TILE_STEP, 64);                                                \
    _tile_dpbsud(SUMS, W, X);

/* Sums [16 rows][16 lanes] over the steps of all runs, in as many parts as are returned, to be
 * added: a sum waits 52 cycles for the one before, and another can begin after 16. */
static inline RNNHW_TILES int tiles_sums(int32_t (*sums)[RNNHW_TILE], const rnnhw_tile_run *runs,
                                         int64_t count)
{
    int64_t most = 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t i = 0; i < count; i++) {
        const int8_t *const weights = runs[i].weights;
        const uint8_t *const x = runs[i].x;
        const int64_t steps = runs[i].steps;
        int64_t k = 0;
        most = steps > most ? steps : most;
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
    }
    _tile_stored(0, sums[0], 64);
    if (most > 1)
        _tile_stored(1, sums[1], 64);
    if (most > 2)
        _tile_stored(2, sums[2], 64);
    if (most > 3)
        _tile_stored(3, sums[3], 64);
    return most < 4 ? (int)most : 4;
}

#undef STEP

#endif
