/* The interpreter of programs: phases, tiles and time. See program.h. */
#include "program.h"

#include <assert.h>
#include <string.h>

#define NAME_OF(number, name, parameters, arguments, element) #name,
const char *const rnnhw_elementwise_names[] = {RNNHW_ELEMENTWISE(NAME_OF, ) NULL};
#undef NAME_OF

static int64_t longest(const int64_t *lengths, int64_t lanes)
{
    int64_t most = 0;
    for (int64_t lane = 0; lane < lanes; lane++)
        if (lengths[lane] > most)
            most = lengths[lane];
    return most;
}

/* CASE(T) with the type of an element of so many bits. */
#define WITH_TYPE(CASE, bits)                                                                     \
    switch (bits) {                                                                               \
    case 8:                                                                                       \
        CASE(int8_t);                                                                             \
        break;                                                                                    \
    case 16:                                                                                      \
        CASE(int16_t);                                                                            \
        break;                                                                                    \
    case 32:                                                                                      \
        CASE(int32_t);                                                                            \
        break;                                                                                    \
    default:                                                                                      \
        CASE(int64_t);                                                                            \
        break;                                                                                    \
    }

/* Where a phase stands in a lane block: the instruction's operands are found from it. */
typedef struct {
    rnnhw_scan *scan;
    char **current; /* the slots of this lane block */
    int64_t block, tile;
    int64_t units; /* of this tile */
    int64_t chunks;
    rnnhw_mask mask;
    int64_t masked; /* units of the tile for which `mask.last` stands, of one sequence */
    int64_t active; /* sequences that have this step */
    int64_t changes; /* the step before which neither `active` nor the mask of a step changes */
} place;

/* The lane blocks of a run, and how many of them take part in the step. */
typedef struct {
    place places[RNNHW_BLOCKS];
    int64_t blocks;
} group;

static inline void *at(const place *p, int64_t slot)
{
    return p->current[slot] + p->tile * p->scan->slots[slot].tile_bytes;
}

/* Derive the constants of casts in words once, not in every step. */
static void prepare_casts(rnnhw_scan *scan)
{
    for (int64_t index = 0; index < scan->instruction_count; index++) {
        const rnnhw_instruction *const i = &scan->instructions[index];
        const int in_words = i->operation == RNNHW_CAST_IN_WORDS;
        const int ends = i->operation == RNNHW_CAST_LOOKUP || i->operation == RNNHW_FINISH ||
                         i->operation == RNNHW_FINISH_ROWS;
        if ((in_words || ends) && i->cast >= 0)
            scan->word_casts[index] =
                word_cast_of(&scan->casts[i->cast], in_words ? (int)i->low : (int)i->shift_a, 0);
    }
}

static inline const rnnhw_cast *cast_or_null(const place *p, int64_t index)
{
    return index < 0 ? NULL : &p->scan->casts[index];
}

static inline void *slot_or_null(const place *p, int64_t slot)
{
    return slot == 0 ? NULL : at(p, slot);
}

static const int8_t no_table[256];

/* A product of bytes of a lane block and those behind it. */
static rnnhw_bytes byte_product(const place *p, int64_t matrix, int64_t slot)
{
    return (rnnhw_bytes){.rows = &p->scan->matrices[matrix],
                         .vector = (const uint8_t *)p->current[slot],
                         .next = p->scan->slots[slot].block_bytes};
}

/* The terms of this tile's rows of a matrix. */
static int64_t terms_of_rows(const place *p, int64_t matrix)
{
    const int64_t *const before =
        p->scan->matrices[matrix].terms_before + p->tile * p->scan->tile_units;
    return before[p->units] - before[0];
}

/* Count the work of a tile's rows for so many sequences. */
static void count_rows(const place *p, int64_t index, int64_t matrix, int64_t sequences)
{
    p->scan->units_done[index] += p->units * sequences;
    p->scan->terms_done[index] += terms_of_rows(p, matrix) * sequences;
}

/* Count the work of one or two products of bytes, each where it would stand alone. */
static void count_products(const place *p, int64_t index, int64_t sequences)
{
    const rnnhw_instruction *const i = &p->scan->instructions[index];
    count_rows(p, index, i->rows, sequences);
    if (i->c)
        count_rows(p, i->start, i->data, sequences);
}

/* The rows of an instruction rows_short, or those that a rows_diagonal begins with and its own. */
static rnnhw_short short_rows(const place *p, int64_t index)
{
    const rnnhw_instruction *const first = &p->scan->instructions[index];
    const int diagonal = first->operation == RNNHW_ROWS_DIAGONAL;
    const rnnhw_instruction *const i = diagonal ? &p->scan->instructions[first->start] : first;
    rnnhw_short s = {.products = {byte_product(p, i->rows, i->a), byte_product(p, i->data, i->c)},
                     .count = i->c ? 2 : 1,
                     .row = p->tile * p->scan->tile_units,
                     .start = slot_or_null(p, i->b)};
    if (diagonal) {
        s.factors = (const int32_t *)p->scan->matrices[first->rows].weights;
        s.x = at(p, first->a);
        s.shift = (int)first->shift_a;
    }
    return s;
}

