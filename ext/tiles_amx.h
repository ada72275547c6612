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

#define WEIGHTS(W, k) _tile_loadd(W, run->weights + (k) * RNNHW_TILE_STEP, 64);
#define VECTOR(X, b, k) _tile_loadd(X, run->x + (b) * run->next + (k) * RNNHW_TILE_STEP, 64);
#define STEP(SUMS, W, X, k)                                                                       \
    WEIGHTS(W, k)                                                                                 \
    VECTOR(X, 0, k)                                                                               \
    _tile_dpbsud(SUMS, W, X);

/* One lane block, in four parts. */
static inline RNNHW_TILES void add_steps(const rnnhw_tile_run *run)
{
    int64_t k = 0;
    for (; k + 4 <= run->steps; k += 4) {
        STEP(0, 4, 5, k)
        STEP(1, 6, 7, k + 1)
        STEP(2, 4, 5, k + 2)
        STEP(3, 6, 7, k + 3)
    }
    if (k < run->steps) {
        STEP(0, 4, 5, k)
    }
    if (k + 1 < run->steps) {
        STEP(1, 6, 7, k + 1)
    }
    if (k + 2 < run->steps) {
        STEP(2, 4, 5, k + 2)
    }
}

#define STEP_OF_TWO(FIRST, SECOND, W, k)                                                          \
    WEIGHTS(W, k)                                                                                 \
    VECTOR(5, 0, k)                                                                               \
    _tile_dpbsud(FIRST, W, 5);                                                                    \
    VECTOR(7, 1, k)                                                                               \
    _tile_dpbsud(SECOND, W, 7);

/* Two lane blocks, in two parts. */
static inline RNNHW_TILES void add_steps_of_two(const rnnhw_tile_run *run)
{
    int64_t k = 0;
    for (; k + 2 <= run->steps; k += 2) {
        STEP_OF_TWO(0, 1, 4, k)
        STEP_OF_TWO(2, 3, 6, k + 1)
    }
    if (k < run->steps) {
        STEP_OF_TWO(0, 1, 4, k)
    }
}

/* Four lane blocks. */
static inline RNNHW_TILES void add_steps_of_four(const rnnhw_tile_run *run)
{
    for (int64_t k = 0; k < run->steps; k++) {
        STEP_OF_TWO(0, 1, 4, k)
        VECTOR(5, 2, k)
        _tile_dpbsud(2, 4, 5);
        VECTOR(7, 3, k)
        _tile_dpbsud(3, 4, 7);
    }
}

/* Sums [16 rows][16 lanes] of 1, 2 or 4 lane blocks over the steps of all runs: sums[part * blocks +
 * block], of 4 / blocks parts, to be added. A sum waits 52 cycles for the one before, and another can
 * begin after 16: four sums side by side, of whatever. */
static inline RNNHW_TILES void tiles_sums(int32_t (*sums)[RNNHW_TILE], const rnnhw_tile_run *runs,
                                          int64_t count, int64_t blocks)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t i = 0; i < count; i++)
        if (blocks == 4)
            add_steps_of_four(&runs[i]);
        else if (blocks == 2)
            add_steps_of_two(&runs[i]);
        else
            add_steps(&runs[i]);
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    _tile_stored(2, sums[2], 64);
    _tile_stored(3, sums[3], 64);
}

#undef STEP_OF_TWO
#undef VECTOR
#undef WEIGHTS
#undef STEP

#endif
