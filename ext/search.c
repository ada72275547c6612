/* An exact breadth-first search with the engine as its step. See search.h. */
#define _DEFAULT_SOURCE /* nanosleep, beside C11 */
#include "search.h"

#include <assert.h>
#include <string.h>

enum {
    FEWEST_CANDIDATES = 1024, /* of a round, where keys are few; they stay in the cache */
    MOST_CANDIDATES = 16384,  /* where they are many: the threads wait twice a round */
    CLAIMED_CANDIDATES = 256  /* that a thread takes at a time: some 25 microseconds' work */
};

#define E int8_t
#define U uint8_t
#define NAME(stem) stem##_8
#include "search.inc"
#undef E
#undef U
#undef NAME

#define E int16_t
#define U uint16_t
#define NAME(stem) stem##_16
#include "search.inc"
#undef E
#undef U
#undef NAME

#define E int32_t
#define U uint32_t
#define NAME(stem) stem##_32
#include "search.inc"
#undef E
#undef U
#undef NAME

#define E int64_t
#define U uint64_t
#define NAME(stem) stem##_64
#include "search.inc"
#undef E
#undef U
#undef NAME

/* A function for elements of so many bits. */
#define BY_BITS(stem, bits, ...)                                                                   \
    ((bits) == 8    ? stem##_8(__VA_ARGS__)                                                        \
     : (bits) == 16 ? stem##_16(__VA_ARGS__)                                                       \
     : (bits) == 32 ? stem##_32(__VA_ARGS__)                                                       \
                    : stem##_64(__VA_ARGS__))

/* --- steps ----------------------------------------------------------------------------------- */

/* Bring keys first to first + real - 1 of a set, at most 16, into the states of all networks. Lanes
 * beyond them repeat the last one. */
static void load_keys(const rnnhw_search *s, rnnhw_worker *worker, const rnnhw_set *set,
                      int64_t first, int64_t real)
{
    for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
        const int64_t index = first + (lane < real ? lane : real - 1);
        const uint64_t *key = rnnhw_key(set, index, s->keys.words);
        for (int64_t w = 0; w < s->keys.words; w++)
            worker->block[w * RNNHW_LANES + lane] = key[w];
    }
    for (int64_t i = 0; i < s->subject_count; i++) {
        const rnnhw_subject *subject = &worker->subjects[i];
        for (int64_t p = 0; p < subject->packing_count; p++) {
            const rnnhw_packing *packing = &subject->packings[p];
            subject->kernels->get_fields(packing->scan->slots[packing->before].base,
                                         &packing->fields, worker->block);
        }
        for (int64_t n = 0; n < subject->node_count; n++)
            rnnhw_prepare_step(subject->kernels, subject->nodes[n].scan);
    }
}

static void take_step(const rnnhw_subject *subject, int64_t symbol, uint32_t lanes)
{
    for (int64_t n = 0; n < subject->node_count; n++)
        rnnhw_take_step(subject->kernels, subject->nodes[n].scan, symbol, lanes);
}

static int64_t events_of(const rnnhw_subject *subject)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < subject->never_count; i++)
        sum += (*subject->never[i])[0] + (*subject->never[i])[1] + (*subject->never[i])[2];
    return sum;
}

/* Step all networks by a symbol; which of `lanes` break the claim. */
static uint32_t broken_lanes(const rnnhw_search *s, rnnhw_worker *worker, int64_t symbol,
                             uint32_t lanes)
{
    assert(s->subject_count > 0);
    const rnnhw_subject *const first = &worker->subjects[0];
    const int64_t seen = events_of(first);
    uint32_t broken = 0;
    for (int64_t i = 0; i < s->subject_count; i++)
        take_step(&worker->subjects[i], symbol, lanes);
    if (events_of(first) != seen) /* some lane had an event: step one lane at a time to find it */
        for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
            const int64_t before = events_of(first);
            if (lanes >> lane & 1)
                take_step(first, symbol, 1u << lane);
            broken |= (uint32_t)(events_of(first) != before) << lane;
        }
    for (int64_t i = 0; i < first->within_count; i++)
        broken |= BY_BITS(lanes_outside, first->within[i].bits, &first->within[i]);
    const int64_t expected = s->expected[s->state * s->symbols + symbol];
    if (expected >= 0) {
        int64_t answers[2][RNNHW_LANES];
        for (int64_t i = 0; i < s->subject_count; i++) {
            const rnnhw_sequence *output = worker->subjects[i].output;
            BY_BITS(answer, output->bits, output, (int)s->by_class, answers[i]);
        }
        for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
            const int64_t right = s->subject_count > 1 ? answers[1][lane] : expected;
            broken |= (uint32_t)(answers[0][lane] != right) << lane;
        }
    }
    return broken & lanes;
}