/* Count the work of those. */
static void count_short_rows(const place *p, int64_t index)
{
    const rnnhw_instruction *const i = &p->scan->instructions[index];
    if (i->operation == RNNHW_ROWS_DIAGONAL) {
        p->scan->units_done[index] += p->units * p->active;
        p->scan->terms_done[index] += p->units * p->active; /* a term a row */
        index = i->start;
    }
    count_products(p, index, p->active);
}

/* Copy runs of units: which slot, from which unit on, how many. */
static void gather(const place *p, char *dst, const int64_t *runs, int64_t bits)
{
    const int64_t vector = p->scan->lanes * bits / 8;
    for (int64_t unit = 0; unit < p->units; unit += runs[2], runs += 3)
        memcpy(dst + unit * vector, p->current[runs[0]] + runs[1] * vector,
               (size_t)(runs[2] * vector));
}

#define E int32_t
#define KERNELS rnnhw_kernels32
#define NAME(stem) stem##_32
#include "program.inc"
#undef E
#undef KERNELS
#undef NAME

#define E int64_t
#define KERNELS rnnhw_kernels64
#define NAME(stem) stem##_64
#include "program.inc"
#undef E
#undef KERNELS
#undef NAME

/* What the end of a step does: finish or cast_lookup, instruction `index`. */
static inline rnnhw_finish finish_of(const place *p, int64_t index)
{
    const rnnhw_scan *const scan = p->scan;
    const rnnhw_instruction *const i = &scan->instructions[index];
    const int keeps_words = i->operation == RNNHW_CAST_LOOKUP, as_pairs = (int)i->shift_b;
    rnnhw_finish f = {.to = i->cast < 0 ? NULL : &scan->word_casts[index],
                      .looks_up = i->high >= 0,
                      .address_mask = (int)i->high,
                      .lowest = (int)i->low,
                      .is_unsigned = (int)i->low,
                      .table = i->high >= 0 ? scan->data[i->data] : no_table};
    if (keeps_words) {
        f.words = at(p, i->dst);
        return f;
    }
    f.packed = as_pairs ? NULL : slot_or_null(p, i->dst);
    f.pairs = as_pairs ? slot_or_null(p, i->dst) : NULL;
    f.stored[0] = slot_or_null(p, i->b);
    f.stored[1] = slot_or_null(p, i->c);
    return f;
}

/* The factor that instruction `index` describes. */
static inline rnnhw_factor factor_of(const place *p, int64_t index)
{
    const rnnhw_scan *const scan = p->scan;
    const rnnhw_instruction *const i = &scan->instructions[index];
    rnnhw_factor f = {.kind = RNNHW_FACTOR_WORDS, .from = at(p, i->a)};
    if (i->operation == RNNHW_CAST_LOOKUP) {
        f.kind = RNNHW_FACTOR_GATE;
        f.also = slot_or_null(p, i->b);
        f.to = &scan->word_casts[index];
        f.table = scan->data[i->data];
        f.address_mask = (int)i->high;
        f.is_unsigned = (int)i->low;
        f.events = scan->events[i->events];
    } else if (i->low < 32) {
        f.kind = i->low == 8 ? RNNHW_FACTOR_STORED8 : RNNHW_FACTOR_STORED16;
    }
    return f;
}

/* The work of each part of a sum of products of gates is counted where it would stand alone. */
static void execute_gated_sum(const rnnhw_kernels *kernels, const place *p, int64_t index)
{
    const rnnhw_scan *const scan = p->scan;
    const rnnhw_instruction *const i = &scan->instructions[index];
    const int64_t first = i->start, last = first + 2 * i->low, units = p->units * p->active;
    const rnnhw_instruction *const end = &scan->instructions[last];
    rnnhw_gated g;
    g.products = i->low;
    g.shifts[0] = (int)i->shift_b;
    g.shifts[1] = g.shift_term = (int)i->shift_a;
    g.term = slot_or_null(p, i->a);
    for (int64_t k = first; k < last; k++) {
        g.factors[k - first] = factor_of(p, k);
        scan->units_done[k] += units;
    }
    g.in_words = end->operation == RNNHW_CAST_IN_WORDS;
    g.events = scan->events[end->events];
    if (g.in_words) {
        g.end = (rnnhw_finish){.to = &scan->word_casts[last], .table = no_table};
        g.dst = at(p, i->dst);
        g.stored = slot_or_null(p, i->b);
    } else {
        g.end = finish_of(p, last);
    }
    kernels->gated_sum(&g, p->chunks, scan->lanes, &p->mask);
    scan->units_done[last] += units;
    scan->units_done[index] += units;
}

