/* The interpreter of programs: phases, tiles and time. See program.h. */
#include "program.h"

#include <assert.h>
#include <string.h>

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

/* Where a phase stands: the instruction's operands are found from it. */
typedef struct {
    rnnhw_scan *scan;
    int64_t tile;
    int64_t units; /* of this tile */
    int64_t chunks;
    rnnhw_mask mask;
    int64_t active; /* sequences that have this step */
} place;

static inline void *at(const place *p, int64_t slot)
{
    return p->scan->current[slot] + p->tile * p->scan->slots[slot].tile_bytes;
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

/* The one or two products of bytes of an instruction; how many. */
static int64_t byte_products(const place *p, const rnnhw_instruction *i, rnnhw_bytes *products)
{
    const rnnhw_scan *const scan = p->scan;
    products[0].rows = &scan->matrices[i->rows];
    products[0].vector = (const uint8_t *)scan->current[i->a];
    if (i->c == 0)
        return 1;
    products[1].rows = &scan->matrices[i->data];
    products[1].vector = (const uint8_t *)scan->current[i->c];
    return 2;
}

/* The terms of this tile's rows of a matrix. */
static int64_t terms_of_rows(const place *p, int64_t matrix)
{
    const int64_t *const before =
        p->scan->matrices[matrix].terms_before + p->tile * p->scan->tile_units;
    return before[p->units] - before[0];
}

/* The terms of the first product of bytes; those of the second count where it would stand alone. */
static int64_t terms_of(const place *p, const rnnhw_instruction *i)
{
    if (i->c) {
        p->scan->units_done[i->start] += p->units * p->active;
        p->scan->terms_done[i->start] += terms_of_rows(p, i->data) * p->active;
    }
    return terms_of_rows(p, i->rows);
}

/* Copy runs of units: which slot, from which unit on, how many. */
static void gather(const place *p, char *dst, const int64_t *runs, int64_t bits)
{
    const int64_t vector = p->scan->lanes * bits / 8;
    for (int64_t unit = 0; unit < p->units; unit += runs[2], runs += 3)
        memcpy(dst + unit * vector, p->scan->current[runs[0]] + runs[1] * vector,
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

/* Instructions in 32-bit words alone. */
static void execute_words(const rnnhw_kernels *kernels, place *p, int64_t index)
{
    const rnnhw_scan *scan = p->scan;
    const rnnhw_instruction *i = &scan->instructions[index];
    const void *const data = scan->data[i->data];
    int64_t *const events = scan->events[i->events];
    int64_t terms = 0;
    if (i->operation == RNNHW_CAST_IN_WORDS)
        kernels->cast_in_words(at(p, i->dst), at(p, i->a), &scan->casts[i->cast], (int)i->low,
                               p->chunks, &p->mask, events);
    else if (i->operation == RNNHW_LOOKUP_BYTES)
        kernels->lookup_bytes(at(p, i->dst), at(p, i->a), data, (int)i->high,
                              (int)i->low, p->chunks);
    else if (i->operation == RNNHW_ROWS_TILES) {
        assert(kernels->tiles); /* no plan for other instruction sets holds this operation */
        rnnhw_bytes products[2];
        const int64_t count = byte_products(p, i, products);
        kernels->tiles->rows(at(p, i->dst), slot_or_null(p, i->b), products, count,
                             p->tile * scan->tile_units, p->units);
        terms = terms_of(p, i);
    } else {
        const rnnhw_finish f = {.to = cast_or_null(p, i->cast),
                                .proven = (int)i->shift_a,
                                .looks_up = i->high >= 0,
                                .address_mask = (int)i->high,
                                .lowest = (int)i->low,
                                .table = i->high >= 0 ? data : no_table,
                                .packed = slot_or_null(p, i->dst),
                                .stored = {slot_or_null(p, i->b), slot_or_null(p, i->c)}};
        kernels->finish(&f, at(p, i->a), p->chunks, scan->lanes, &p->mask, events);
    }
    scan->units_done[index] += p->units * p->active;
    scan->terms_done[index] += terms * p->active;
}

static void execute(const rnnhw_kernels *kernels, place *p, int64_t index)
{
    const rnnhw_instruction *i = &p->scan->instructions[index];
    switch (i->operation) {
    case RNNHW_CAST_IN_WORDS:
    case RNNHW_LOOKUP_BYTES:
    case RNNHW_FINISH:
    case RNNHW_ROWS_TILES:
        execute_words(kernels, p, index);
        break;
    default:
        if (i->bits == 32)
            execute_32(&kernels->narrow, p, index);
        else
            execute_64(&kernels->wide, p, index);
        break;
    }
}

static void run_phase(const rnnhw_kernels *kernels, place *p, const rnnhw_phase *phase)
{
    const rnnhw_scan *scan = p->scan;
    const int64_t tiles = phase->first + phase->whole;
    p->tile = 0;
    for (int64_t i = phase->first; i < tiles; i++) {
        p->units = scan->instructions[i].units;
        execute(kernels, p, i);
    }
    if (phase->tile == 0)
        return;
    for (int64_t unit = 0; unit < phase->units; unit += scan->tile_units, p->tile++) {
        const int64_t left = phase->units - unit;
        p->units = left < scan->tile_units ? left : scan->tile_units;
        p->chunks = (p->units * scan->lanes + RNNHW_CHUNK - 1) / RNNHW_CHUNK;
        p->mask.alike = scan->lanes > 1 || p->units % RNNHW_CHUNK == 0;
        if (scan->lanes == 1)
            for (int64_t i = 0; i < RNNHW_CHUNK; i++)
                p->mask.last[i] = (p->chunks - 1) * RNNHW_CHUNK + i < p->units;
        for (int64_t i = tiles; i < tiles + phase->tile; i++)
            execute(kernels, p, i);
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

static void begin_state(rnnhw_scan *scan, const rnnhw_state *state)
{
    void *const before = scan->current[state->before];
    const int64_t elements = state->units * scan->lanes;
#define BEGIN(T)                                                                                  \
    for (int64_t i = 0; i < elements; i++)                                                        \
    ((T *)before)[i] = (T)state->initial[i]
    WITH_TYPE(BEGIN, state->bits)
#undef BEGIN
}

/* A sequence's final state is the one after its last step; later steps only fill the block. */
static void end_state(const rnnhw_scan *scan, const rnnhw_state *state, const int64_t *lengths,
                      int64_t step)
{
    const void *const after = scan->current[state->after];
    const int64_t elements = state->units * scan->lanes;
    int64_t ending = 0;
    for (int64_t lane = 0; lane < scan->lanes; lane++)
        ending += lengths[lane] == step + 1;
    if (ending == scan->lanes) {
#define END(T)                                                                                    \
    for (int64_t i = 0; i < elements; i++)                                                        \
    state->final[i] = ((const T *)after)[i]
        WITH_TYPE(END, state->bits)
#undef END
        return;
    }
    for (int64_t lane = 0; lane < scan->lanes && ending > 0; lane++)
        if (lengths[lane] == step + 1)
            for (int64_t i = lane; i < elements; i += scan->lanes)
                state->final[i] = stored(after, state->bits, i);
}

static void run_scan(const rnnhw_kernels *kernels, rnnhw_scan *scan, const int64_t *lengths)
{
    const int64_t steps = longest(lengths, scan->lanes);
    place p;
    memset(&p, 0, sizeof p);
    p.scan = scan;
    for (int64_t s = 0; s < scan->slot_count; s++)
        scan->current[s] = scan->slots[s].base;
    if (kernels->tiles)
        kernels->tiles->enter();
    for (int64_t s = 0; s < scan->state_count; s++)
        begin_state(scan, &scan->states[s]);
    for (int64_t i = 0; i < scan->prologue; i++)
        run_phase(kernels, &p, &scan->phases[i]);
    for (int64_t t = 0; t < steps; t++) {
        p.active = 0;
        for (int64_t lane = 0; lane < RNNHW_CHUNK; lane++) {
            const int real = scan->lanes == 1 || t < lengths[lane];
            p.mask.all[lane] = p.mask.last[lane] = real;
            p.active += lane < scan->lanes && real;
        }
        for (int64_t i = scan->prologue; i < scan->phase_count; i++)
            run_phase(kernels, &p, &scan->phases[i]);
        for (int64_t s = 0; s < scan->state_count; s++)
            end_state(scan, &scan->states[s], lengths, t);
        for (int64_t i = 0; i < scan->swap_count; i++) {
            char **a = &scan->current[scan->swaps[2 * i]], **b = &scan->current[scan->swaps[2 * i + 1]];
            char *kept = *a;
            *a = *b;
            *b = kept;
        }
        for (int64_t s = 0; s < scan->slot_count; s++)
            scan->current[s] += scan->slots[s].step_bytes;
    }
    if (kernels->tiles)
        kernels->tiles->leave();
}

enum { EVERY_LANE = (1 << RNNHW_LANES) - 1 };

/* A place at the first step, where no lane counts. */
static place first_place(rnnhw_scan *scan)
{
    place p;
    memset(&p, 0, sizeof p);
    p.scan = scan;
    for (int64_t s = 0; s < scan->slot_count; s++)
        scan->current[s] = scan->slots[s].base;
    return p;
}

static void find_symbol(rnnhw_scan *scan, int64_t symbol)
{
    for (int64_t i = 0; i < scan->symbol_slot_count; i++) {
        const rnnhw_slot *slot = &scan->slots[scan->symbol_slots[i]];
        scan->current[scan->symbol_slots[i]] = slot->base + symbol * slot->step_bytes;
    }
}

void rnnhw_prepare_symbol(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol)
{
    place p = first_place(scan);
    find_symbol(scan, symbol);
    for (int64_t i = 0; i < scan->symbol_phases; i++)
        run_phase(kernels, &p, &scan->phases[scan->prologue + i]);
}

void rnnhw_prepare_step(const rnnhw_kernels *kernels, rnnhw_scan *scan)
{
    place p = first_place(scan);
    for (int64_t i = 0; i < scan->prologue; i++)
        run_phase(kernels, &p, &scan->phases[i]);
}

void rnnhw_take_step(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol, uint32_t real)
{
    place p;
    memset(&p, 0, sizeof p);
    p.scan = scan;
    find_symbol(scan, symbol);
    for (int64_t lane = 0; lane < RNNHW_CHUNK; lane++)
        p.mask.all[lane] = p.mask.last[lane] = 1;
    p.active = scan->lanes;
    for (int64_t lane = 0; lane < RNNHW_LANES && scan->lanes > 1 && real != EVERY_LANE; lane++)
        if (!(real >> lane & 1)) {
            p.mask.all[lane] = p.mask.last[lane] = 0;
            p.active--;
        }
    for (int64_t i = scan->prologue + scan->symbol_phases; i < scan->phase_count; i++)
        run_phase(kernels, &p, &scan->phases[i]);
}

static int64_t element(const rnnhw_sequence *s, int64_t lanes, int64_t step, int64_t unit,
                       int64_t lane)
{
    return stored(s->data, s->bits, (step * s->units + unit) * lanes + lane);
}

static void set_element(rnnhw_sequence *s, int64_t lanes, int64_t step, int64_t unit, int64_t lane,
                        int64_t value)
{
    set_stored(s->data, s->bits, (step * s->units + unit) * lanes + lane, value);
}

static void reverse_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes)
{
    for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t steps = dst->lengths[lane] = source->lengths[lane];
        for (int64_t t = 0; t < steps; t++)
            for (int64_t u = 0; u < dst->units; u++)
                set_element(dst, lanes, t, u, lane,
                            element(source, lanes, steps - 1 - t, u, lane));
    }
}

static void join_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes,
                       int64_t width)
{
    const size_t vector = (size_t)(source->units * lanes * source->bits / 8);
    for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t steps = source->lengths[lane] - width + 1;
        dst->lengths[lane] = steps > 0 ? steps : 0;
    }
    const int64_t steps = longest(dst->lengths, lanes);
    for (int64_t t = 0; t < steps; t++)
        memcpy((char *)dst->data + (size_t)(t * width) * vector,
               (const char *)source->data + (size_t)t * vector, (size_t)width * vector);
}

static void last_step(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes)
{
    for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t steps = source->lengths[lane];
        dst->lengths[lane] = steps > 0;
        for (int64_t u = 0; u < dst->units && steps > 0; u++)
            set_element(dst, lanes, 0, u, lane, element(source, lanes, steps - 1, u, lane));
    }
}

