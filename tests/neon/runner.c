/* Runs plans that another program wrote: what tests/helpers/elsewhere.py sends on standard input. First it
 * tells, a line each, the instruction sets that are built and the sizes of the structures; then it takes
 * images of memory, each behind a header, and gives back what a run has made of them. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    int64_t level, bytes, pointers, run; /* `run`: where the rnnhw_run stands in the image */
} header;

static void say_what_there_is(void)
{
    for (int i = 0; rnnhw_built(i) != NULL; i++) {
        const rnnhw_kernels *const k = rnnhw_built(i);
        printf("%s %d %d %d %d %d %d %d\n", k->name, rnnhw_supported(i), k->byte_sums, k->byte_offset,
               k->prefers_tiles, k->tiles != NULL, k->prefers_short, k->rows_short != NULL);
    }
    printf("\nrun %zu\nnode %zu\nsequence %zu\nresult %zu\nscan %zu\n", sizeof(rnnhw_run),
           sizeof(rnnhw_time_node), sizeof(rnnhw_sequence), sizeof(rnnhw_result),
           sizeof(rnnhw_scan));
    printf("slot %zu\nstate %zu\nrows %zu\ninstruction %zu\n", sizeof(rnnhw_slot),
           sizeof(rnnhw_state), sizeof(rnnhw_rows), sizeof(rnnhw_instruction));
    printf("by_lane %zu\nword_cast %zu\n\n", sizeof(rnnhw_by_lane), sizeof(word_cast));
    fflush(stdout);
}

static void *memory(int64_t bytes)
{
    void *const place = aligned_alloc(64, ((size_t)bytes + 64) / 64 * 64);
    if (place == NULL)
        exit(2);
    return place;
}

static void receive(void *to, int64_t bytes)
{
    if (fread(to, 1, (size_t)bytes, stdin) != (size_t)bytes)
        exit(3);
}

/* Pointers are written as distances from the beginning of the image. */
static void move_pointers(char *image, const int64_t *pointers, int64_t count, int64_t by)
{
    for (int64_t i = 0; i < count; i++)
        *(int64_t *)(void *)(image + pointers[i]) += by;
}

int main(void)
{
    header h;
    say_what_there_is();
    while (fread(&h, sizeof h, 1, stdin) == 1) {
        char *const image = memory(h.bytes);
        int64_t *const pointers = memory(h.pointers * (int64_t)sizeof *pointers);
        receive(image, h.bytes);
        receive(pointers, h.pointers * (int64_t)sizeof *pointers);
        move_pointers(image, pointers, h.pointers, (int64_t)(intptr_t)image);
        rnnhw_run_blocks(rnnhw_built((int)h.level), (const rnnhw_run *)(void *)(image + h.run));
        fwrite(image, 1, (size_t)h.bytes, stdout);
        fflush(stdout);
        free(pointers);
        free(image);
    }
    return 0;
}