/* Instructions in 32-bit words alone. */
static void execute_words(const rnnhw_kernels *kernels, place *p, int64_t index)
{
    const rnnhw_scan *scan = p->scan;
    const rnnhw_instruction *i = &scan->instructions[index];
    const void *const data = scan->data[i->data];
    int64_t *const events = scan->events[i->events];
    if (i->operation == RNNHW_CAST_IN_WORDS)
        kernels->cast_in_words(at(p, i->dst), at(p, i->a), &scan->word_casts[index], p->chunks,
                               &p->mask, events);
    else if (i->operation == RNNHW_LOOKUP_BYTES)
        kernels->lookup_bytes(at(p, i->dst), at(p, i->a), data, (int)i->high,
                              (int)i->low, p->chunks);
    else {
        const rnnhw_finish f = finish_of(p, index);
        const int sums = i->operation == RNNHW_CAST_LOOKUP && i->b;
        if (i->operation == RNNHW_FINISH_ROWS) {
            const rnnhw_short rows = short_rows(p, i->start);
            kernels->finish_rows(&f, &rows, p->chunks, scan->lanes, &p->mask, events);
            count_short_rows(p, i->start);
        } else {
            kernels->finish(&f, at(p, i->a), sums ? at(p, i->b) : NULL, p->chunks, scan->lanes,
                            &p->mask, events);
        }
    }
    scan->units_done[index] += p->units * p->active;
}

/* The casts that have kernels in words; 0: none of them. */
static int casts_in_words(const rnnhw_by_lane *of)
{
    if (of->rounding != RNNHW_ADD_HALF)
        return 0;
    return of->fit == RNNHW_SAT ? RNNHW_CASTS : of->fit == RNNHW_NEVER_CLIPS ? RNNHW_CASTS_PROVEN : 0;
}

/* Instructions in 32-bit words that look up or end a step, with constants by lane. */
static void finish_by_lane(const rnnhw_kernels *kernels, const place *p,
                           const rnnhw_instruction *i, const rnnhw_by_lane *of)
{
    rnnhw_scan *const scan = p->scan;
    int32_t sums[RNNHW_TILE], cast[RNNHW_TILE];
    const int32_t *words = at(p, i->a);
    const int keeps_words = i->operation != RNNHW_FINISH;
    const int as_pairs = !keeps_words && i->shift_b;
    const rnnhw_finish f = {.looks_up = i->high < 0 ? 0 : of->tables ? RNNHW_OWN_TABLES : 1,
                            .lowest = (int)i->low,
                            .is_unsigned = (int)i->low,
                            .table = i->high >= 0 ? scan->data[i->data] : no_table,
                            .words = keeps_words ? at(p, i->dst) : NULL,
                            .packed = keeps_words || as_pairs ? NULL : slot_or_null(p, i->dst),
                            .pairs = as_pairs ? slot_or_null(p, i->dst) : NULL,
                            .stored = {keeps_words ? NULL : slot_or_null(p, i->b),
                                       keeps_words ? NULL : slot_or_null(p, i->c)}};
    if (i->operation == RNNHW_CAST_LOOKUP && i->b) {
        kernels->narrow.add(sums, words, at(p, i->b), 0, 0, p->chunks);
        words = sums;
    }
    rnnhw_events *const events = scan->lane_events[i->events];
    const int casts = i->cast >= 0 ? casts_in_words(of) : 0;
    if (i->cast >= 0 && !casts) {
        kernels->narrow.cast_by_lane(cast, words, of->narrow, (int)of->rounding, (int)of->fit,
                                     p->chunks, &p->mask, events);
        words = cast;
    }
    kernels->finish_by_lane(&f, words, of->narrow, casts, p->chunks, &p->mask, events);
}

/* An instruction whose lanes have constants of their own. */
static void execute_by_lane(const rnnhw_kernels *kernels, place *p, int64_t index)
{
    rnnhw_scan *const scan = p->scan;
    const rnnhw_instruction *const i = &scan->instructions[index];
    const rnnhw_by_lane *const of = &scan->by_lane[i->by_lane];
    const rnnhw_kernels32 *const narrow = &kernels->narrow;
    const rnnhw_kernels64 *const wide = &kernels->wide;
    void *const dst = at(p, i->dst);
    const void *const a = at(p, i->a), *const b = at(p, i->b), *const c = at(p, i->c);
    rnnhw_events *const events = scan->lane_events[i->events];
    const int rounding = (int)of->rounding, fit = (int)of->fit;
    switch (i->operation) {
    case RNNHW_CAST:
    case RNNHW_CAST_IN_WORDS:
        if (casts_in_words(of))
            kernels->cast_in_words_by_lane(dst, a, of->narrow, casts_in_words(of), p->chunks,
                                           &p->mask, events);
        else if (i->bits == 32)
            narrow->cast_by_lane(dst, a, of->narrow, rounding, fit, p->chunks, &p->mask, events);
        else
            wide->cast_by_lane(dst, a, of->wide, rounding, fit, p->chunks, &p->mask, events);
        break;
    case RNNHW_LOOKUP:
        if (i->bits == 32)
            narrow->lookup_by_lane(dst, a, scan->data[i->data], of->narrow, p->chunks);
        else
            wide->lookup_by_lane(dst, a, scan->data[i->data], of->wide, p->chunks);
        break;
    case RNNHW_LOOKUP_BYTES:
    case RNNHW_CAST_LOOKUP:
    case RNNHW_FINISH:
        finish_by_lane(kernels, p, i, of);
        break;
#define CALL(number, name, parameters, arguments, element)                                        \
    case number:                                                                                  \
        if (i->bits == 32)                                                                        \
            narrow->name##_by_lane(dst, a, b, c, of->narrow, p->chunks);                          \
        else                                                                                      \
            wide->name##_by_lane(dst, a, b, c, of->wide, p->chunks);                              \
        break;
        RNNHW_ELEMENTWISE(CALL, )
#undef CALL
    }
    scan->units_done[index] += p->units * p->active;
}

