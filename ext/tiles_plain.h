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

/* Sums [16 rows][16 lanes] of 1, 2 or 4 lane blocks over the steps of all runs: sums[part * blocks +
 * block], of 4 / blocks parts, to be added: as AMX has them, step k of a run in part k modulo their
 * number. */
static inline void tiles_sums(int32_t (*sums)[RNNHW_TILE], const rnnhw_tile_run *runs, int64_t count,
                              int64_t blocks)
{
    memset(sums, 0, 4 * sizeof *sums);
    for (const rnnhw_tile_run *run = runs; run < runs + count; run++)
        for (int64_t k = 0; k < run->steps; k++)
            for (int64_t b = 0; b < blocks; b++)
                add_step(sums[k % (4 / blocks) * blocks + b], run->weights + k * RNNHW_TILE_STEP,
                         run->x + b * run->next + k * RNNHW_TILE_STEP);
}

#endif