/* The states after the step, as words w of lanes l in block[16 w + l]. */
static void pack_states(const rnnhw_search *s, rnnhw_worker *worker)
{
    memset(worker->block, 0, (size_t)s->keys.words * RNNHW_LANES * sizeof *worker->block);
    for (int64_t i = 0; i < s->subject_count; i++) {
        const rnnhw_subject *subject = &worker->subjects[i];
        for (int64_t p = 0; p < subject->packing_count; p++) {
            const rnnhw_packing *packing = &subject->packings[p];
            subject->kernels->put_fields(worker->block, &packing->fields,
                                         packing->scan->slots[packing->after].base);
        }
    }
}

/* --- rounds ---------------------------------------------------------------------------------- */

int64_t rnnhw_search_room(int64_t symbols)
{
    return symbols * RNNHW_LANES > MOST_CANDIDATES ? symbols * RNNHW_LANES : MOST_CANDIDATES;
}

void rnnhw_search_plan(rnnhw_search *s, int64_t rounds, int64_t threads)
{
    s->rounds = rounds;
    s->state = -1;
    s->taken = 0;
    s->status = RNNHW_UNFINISHED;
    s->symbol = -1;
    s->keys.team = (rnnhw_team){.threads = (int32_t)threads};
    s->keys.found.count = 0;
    s->keys.touched_count = 0;
}

/* The first candidate that breaks the claim, and its symbol; or their number. */
static int64_t first_broken(const rnnhw_search *s, int64_t *symbol)
{
    int64_t stop = s->keys.found.count;
    for (int64_t t = 0; t < s->keys.team.threads; t++)
        if (s->workers[t].broken < stop) {
            stop = s->workers[t].broken;
            *symbol = s->workers[t].symbol;
        }
    return stop;
}

/* Keys whose successors are about so many candidates, in whole blocks of lanes. */
static int64_t keys_of(const rnnhw_search *s, int64_t candidates)
{
    const int64_t blocks = candidates / (s->edges * RNNHW_LANES);
    return (blocks + !blocks) * RNNHW_LANES;
}

/* Keys of a round: as many as are worth their room in the sets, in whole blocks of lanes. It must
 * not depend on the number of threads, as bounds are held between rounds. */
static int64_t round_keys(const rnnhw_search *s)
{
    int64_t candidates = s->total / 4;
    if (candidates < FEWEST_CANDIDATES)
        candidates = FEWEST_CANDIDATES;
    if (candidates > MOST_CANDIDATES)
        candidates = MOST_CANDIDATES;
    const int64_t keys = keys_of(s, candidates);
    const int64_t left = s->ends[s->state] - s->done[s->state];
    return keys < left ? keys : left;
}

/* Let the keys of a state be expanded. */
static void turn_to(rnnhw_search *s, int64_t state)
{
    s->state = state;
    s->edges = 0;
    for (int64_t k = 0; k < s->symbols; k++)
        s->edges += s->next[state * s->symbols + k] >= 0;
    s->aimed = 0;
}

/* A state with keys that are left of this level; -1 if there is none. */
static int64_t state_left(const rnnhw_search *s)
{
    for (int64_t q = 0; q < s->states; q++)
        if (s->done[q] < s->ends[q])
            return q;
    return -1;
}

/* Begin the next level with the keys that the last one appended; whether there are any. */
static int begin_level(rnnhw_search *s)
{
    int more = 0;
    for (int64_t q = 0; q < s->states; q++)
        more |= s->keys.sets[q].count > s->ends[q];
    for (int64_t q = 0; q < s->states && more; q++) {
        s->starts[s->levels * s->states + q] = s->ends[q];
        s->ends[q] = s->keys.sets[q].count;
    }
    s->levels += more;
    return more;
}

/* Turn to keys that are left, in a new level where the last one has none. Else the call is over:
 * there are none, or another one should go on with more threads. */
static int find_keys(rnnhw_search *s)
{
    for (;;) {
        const int64_t state = state_left(s);
        if (state < 0) {
            if (!begin_level(s)) {
                s->status = RNNHW_CLOSED;
                return 0;
            }
            int64_t left = 0;
            for (int64_t q = 0; q < s->states; q++)
                left += s->ends[q] - s->done[q];
            if (s->keys.team.threads == 1 && left * s->symbols >= s->share.team)
                return 0;
            continue;
        }
        if (state != s->state)
            turn_to(s, state);
        if (s->edges > 0)
            return 1;
        s->done[state] = s->ends[state];
    }
}