/* An instruction in one lane block. */
static void execute(const rnnhw_kernels *kernels, place *p, int64_t index)
{
    const rnnhw_instruction *i = &p->scan->instructions[index];
    if (i->by_lane >= 0) {
        execute_by_lane(kernels, p, index);
        return;
    }
    switch (i->operation) {
    case RNNHW_CAST_IN_WORDS:
    case RNNHW_LOOKUP_BYTES:
    case RNNHW_CAST_LOOKUP:
    case RNNHW_FINISH:
    case RNNHW_FINISH_ROWS:
        execute_words(kernels, p, index);
        break;
    case RNNHW_GATED_SUM:
        execute_gated_sum(kernels, p, index);
        break;
    case RNNHW_ROWS_SHORT: {
        const rnnhw_short rows = short_rows(p, index);
        kernels->rows_short(at(p, i->dst), &rows, p->chunks, p->scan->lanes);
        count_short_rows(p, index);
        break;
    }
    default:
        if (i->bits == 32)
            execute_32(&kernels->narrow, p, index);
        else
            execute_64(&kernels->wide, p, index);
        break;
    }
}

static int takes_all_blocks(const rnnhw_instruction *i)
{
    return i->operation == RNNHW_ROWS_BYTES || i->operation == RNNHW_ROWS_TILES;
}

/* One or two products of bytes in all lane blocks: they read the weights once. */
static void execute_products(const rnnhw_kernels *kernels, group *g, int64_t index)
{
    place *const p = g->places;
    rnnhw_scan *const scan = p->scan;
    const rnnhw_instruction *const i = &scan->instructions[index];
    const rnnhw_bytes products[2] = {byte_product(p, i->rows, i->a), byte_product(p, i->data, i->c)};
    const int64_t count = i->c ? 2 : 1, row = p->tile * scan->tile_units;
    const rnnhw_blocks blocks = {.count = g->blocks,
                                 .dst = scan->slots[i->dst].block_bytes,
                                 .start = scan->slots[i->b].block_bytes};
    void *const dst = at(p, i->dst), *const start = slot_or_null(p, i->b);
    if (i->operation == RNNHW_ROWS_TILES)
        kernels->tiles->rows(dst, start, products, count, &blocks, row, p->units);
    else if (i->bits == 32)
        kernels->narrow.rows_bytes(dst, start, products, count, &blocks, row, p->units,
                                   scan->lanes);
    else
        kernels->wide.rows_bytes(dst, start, products, count, &blocks, row, p->units, scan->lanes);
    int64_t sequences = 0;
    for (int64_t b = 0; b < g->blocks; b++)
        sequences += g->places[b].active;
    count_products(p, index, sequences);
}

/* Run the instructions `first` to `end` - 1 of a tile. An instruction that reads weights takes all lane
 * blocks at once; those between take one block after the other, so that its words stay in the
 * first-level cache. */
static void run_tile(const rnnhw_kernels *kernels, group *g, int64_t first, int64_t end)
{
    const rnnhw_instruction *const instructions = g->places->scan->instructions;
    for (int64_t to = first; first < end; first = to) {
        if (takes_all_blocks(&instructions[first])) {
            execute_products(kernels, g, first);
            to = first + 1;
            continue;
        }
        for (int64_t b = 0; b < g->blocks; b++)
            for (to = first; to < end && !takes_all_blocks(&instructions[to]); to++)
                execute(kernels, &g->places[b], to);
    }
}

/* Stand in all lane blocks at tile `tile`, or at `tiles` of them at once. */
static void begin_tiles(group *g, int64_t tile, int64_t tiles, int64_t units)
{
    const rnnhw_scan *scan = g->places->scan;
    const int64_t left = units - tile * scan->tile_units, most = tiles * scan->tile_units;
    for (int64_t b = 0; b < g->blocks; b++) {
        place *const p = &g->places[b];
        p->tile = tile;
        p->units = left < most ? left : most;
        p->chunks = (p->units * scan->lanes + RNNHW_CHUNK - 1) / RNNHW_CHUNK;
        p->mask.alike = scan->lanes > 1 || p->units % RNNHW_CHUNK == 0;
        if (scan->lanes == 1 && p->masked != p->units) {
            for (int64_t i = 0; i < RNNHW_CHUNK; i++)
                p->mask.last[i] = (p->chunks - 1) * RNNHW_CHUNK + i < p->units;
            p->masked = p->units;
        }
    }
}

enum { TILES_AHEAD = 4 };

/* No tile needs another. Every second step of one sequence alone goes through them `backwards`: it
 * begins with the weights that the step before read last, which still lie in the second-level cache
 * where it is too small for all (170 us a step instead of 235 for 4.2 MB and a cache of 2 MB). Where
 * 16 sequences or more multiply what is read, reading does not count. */
