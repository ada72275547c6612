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

/* Sums [16 rows][16 lanes] over the steps of all runs, in as many parts as are returned, to be
 * added: as AMX has them, step k of a run in part k modulo 4. */
static inline int tiles_sums(int32_t (*sums)[RNNHW_TILE], const rnnhw_tile_run *runs, int64_t count)
{
    int64_t most = 0;
    memset(sums, 0, 4 * sizeof *sums);
    for (int64_t i = 0; i < count; i++) {
        const int8_t *weights = runs[i].weights;
        const uint8_t *x = runs[i].x;
        most = runs[i].steps > most ? runs[i].steps : most;
        for (int64_t k = 0; k < runs[i].steps; k++, weights += RNNHW_TILE_STEP, x += RNNHW_TILE_STEP)
            for (int row = 0; row < 16; row++)
                for (int column = 0; column < 64; column++)
                    for (int lane = 0; lane < 16; lane++) {
                        int32_t *sum = &sums[k % 4][16 * row + lane];
                        const int product = weights[64 * row + column] *
                                            x[64 * (column / 4) + 4 * lane + column % 4];
                        *sum = (int32_t)((uint32_t)*sum + (uint32_t)product);
                    }
    }
    return most < 4 ? (int)most : 4;
}

#endif