/* Room for the successors of so many keys in the sets to which they belong. */
static enum rnnhw_bound make_room(rnnhw_search *s, int64_t keys)
{
    const int64_t *const next = s->next + s->state * s->symbols;
    for (int64_t k = 0; k < s->symbols; k++) {
        if (next[k] < 0)
            continue;
        int64_t same = 0, before = 0; /* edges to the same set: it needs room for all of them */
        for (int64_t j = 0; j < s->symbols; j++) {
            same += next[j] == next[k];
            before += j < k && next[j] == next[k];
        }
        if (before > 0)
            continue;
        const enum rnnhw_bound bound =
            rnnhw_make_room(&s->keys, &s->keys.sets[next[k]], keys * same);
        if (bound != RNNHW_FITS)
            return bound;
        s->keys.touched[s->keys.touched_count++] = (int32_t)next[k];
    }
    return RNNHW_FITS;
}

/* Say to which sets the candidates of a round belong: key after key, edge after edge. */
static void aim(rnnhw_search *s, int64_t candidates)
{
    const int64_t *const next = s->next + s->state * s->symbols;
    while (s->aimed < candidates) /* whole keys */
        for (int64_t k = 0; k < s->symbols; k++)
            if (next[k] >= 0)
                s->keys.found.targets[s->aimed++] = (int32_t)next[k];
}

/* End the round before, and begin the next: `taken` keys for which the sets have room, or none. */
static void next_round(rnnhw_search *s)
{
    const int64_t stop = first_broken(s, &s->symbol);
    s->total += rnnhw_end_round(&s->keys, stop);
    if (s->taken > 0) {
        s->done[s->state] += stop == s->keys.found.count ? s->taken : stop / s->edges;
        if (stop < s->keys.found.count)
            s->status = RNNHW_BROKEN;
    }
    s->taken = 0;
    if (s->status != RNNHW_UNFINISHED || !find_keys(s) || s->rounds-- == 0)
        return;
    if (s->total > s->max_total) {
        s->status = RNNHW_MAX_TOTAL;
        return;
    }
    const int64_t keys = round_keys(s);
    const enum rnnhw_bound bound = make_room(s, keys);
    if (bound != RNNHW_FITS) {
        s->status = bound == RNNHW_BYTES_MET ? RNNHW_MAX_BYTES : RNNHW_MAX_SET;
        return;
    }
    s->taken = keys;
    const int64_t candidates = keys * s->edges;
    rnnhw_begin_round(&s->keys, candidates, keys_of(s, CLAIMED_CANDIDATES) * s->edges);
    s->keys.alone = s->keys.team.threads == 1 ||
                    candidates < s->keys.team.threads * s->share.round;
    for (int64_t t = 0; t < s->keys.team.threads; t++)
        s->workers[t].broken = candidates;
    aim(s, candidates);
}

/* Make the successors of keys `first` to `last` - 1 of the round: candidates `start` and behind. */
static void make_successors(rnnhw_search *s, int64_t thread, int64_t first, int64_t last,
                            int64_t start)
{
    const rnnhw_set *const set = &s->keys.sets[s->state];
    const int64_t *const next = s->next + s->state * s->symbols;
    const int64_t words = s->keys.words;
    rnnhw_candidates *const found = &s->keys.found;
    rnnhw_worker *const worker = &s->workers[thread];
    for (int64_t group = first; group < last; group += RNNHW_LANES) {
        const int64_t real = last - group < RNNHW_LANES ? last - group : RNNHW_LANES;
        const uint32_t lanes = (uint32_t)((1ull << real) - 1);
        load_keys(s, worker, set, s->done[s->state] + group, real);
        for (int64_t k = 0, edge = 0; k < s->symbols; k++) {
            if (next[k] < 0)
                continue;
            const uint32_t broken = broken_lanes(s, worker, k, lanes);
            pack_states(s, worker);
            const int64_t at = start + (group - first) * s->edges + edge; /* of lane 0 */
            for (int64_t w = 0; w < words; w++)
                for (int64_t lane = 0; lane < real; lane++)
                    found->keys[(at + lane * s->edges) * words + w] =
                        worker->block[w * RNNHW_LANES + lane];
            for (int64_t lane = 0; broken >> lane != 0; lane++)
                if ((broken >> lane & 1) && at + lane * s->edges < worker->broken) {
                    worker->broken = at + lane * s->edges;
                    worker->symbol = k;
                }
            edge++;
        }
    }
}