static void run_phase(const rnnhw_kernels *kernels, group *g, const rnnhw_phase *phase,
                      int backwards)
{
    const rnnhw_scan *scan = g->places->scan;
    const int64_t ahead = phase->first + phase->whole, each = ahead + phase->ahead;
    for (int64_t b = 0; b < g->blocks; b++)
        for (int64_t i = phase->first; i < ahead; i++) {
            place *const p = &g->places[b];
            p->tile = 0;
            p->units = scan->instructions[i].units;
            execute(kernels, p, i);
        }
    const int64_t tiles = (phase->units + scan->tile_units - 1) / scan->tile_units;
    if (phase->ahead > 0)
        for (int64_t tile = 0; tile < tiles; tile++) {
            if (tile % TILES_AHEAD == 0) {
                begin_tiles(g, tile, TILES_AHEAD, phase->units);
                for (int64_t i = ahead; i < each; i++)
                    execute_products(kernels, g, i);
            }
            begin_tiles(g, tile, 1, phase->units);
            run_tile(kernels, g, each, each + phase->tile);
        }
    else if (phase->tile == 1 && scan->instructions[each].operation == RNNHW_FINISH_ROWS) {
        begin_tiles(g, 0, tiles, phase->units);
        run_tile(kernels, g, each, each + 1);
    } else if (phase->tile > 0)
        for (int64_t i = 0; i < tiles; i++) {
            begin_tiles(g, backwards ? tiles - 1 - i : i, 1, phase->units);
            run_tile(kernels, g, each, each + phase->tile);
        }
}

/* Element i of a stored vector. */
static int64_t stored(const void *vector, int64_t bits, int64_t i)
{
    return bits == 8    ? ((const int8_t *)vector)[i]
           : bits == 16 ? ((const int16_t *)vector)[i]
           : bits == 32 ? ((const int32_t *)vector)[i]
                        : ((const int64_t *)vector)[i];
}

static void set_stored(void *vector, int64_t bits, int64_t i, int64_t value)
{
    if (bits == 8)
        ((int8_t *)vector)[i] = (int8_t)value;
    else if (bits == 16)
        ((int16_t *)vector)[i] = (int16_t)value;
    else if (bits == 32)
        ((int32_t *)vector)[i] = (int32_t)value;
    else
        ((int64_t *)vector)[i] = value;
}

static void begin_state(const place *p, const rnnhw_state *state)
{
    void *const before = p->current[state->before];
    const int64_t elements = state->units * p->scan->lanes;
    const int64_t *const initial = state->initial + p->block * elements;
#define BEGIN(T)                                                                                  \
    for (int64_t i = 0; i < elements; i++)                                                        \
    ((T *)before)[i] = (T)initial[i]
    WITH_TYPE(BEGIN, state->bits)
#undef BEGIN
}

/* A sequence's final state is the one after its last step; later steps only fill the block. */
static void end_state(const place *p, const rnnhw_state *state, const int64_t *lengths,
                      int64_t step)
{
    const rnnhw_scan *const scan = p->scan;
    const void *const after = p->current[state->after];
    const int64_t elements = state->units * scan->lanes;
    int64_t *const final = state->final + p->block * elements;
    int64_t ending = 0;
    for (int64_t lane = 0; lane < scan->lanes; lane++)
        ending += lengths[lane] == step + 1;
    if (ending == scan->lanes) {
#define END(T)                                                                                    \
    for (int64_t i = 0; i < elements; i++)                                                        \
    final[i] = ((const T *)after)[i]
        WITH_TYPE(END, state->bits)
#undef END
        return;
    }
    for (int64_t lane = 0; lane < scan->lanes && ending > 0; lane++)
        if (lengths[lane] == step + 1)
            for (int64_t i = lane; i < elements; i += scan->lanes)
                final[i] = stored(after, state->bits, i);
}

static void find_slot(const place *p, int64_t slot)
{
    const rnnhw_slot *const s = &p->scan->slots[slot];
    p->current[slot] = s->base + p->block * s->block_bytes;
}

/* The places of so many lane blocks, where no lane counts. */
static group places_of(rnnhw_scan *scan, int64_t blocks)
{
    group g;
    memset(g.places, 0, (size_t)blocks * sizeof *g.places);
    g.blocks = blocks;
    for (int64_t b = 0; b < blocks; b++) {
        place *const p = &g.places[b];
        p->scan = scan;
        p->block = b;
        p->current = scan->current + b * scan->slot_count;
    }
    return g;
}

/* And before the first step. */
static group first_places(rnnhw_scan *scan, int64_t blocks)
{
    const group g = places_of(scan, blocks);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t s = 0; s < scan->slot_count; s++)
            find_slot(&g.places[b], s);
    return g;
}

static void begin_step(place *p, const int64_t *lengths, int64_t step)
{
    const int64_t lanes = p->scan->lanes;
    if (step < p->changes)
        return;
    p->changes = INT64_MAX;
    p->active = 0;
    for (int64_t lane = 0; lane < RNNHW_CHUNK; lane++) {
        const int real = lanes == 1 || step < lengths[lane];
        p->mask.all[lane] = p->mask.last[lane] = real;
        p->active += lane < lanes && real;
        if (lanes > 1 && real && lengths[lane] < p->changes)
            p->changes = lengths[lane];
    }
}