static int64_t total_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes)
{
    int64_t adds = 0;
    for (int64_t lane = 0; lane < lanes; lane++) {
        dst->lengths[lane] = source->lengths[lane] > 0;
        for (int64_t u = 0; u < dst->units; u++) {
            uint64_t sum = 0;
            for (int64_t t = 0; t < source->lengths[lane]; t++, adds++)
                sum += (uint64_t)element(source, lanes, t, u, lane);
            set_element(dst, lanes, 0, u, lane, (int64_t)sum);
        }
    }
    return adds;
}

static void count_steps(rnnhw_sequence *dst, const rnnhw_sequence *source, int64_t lanes)
{
    for (int64_t lane = 0; lane < lanes; lane++) {
        dst->lengths[lane] = source->lengths[lane] > 0;
        set_element(dst, lanes, 0, 0, lane, source->lengths[lane]);
    }
}

void rnnhw_run_block(const rnnhw_kernels *kernels, const rnnhw_time_node *nodes, int64_t count,
                     rnnhw_sequence *sequences, int64_t lanes, int64_t *total_adds)
{
    for (int64_t i = 0; i < count; i++) {
        const rnnhw_time_node *node = &nodes[i];
        const rnnhw_sequence *source = &sequences[node->source];
        rnnhw_sequence *dst = &sequences[node->dst];
        switch (node->operation) {
        case RNNHW_SCAN:
            memcpy(dst->lengths, source->lengths, sizeof dst->lengths);
            run_scan(kernels, node->scan, dst->lengths);
            break;
        case RNNHW_REVERSE:
            reverse_steps(dst, source, lanes);
            break;
        case RNNHW_WINDOW:
            join_steps(dst, source, lanes, node->width);
            break;
        case RNNHW_LAST:
            last_step(dst, source, lanes);
            break;
        case RNNHW_TOTAL:
            total_adds[i] += total_steps(dst, source, lanes);
            break;
        default:
            count_steps(dst, source, lanes);
            break;
        }
    }
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
        to[lane] = dst + (first + lane) * RNNHW_LANES;
        every_row[lane] = 1;
    }
    kernels->part(to, every_row, bytes, 8, RNNHW_LANES);
}