/* A round by one thread: part by part, whose candidates stay in the cache. */
static void work_alone(rnnhw_search *s)
{
    const int64_t part = keys_of(s, FEWEST_CANDIDATES);
    rnnhw_worker *const worker = &s->workers[0];
    for (int64_t j = 0; j < s->keys.touched_count; j++) {
        rnnhw_set *const set = &s->keys.sets[s->keys.touched[j]];
        if (set->numbered < set->count)
            rnnhw_number_alone(&s->keys, set);
    }
    for (int64_t first = 0; first < s->taken; first += part) {
        const int64_t last = s->taken - first < part ? s->taken : first + part;
        const int64_t count = (last - first) * s->edges;
        make_successors(s, 0, first, last, 0);
        rnnhw_take_alone(&s->keys, worker->broken < count ? worker->broken : count);
        if (worker->broken < count) {
            worker->broken += first * s->edges;
            return;
        }
    }
}

/* By the last thread that comes: to the next round that is worth all of them. */
static void begin_round(void *search)
{
    rnnhw_search *const s = search;
    for (next_round(s); s->taken > 0 && s->keys.alone; next_round(s))
        work_alone(s);
}

void rnnhw_search_work(rnnhw_search *s, int64_t thread)
{
    rnnhw_keysets *const keys = &s->keys;
    for (;;) {
        if (!team_wait_and(&keys->team, begin_round, s) || s->taken == 0)
            return;
        for (int64_t j = 0; j < keys->touched_count; j++) {
            rnnhw_set *const set = &keys->sets[keys->touched[j]];
            if (set->paged < set->room)
                rnnhw_take_pages(keys, set, thread);
            if (set->numbered < set->count && !rnnhw_number_keys(keys, set))
                return;
        }
        int64_t first, last;
        while (rnnhw_claim_part(keys, thread, &first, &last)) {
            make_successors(s, thread, first / s->edges, last / s->edges, first);
            rnnhw_take_shared(keys, first, last);
        }
        if (!team_wait(&keys->team))
            return;
        int64_t symbol;
        rnnhw_keep_new(keys, thread, first_broken(s, &symbol));
    }
}

/* --- one by one ------------------------------------------------------------------------------ */

int64_t rnnhw_search_trace(rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                           int64_t target, int64_t index, int64_t *symbol)
{
    rnnhw_worker *const worker = &s->workers[0];
    const uint64_t *const wanted = rnnhw_key(&s->keys.sets[target], index, s->keys.words);
    for (; first < last; first += RNNHW_LANES) {
        const int64_t real = last - first < RNNHW_LANES ? last - first : RNNHW_LANES;
        int64_t found = RNNHW_LANES;
        load_keys(s, worker, &s->keys.sets[state], first, real);
        for (int64_t k = 0; k < s->symbols; k++) {
            if (s->next[state * s->symbols + k] != target)
                continue;
            for (int64_t i = 0; i < s->subject_count; i++)
                take_step(&worker->subjects[i], k, (1u << real) - 1);
            pack_states(s, worker);
            for (int64_t lane = 0; lane < real && lane < found; lane++) {
                int equal = 1;
                for (int64_t w = 0; w < s->keys.words; w++)
                    equal &= worker->block[w * RNNHW_LANES + lane] == wanted[w];
                if (equal) {
                    found = lane;
                    *symbol = k;
                }
            }
        }
        if (found < RNNHW_LANES)
            return first + found;
    }
    return -1;
}

int64_t rnnhw_search_put(rnnhw_search *s, int64_t state, const uint64_t *keys, int64_t count)
{
    rnnhw_set *const set = &s->keys.sets[state];
    const int64_t before = set->count;
    s->keys.team = (rnnhw_team){.threads = 1};
    for (int64_t first = 0; first < count; first += FEWEST_CANDIDATES) {
        const int64_t left = count - first;
        const int64_t here = left < FEWEST_CANDIDATES ? left : FEWEST_CANDIDATES;
        const enum rnnhw_bound bound = rnnhw_make_room(&s->keys, set, here);
        if (bound != RNNHW_FITS)
            return bound == RNNHW_BYTES_MET ? -1 - RNNHW_MAX_BYTES : -1 - RNNHW_MAX_SET;
        if (set->numbered < set->count)
            rnnhw_number_alone(&s->keys, set);
        for (int64_t i = first; i < first + here; i++)
            s->total += rnnhw_put_key(&s->keys, set, keys + i * s->keys.words);
    }
    return set->count - before;
}

void rnnhw_search_get(const rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                      uint64_t *keys)
{
    for (int64_t i = first; i < last; i++)
        memcpy(keys + (i - first) * s->keys.words,
               rnnhw_key(&s->keys.sets[state], i, s->keys.words), (size_t)s->keys.words * 8);
}