/* The values after the step are those before the next, and sequences move on. */
static void end_step(const place *p)
{
    const rnnhw_scan *const scan = p->scan;
    for (int64_t i = 0; i < scan->swap_count; i++) {
        char **const a = &p->current[scan->swaps[2 * i]];
        char **const b = &p->current[scan->swaps[2 * i + 1]];
        char *const kept = *a;
        *a = *b;
        *b = kept;
    }
    for (int64_t i = 0; i < scan->moving_count; i++)
        p->current[scan->moving[i]] += scan->slots[scan->moving[i]].step_bytes;
}

/* Before the first step of all. */
static void begin_scan(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t blocks)
{
    prepare_casts(scan);
    group g = first_places(scan, blocks);
    for (int64_t b = 0; b < blocks; b++)
        for (int64_t s = 0; s < scan->state_count; s++)
            begin_state(&g.places[b], &scan->states[s]);
    for (int64_t i = 0; i < scan->prologue; i++)
        run_phase(kernels, &g, &scan->phases[i], 0);
}

/* Pack the inputs of `steps` steps, of which a lane block stands at the first. */
static void pack_inputs(const rnnhw_kernels *kernels, const place *p, int64_t steps)
{
    const rnnhw_scan *const scan = p->scan;
    for (int64_t i = 0; i < scan->packed_input_count; i++) {
        const rnnhw_packed_input *const each = &scan->packed_inputs[i];
        const int64_t to = scan->slots[each->to].step_bytes;
        const int64_t from = scan->slots[each->from].step_bytes;
        for (int64_t t = 0; t < steps; t++)
            kernels->narrow.pack_stored((uint8_t *)p->current[each->to] + t * to,
                                        (const int8_t *)p->current[each->from] + t * from,
                                        each->lowest, each->units, scan->lanes);
    }
}

/* The lane blocks of a scan at the steps `first` to `end` - 1; `lengths` points to those of every
 * block. */
static void run_scan(const rnnhw_kernels *kernels, rnnhw_scan *scan, const int64_t *const *lengths,
                     int64_t blocks, int64_t first, int64_t end)
{
    int64_t steps[RNNHW_BLOCKS];
    group g = places_of(scan, blocks);
    for (int64_t b = 0; b < blocks; b++) {
        steps[b] = longest(lengths[b], scan->lanes);
        for (int64_t i = 0; i < scan->moving_count; i++) /* the chunk before lay where this does */
            find_slot(&g.places[b], scan->moving[i]);
        pack_inputs(kernels, &g.places[b], (steps[b] < end ? steps[b] : end) - first);
    }
    for (int64_t t = first; t < end; t++) {
        while (g.blocks > 0 && steps[g.blocks - 1] <= t)
            g.blocks--;
        if (g.blocks == 0)
            break;
        for (int64_t b = 0; b < g.blocks; b++)
            begin_step(&g.places[b], lengths[b], t);
        for (int64_t i = scan->prologue; i < scan->phase_count; i++)
            run_phase(kernels, &g, &scan->phases[i], scan->lanes == 1 && t % 2);
        for (int64_t b = 0; b < g.blocks; b++) {
            for (int64_t s = 0; s < scan->state_count; s++)
                end_state(&g.places[b], &scan->states[s], lengths[b], t);
            end_step(&g.places[b]);
        }
    }
}

enum { EVERY_LANE = (1 << RNNHW_LANES) - 1 };

static void find_symbol(rnnhw_scan *scan, int64_t symbol)
{
    for (int64_t i = 0; i < scan->symbol_slot_count; i++) {
        const rnnhw_slot *slot = &scan->slots[scan->symbol_slots[i]];
        scan->current[scan->symbol_slots[i]] = slot->base + symbol * slot->step_bytes;
    }
}

void rnnhw_prepare_symbol(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol)
{
    prepare_casts(scan);
    group g = first_places(scan, 1);
    find_symbol(scan, symbol);
    for (int64_t i = 0; i < scan->symbol_phases; i++)
        run_phase(kernels, &g, &scan->phases[scan->prologue + i], 0);
}

void rnnhw_prepare_step(const rnnhw_kernels *kernels, rnnhw_scan *scan)
{
    group g = first_places(scan, 1);
    for (int64_t i = 0; i < scan->prologue; i++)
        run_phase(kernels, &g, &scan->phases[i], 0);
}

void rnnhw_take_step(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol, uint32_t real)
{
    group g;
    place *const p = g.places;
    memset(p, 0, sizeof *p);
    g.blocks = 1;
    p->scan = scan;
    p->current = scan->current;
    find_symbol(scan, symbol);
    for (int64_t lane = 0; lane < RNNHW_CHUNK; lane++)
        p->mask.all[lane] = p->mask.last[lane] = 1;
    p->active = scan->lanes;
    for (int64_t lane = 0; lane < RNNHW_LANES && scan->lanes > 1 && real != EVERY_LANE; lane++)
        if (!(real >> lane & 1)) {
            p->mask.all[lane] = p->mask.last[lane] = 0;
            p->active--;
        }
    for (int64_t i = scan->prologue + scan->symbol_phases; i < scan->phase_count; i++)
        run_phase(kernels, &g, &scan->phases[i], 0);
}

/* Where a step's vector lies. */
static char *vector_at(const rnnhw_sequence *s, int64_t lanes, int64_t step)
{
    return (char *)s->data + (step - s->first) * s->units * lanes * s->bits / 8;
}