void rnnhw_load(const rnnhw_kernels *kernels, const rnnhw_sequence *s, int64_t lanes,
                const int64_t *const *rows)
{
    const int64_t numbers = longest(s->lengths, lanes) * s->units;
    int64_t first = 0;
    if (lanes == RNNHW_LANES && s->bits == 8)
        for (; first + RNNHW_LANES <= numbers; first += RNNHW_LANES)
            load_bytes(kernels, s->data, rows, first);
#define LOAD(T)                                                                                   \
    for (int64_t i = first; i < numbers; i++)                                                     \
        for (int64_t lane = 0; lane < lanes; lane++)                                              \
    ((T *)s->data)[i * lanes + lane] = (T)rows[lane][i]
    WITH_TYPE(LOAD, s->bits)
#undef LOAD
}

#undef WITH_TYPE

void rnnhw_store(const rnnhw_kernels *kernels, const rnnhw_sequence *s, int64_t lanes,
                 void *const *rows)
{
    const int64_t steps = longest(s->lengths, lanes), vector = s->units * s->bits / 8;
    if (lanes == 1) {
        memcpy(rows[0], s->data, (size_t)(steps * vector));
        return;
    }
    for (int64_t t = 0; t < steps; t++) {
        void *step[RNNHW_LANES];
        int32_t real[RNNHW_LANES];
        for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
            real[lane] = t < s->lengths[lane];
            step[lane] = (char *)rows[lane] + t * vector;
        }
        kernels->part(step, real, (const char *)s->data + t * vector * lanes, s->bits, s->units);
    }
}
