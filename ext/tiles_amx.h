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

/* Tile registers 0 to 3 hold sums, 4 to 7 operands: 16 rows of 64 bytes each. They
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

enum { STEPS_PAST = 4 };

/* Weights of so many steps are read past the first-level cache, in which the vectors stay; a matrix of
 * fewer stays there too. */
#define WEIGHTS(W, row, k)                                                                        \
    if (run->steps >= STEPS_PAST)                                                                 \
        _tile_stream_loadd(W, run->weights + (row) * run->below + (k) * RNNHW_TILE_STEP, 64);     \
    else                                                                                          \
        _tile_loadd(W, run->weights + (row) * run->below + (k) * RNNHW_TILE_STEP, 64);
#define VECTOR(X, lane, k)                                                                        \
    _tile_loadd(X, run->x + (lane) * run->next + (k) * RNNHW_TILE_STEP, 64);

#define STEP(SUMS, W, X, k)                                                                       \
    WEIGHTS(W, 0, k)                                                                              \
    VECTOR(X, 0, k)                                                                               \
    _tile_dpbsud(SUMS, W, X);

/* One row block and one lane block, in four parts. */
static inline RNNHW_TILES void add_one_by_one(const rnnhw_tile_run *run)
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

#define STEP_OF_LANES(FIRST, SECOND, W, k)                                                        \
    WEIGHTS(W, 0, k)                                                                              \
    VECTOR(6, 0, k)                                                                               \
    _tile_dpbsud(FIRST, W, 6);                                                                    \
    VECTOR(7, 1, k)                                                                               \
    _tile_dpbsud(SECOND, W, 7);

/* One row block and two lane blocks, in two parts. */
static inline RNNHW_TILES void add_one_by_two(const rnnhw_tile_run *run)
{
    int64_t k = 0;
    for (; k + 2 <= run->steps; k += 2) {
        STEP_OF_LANES(0, 1, 4, k)
        STEP_OF_LANES(2, 3, 5, k + 1)
    }
    if (k < run->steps) {
        STEP_OF_LANES(0, 1, 4, k)
    }
}

#define STEP_OF_ROWS(FIRST, SECOND, X, k)                                                         \
    VECTOR(X, 0, k)                                                                               \
    WEIGHTS(4, 0, k)                                                                              \
    _tile_dpbsud(FIRST, 4, X);                                                                    \
    WEIGHTS(5, 1, k)                                                                              \
    _tile_dpbsud(SECOND, 5, X);

/* Two row blocks and one lane block, in two parts. */
static inline RNNHW_TILES void add_two_by_one(const rnnhw_tile_run *run)
{
    int64_t k = 0;
    for (; k + 2 <= run->steps; k += 2) {
        STEP_OF_ROWS(0, 1, 6, k)
        STEP_OF_ROWS(2, 3, 7, k + 1)
    }
    if (k < run->steps) {
        STEP_OF_ROWS(0, 1, 6, k)
    }
}

/* Two row blocks and two lane blocks: half as much is read for a sum. */
static inline RNNHW_TILES void add_two_by_two(const rnnhw_tile_run *run)
{
    for (int64_t k = 0; k < run->steps; k++) {
        STEP_OF_LANES(0, 1, 4, k)
        WEIGHTS(5, 1, k)
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
}

/* Sums [16 rows][16 lanes] of 1 or 2 row blocks and lane blocks over the steps of all runs:
 * sums[part][row block][lane block], of as many parts, to be added, as make four sums; the first `used`
 * of them. A sum waits 52 cycles for the one before, and another can begin after 16: there are four
 * side by side. */
static inline RNNHW_TILES void tiles_sums(int32_t (*sums)[RNNHW_TILE_SUMS], int64_t used,
                                          const rnnhw_tile_run *runs, int64_t count,
                                          int64_t row_blocks, int64_t lane_blocks)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t i = 0; i < count; i++)
        if (row_blocks == 2 && lane_blocks == 2)
            add_two_by_two(&runs[i]);
        else if (row_blocks == 2)
            add_two_by_one(&runs[i]);
        else if (lane_blocks == 2)
            add_one_by_two(&runs[i]);
        else
            add_one_by_one(&runs[i]);
    _tile_stored(0, sums[0], 64);
    if (used > 1)
        _tile_stored(1, sums[1], 64);
    if (used > 2)
        _tile_stored(2, sums[2], 64);
    if (used > 3)
        _tile_stored(3, sums[3], 64);
}

#undef STEP_OF_ROWS
#undef STEP_OF_LANES
#undef STEP
#undef VECTOR
#undef WEIGHTS

#endif