static int64_t element(const rnnhw_sequence *s, int64_t lanes, int64_t step, int64_t unit,
                       int64_t lane)
{
    return stored(vector_at(s, lanes, step), s->bits, unit * lanes + lane);
}

static void set_element(rnnhw_sequence *s, int64_t lanes, int64_t step, int64_t unit, int64_t lane,
                        int64_t value)
{
    set_stored(vector_at(s, lanes, step), s->bits, unit * lanes + lane, value);
}

static int64_t at_least_zero(int64_t steps)
{
    return steps > 0 ? steps : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The steps of a sequence that lie in its data: none past its end. */
static int64_t end_in(const rnnhw_sequence *s, int64_t lane)
{
    return earlier(s->end, s->lengths[lane]);
}

static void have_steps(rnnhw_sequence *s, int64_t first, int64_t end)
{
    s->first = first;
    s->end = end;
}

/* One step, the result of all steps before: there when the last of them was. */
static void have_result(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes, int last)
{
    have_steps(dst, 0, last);
    for (int64_t lane = 0; lane < lanes; lane++)
        dst->lengths[lane] = source->lengths[lane] > 0;
}

/* Needs whole sequences in one chunk. */
static void reverse_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes)
{
    have_steps(dst, source->first, source->end);
    for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t steps = dst->lengths[lane] = source->lengths[lane];
        for (int64_t t = 0; t < steps; t++)
            for (int64_t u = 0; u < dst->units; u++)
                set_element(dst, lanes, t, u, lane,
                            element(source, lanes, steps - 1 - t, u, lane));
    }
}

/* A window's steps begin in the chunk or in those that the source keeps of before. */
static void join_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes,
                       int64_t width)
{
    const size_t vector = (size_t)(source->units * lanes * source->bits / 8);
    have_steps(dst, at_least_zero(source->first - width + 1),
               at_least_zero(source->end - width + 1));
    for (int64_t lane = 0; lane < lanes; lane++)
        dst->lengths[lane] = at_least_zero(source->lengths[lane] - width + 1);
    const int64_t end = earlier(dst->end, longest(dst->lengths, lanes));
    for (int64_t t = dst->first; t < end; t++)
        memcpy(vector_at(dst, lanes, t), vector_at(source, lanes, t), (size_t)width * vector);
}

static void last_step(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes, int last)
{
    have_result(dst, source, lanes, last);
    for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t step = source->lengths[lane] - 1;
        for (int64_t u = 0; u < dst->units && source->first <= step && step < source->end; u++)
            set_element(dst, lanes, 0, u, lane, element(source, lanes, step, u, lane));
    }
}

static int64_t total_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes,
                           int last)
{
    int64_t adds = 0;
    have_result(dst, source, lanes, last);
    for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t end = end_in(source, lane);
        for (int64_t u = 0; u < dst->units; u++) {
            uint64_t sum = source->first == 0 ? 0 : (uint64_t)element(dst, lanes, 0, u, lane);
            for (int64_t t = source->first; t < end; t++, adds++)
                sum += (uint64_t)element(source, lanes, t, u, lane);
            set_element(dst, lanes, 0, u, lane, (int64_t)sum);
        }
    }
    return adds;
}

static void count_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes, int last)
{
    have_result(dst, source, lanes, last);
    for (int64_t lane = 0; lane < lanes; lane++)
        set_element(dst, lanes, 0, 0, lane, source->lengths[lane]);
}

/* Run a node that is no scan for one lane block; the chunk may be the last. */
static void run_node(const rnnhw_time_node *node, rnnhw_sequence *sequences, int64_t lanes,
                     int64_t *total_adds, int last)
{
    const rnnhw_sequence *source = &sequences[node->source];
    rnnhw_sequence *dst = &sequences[node->dst];
    switch (node->operation) {
    case RNNHW_REVERSE:
        reverse_steps(dst, source, lanes);
        break;
    case RNNHW_WINDOW:
        join_steps(dst, source, lanes, node->width);
        break;
    case RNNHW_LAST:
        last_step(dst, source, lanes, last);
        break;
    case RNNHW_TOTAL:
        *total_adds += total_steps(dst, source, lanes, last);
        break;
    default:
        count_steps(dst, source, lanes, last);
        break;
    }
}

/* A scan in all lane blocks: its steps are those of its sources. */
static void run_layer(const rnnhw_kernels *kernels, const rnnhw_run *run,
                      const rnnhw_time_node *node)
{
    const int64_t *lengths[RNNHW_BLOCKS];
    const rnnhw_sequence *const source = &run->sequences[node->source];
    for (int64_t b = 0; b < run->blocks; b++) {
        rnnhw_sequence *const of_block = run->sequences + b * (run->count + 1);
        rnnhw_sequence *const dst = &of_block[node->dst];
        have_steps(dst, source->first, source->end);
        memcpy(dst->lengths, of_block[node->source].lengths, sizeof dst->lengths);
        lengths[b] = dst->lengths;
    }
    if (source->end > source->first)
        run_scan(kernels, node->scan, lengths, run->blocks, source->first, source->end);
}

