/* The tile product in plain C: 16 rows of 64 signed bytes against 64 unsigned ones of 16 lanes. */
#ifndef RNNHW_TILES_H
#define RNNHW_TILES_H

#include <stdint.h>
#include <string.h>

#define RNNHW_TILES

static void tiles_enter(void)
{
}

static void tiles_leave(void)
{
}

/* One step of a lane block. */
static inline void add_step(int32_t *sums, const int8_t *weights, const uint8_t *x)
{
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 64; column++)
            for (int lane = 0; lane < 16; lane++) {
                int32_t *sum = &sums[16 * row + lane];
                const int product =
                    weights[64 * row + column] * x[64 * (column / 4) + 4 * lane + column % 4];
                *sum = (int32_t)((uint32_t)*sum + (uint32_t)product);
            }
}

/* Sums [16 rows][16 lanes] of 1 or 2 row blocks and lane blocks over the steps of all runs:
 * sums[part][row block][lane block], of as many parts, to be added, as make four sums, as AMX has
 * them: step k of a run in part k modulo their number. The first `used` are not zero. */
static inline void tiles_sums(int32_t (*sums)[RNNHW_TILE_SUMS], int64_t used, const rnnhw_tile_run *runs,
                              int64_t count, int64_t row_blocks, int64_t lane_blocks)
{
    const int64_t blocks = row_blocks * lane_blocks, parts = 4 / blocks;
    memset(sums, 0, (size_t)used * sizeof *sums);
    for (const rnnhw_tile_run *run = runs; run < runs + count; run++)
        for (int64_t k = 0; k < run->steps; k++)
            for (int64_t i = 0; i < blocks; i++)
                add_step(sums[k % parts * blocks + i],
                         run->weights + i / lane_blocks * run->below + k * RNNHW_TILE_STEP,
                         run->x + i % lane_blocks * run->next + k * RNNHW_TILE_STEP);
}

#endif