/* 16 numbers of 16 lanes at a time, as bytes, from number `first` of every lane on. What lies behind
 * the end of a sequence is read too, and has no effect. */
static void load_bytes(const rnnhw_kernels *kernels, int8_t *dst, const int64_t *const *rows,
                       int64_t first)
{
    int32_t every_row[RNNHW_LANES];
    int8_t bytes[RNNHW_LANES][RNNHW_LANES];
    void *to[RNNHW_LANES];
    for (int lane = 0; lane < RNNHW_LANES; lane++) {
        for (int i = 0; i < RNNHW_LANES; i++)
            bytes[lane][i] = (int8_t)rows[lane][first + i];
        to[lane] = dst + lane * RNNHW_LANES;
        every_row[lane] = 1;
    }
    kernels->part(to, every_row, bytes, 8, RNNHW_LANES);
}

/* Fill a block's inputs from one array a lane. */
static void load(const rnnhw_kernels *kernels, const rnnhw_sequence *s, int64_t lanes,
                 const int64_t *const *rows)
{
    int64_t i = s->first * s->units;
    const int64_t first = i, end = earlier(s->end, longest(s->lengths, lanes)) * s->units;
    if (lanes == RNNHW_LANES && s->bits == 8)
        for (; i + RNNHW_LANES <= end; i += RNNHW_LANES)
            load_bytes(kernels, (int8_t *)s->data + (i - first) * RNNHW_LANES, rows, i);
#define LOAD(T)                                                                                   \
    for (; i < end; i++)                                                                          \
        for (int64_t lane = 0; lane < lanes; lane++)                                              \
    ((T *)s->data)[(i - first) * lanes + lane] = (T)rows[lane][i]
    WITH_TYPE(LOAD, s->bits)
#undef LOAD
}

#undef WITH_TYPE

/* Write what a block's sequences have at the steps of the chunk. */
static void store(const rnnhw_kernels *kernels, const rnnhw_result *r, const rnnhw_sequence *s,
                  int64_t block, int64_t lanes)
{
    const int64_t end = earlier(s->end, longest(s->lengths, lanes)), vector = r->units * r->bits / 8;
    const char *data = r->data + block * r->block_bytes;
    void *const *const rows = r->rows[block];
    if (lanes == 1) {
        if (end > s->first)
            memcpy((char *)rows[0] + s->first * vector, data, (size_t)((end - s->first) * vector));
        return;
    }
    for (int64_t t = s->first; t < end; t++, data += vector * lanes) {
        void *step[RNNHW_LANES];
        int32_t real[RNNHW_LANES];
        for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
            real[lane] = t < s->lengths[lane];
            step[lane] = (char *)rows[lane] + t * vector;
        }
        kernels->part(step, real, data, r->bits, r->units);
    }
}

/* Keep the last steps of a chunk for the windows of the next. */
static void keep_steps(const rnnhw_sequence *s, int64_t lanes)
{
    const int64_t vector = s->units * lanes * s->bits / 8;
    char *const kept = (char *)s->data - s->kept * vector;
    if (s->kept > 0)
        memmove(kept, kept + (s->end - s->first) * vector, (size_t)(s->kept * vector));
}

/* The steps `first` to `end` - 1 of the inputs, and all that follows of them. */
static void run_chunk(const rnnhw_kernels *kernels, const rnnhw_run *run, int64_t first, int64_t end,
                      int last)
{
    const int64_t each = run->count + 1;
    for (int64_t b = 0; b < run->blocks; b++) {
        have_steps(&run->sequences[b * each], first, end);
        load(kernels, &run->sequences[b * each], run->lanes, run->inputs[b]);
    }
    for (int64_t i = 0; i < run->count; i++) {
        const rnnhw_time_node *const node = &run->nodes[i];
        if (node->operation == RNNHW_SCAN)
            run_layer(kernels, run, node);
        else
            for (int64_t b = 0; b < run->blocks; b++)
                run_node(node, run->sequences + b * each, run->lanes, &run->total_adds[i], last);
    }
    for (int64_t b = 0; b < run->blocks; b++) {
        for (int64_t i = 0; i < run->result_count; i++)
            store(kernels, &run->results[i], &run->sequences[b * each + run->results[i].node], b,
                  run->lanes);
        for (int64_t i = 0; i < each && !last; i++)
            keep_steps(&run->sequences[b * each + i], run->lanes);
    }
}

void rnnhw_run_blocks(const rnnhw_kernels *kernels, const rnnhw_run *run)
{
    int64_t steps = 0;
    for (int64_t b = 0; b < run->blocks; b++) {
        const int64_t most = longest(run->sequences[b * (run->count + 1)].lengths, run->lanes);
        steps = most > steps ? most : steps;
    }
    if (kernels->tiles)
        kernels->tiles->enter();
    for (int64_t i = 0; i < run->count; i++)
        if (run->nodes[i].operation == RNNHW_SCAN)
            begin_scan(kernels, run->nodes[i].scan, run->blocks);
    for (int64_t first = 0; first < steps; first += run->room) {
        const int64_t end = earlier(first + run->room, steps);
        run_chunk(kernels, run, first, end, end == steps);
    }
    if (kernels->tiles)
        kernels->tiles->leave();
}
