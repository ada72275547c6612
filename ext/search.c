/* An exact breadth-first search with the engine as its step. See search.h. */
#if defined(__linux__)
#define _DEFAULT_SOURCE /* madvise, beside C11 */
#endif
#include "search.h"

#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define PREFETCH(address) ((void)(address))
#define ALWAYS_INLINE inline
#endif

enum {
    CHUNK_BITS = 18,
    CHUNK_KEYS = 1 << CHUNK_BITS,
    FEWEST_KEYS = 64,          /* of the first chunk, which grows */
    FEWEST_CHUNKS = 16,        /* places of the table of chunks, which grows too */
    PLACES = 12,               /* of a bucket */
    FEWEST_BUCKETS = 64,
    BATCH = 1024,              /* successors made at once: they stay in the second-level cache */
    HUGE_PAGE = 1 << 21
};

#define MOST_KEYS ((int64_t)UINT32_MAX)

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

/* --- sets ------------------------------------------------------------------------------------ */

static inline uint64_t *key_at(const rnnhw_set *set, int64_t index, int64_t words)
{
    return set->chunks[index >> CHUNK_BITS] + (index & (CHUNK_KEYS - 1)) * words;
}

static inline uint64_t hash_of(const uint64_t *key, int64_t words)
{
    uint64_t h = 0;
    for (int64_t w = 0; w < words; w++) {
        h = (h ^ key[w]) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 32;
    }
    return h * 0xd6e8feb86659fd93ull;
}

static inline rnnhw_bucket *bucket_of(const rnnhw_set *set, uint64_t hash)
{
    return set->buckets + ((hash >> 32) * (uint64_t)set->bucket_count >> 32);
}

static inline uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(hash >> 24);
}

static void *aligned_zeros(size_t bytes, void **memory)
{
    const size_t line = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    *memory = calloc(1, bytes + line);
    if (*memory == NULL)
        return NULL;
    char *const first = (char *)*memory + (line - (size_t)*memory % line);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (line == HUGE_PAGE)
        madvise(first, bytes, MADV_HUGEPAGE); /* advice: without it the search is only slower */
#endif
    return first;
}

/* A chunk with room for `words`, of which the first `held` are those of an older one; a whole one
 * lies in huge pages where the system has them. NULL leaves the older one as it is. */
static uint64_t *larger_chunk(uint64_t *older, int64_t held, int64_t words, int whole)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    void *place;
    if (whole) {
        if (posix_memalign(&place, HUGE_PAGE, (size_t)words * 8) != 0)
            return NULL;
        madvise(place, (size_t)words * 8, MADV_HUGEPAGE);
        if (held > 0)
            memcpy(place, older, (size_t)held * 8);
        free(older);
        return place;
    }
#endif
    (void)held, (void)whole;
    return realloc(older, (size_t)words * 8);
}

/* Which places of a bucket hold a tag, a bit each. */
static inline uint32_t tagged(const rnnhw_bucket *bucket, uint8_t tag)
{
    uint32_t places = 0;
#if defined(__SSE2__)
    const __m128i tags = _mm_loadu_si128((const __m128i *)bucket->tags);
    places = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag)));
#else
    for (int i = 0; i < PLACES; i++)
        places |= (uint32_t)(bucket->tags[i] == tag) << i;
#endif
    return places & ((1u << bucket->count) - 1);
}

static inline int lowest_bit(uint32_t bits)
{
#if defined(__GNUC__)
    return __builtin_ctz(bits);
#else
    int bit = 0;
    while (!(bits >> bit & 1))
        bit++;
    return bit;
#endif
}

/* A place for a key that is not in the set; the set has room. */
static inline void number_key(rnnhw_set *set, uint64_t hash, uint32_t index)
{
    rnnhw_bucket *bucket = bucket_of(set, hash);
    while (bucket->count == PLACES)
        if (++bucket == set->buckets + set->bucket_count)
            bucket = set->buckets;
    bucket->tags[bucket->count] = tag_of(hash);
    bucket->keys[bucket->count++] = index;
}

/* Memory for `more` further keys; 0, or the bound that forbids it, with the set as it was. */
static int make_room(rnnhw_search *s, rnnhw_set *set, int64_t more)
{
    const int64_t wanted = set->count + more;
    if (wanted > MOST_KEYS)
        return RNNHW_MAX_SET;
    while (set->room < wanted) {
        const int64_t chunk = set->room >> CHUNK_BITS;
        const int64_t held = set->room & (CHUNK_KEYS - 1); /* by a first chunk that grows */
        const int64_t keys = chunk > 0 ? CHUNK_KEYS : held > 0 ? 2 * held : FEWEST_KEYS;
        const int64_t bytes = (keys - held) * s->words * 8;
        if (chunk >= set->chunk_room) {
            const int64_t places = chunk == 0 ? FEWEST_CHUNKS : 2 * set->chunk_room;
            uint64_t **const table = realloc(set->chunks, (size_t)places * sizeof *table);
            if (table == NULL)
                return RNNHW_MAX_BYTES;
            memset(table + set->chunk_room, 0,
                   (size_t)(places - set->chunk_room) * sizeof *table);
            set->chunks = table;
            set->chunk_room = places;
        }
        if (s->bytes + bytes > s->max_bytes)
            return RNNHW_MAX_BYTES;
        uint64_t *const place = larger_chunk(set->chunks[chunk], held * s->words, keys * s->words,
                                             keys == CHUNK_KEYS);
        if (place == NULL)
            return RNNHW_MAX_BYTES;
        set->chunks[chunk] = place;
        set->room += keys - held;
        s->bytes += bytes;
    }
    /* Three places of four at most are taken: few buckets are full, and fewer are passed over. */
    if (4 * wanted <= 3 * PLACES * set->bucket_count)
        return 0;
    int64_t count = set->bucket_count == 0 ? FEWEST_BUCKETS : set->bucket_count;
    while (4 * wanted > 3 * PLACES * count)
        count += (count + 1) / 2;
    const int64_t bytes = (count - set->bucket_count) * (int64_t)sizeof(rnnhw_bucket);
    if (s->bytes + bytes > s->max_bytes)
        return RNNHW_MAX_BYTES;
    void *memory;
    rnnhw_bucket *const buckets =
        aligned_zeros((size_t)count * sizeof(rnnhw_bucket), &memory);
    if (buckets == NULL)
        return RNNHW_MAX_BYTES;
    free(set->bucket_memory); /* before the new ones are written: both are never held at once */
    set->buckets = buckets;
    set->bucket_memory = memory;
    set->bucket_count = count;
    s->bytes += bytes;
    enum { AHEAD = 16 };
    uint64_t hashes[AHEAD];
    for (int64_t first = 0; first < set->count; first += AHEAD) {
        const int64_t here = set->count - first < AHEAD ? set->count - first : AHEAD;
        for (int64_t i = 0; i < here; i++) {
            hashes[i] = hash_of(key_at(set, first + i, s->words), s->words);
            PREFETCH(bucket_of(set, hashes[i]));
        }
        for (int64_t i = 0; i < here; i++)
            number_key(set, hashes[i], (uint32_t)(first + i));
    }
    return 0;
}

static inline int equal_keys(const uint64_t *a, const uint64_t *b, int64_t words)
{
    for (int64_t w = 0; w < words; w++)
        if (a[w] != b[w])
            return 0;
    return 1;
}

/* Puts a key into a set that has room; whether it is new. `words` are the search's: a constant
 * where the caller knows it. */
static ALWAYS_INLINE int put_key(rnnhw_search *s, rnnhw_set *set, const uint64_t *key,
                                 uint64_t hash, int64_t words)
{
    rnnhw_bucket *bucket = bucket_of(set, hash);
    const uint8_t tag = tag_of(hash);
    for (;;) {
        for (uint32_t like = tagged(bucket, tag); like != 0; like &= like - 1)
            if (equal_keys(key_at(set, bucket->keys[lowest_bit(like)], words), key, words))
                return 0;
        if (bucket->count < PLACES)
            break;
        if (++bucket == set->buckets + set->bucket_count)
            bucket = set->buckets;
    }
    bucket->tags[bucket->count] = tag;
    bucket->keys[bucket->count++] = (uint32_t)set->count;
    memcpy(key_at(set, set->count, words), key, (size_t)words * 8);
    set->count++;
    s->total++;
    return 1;
}

/* What `put_key` will most likely compare with, on its way into the cache. */
static inline void prefetch_key(const rnnhw_set *set, uint64_t hash, int64_t words)
{
    const rnnhw_bucket *bucket = bucket_of(set, hash);
    const uint32_t like = tagged(bucket, tag_of(hash));
    if (like != 0)
        PREFETCH(key_at(set, bucket->keys[lowest_bit(like)], words));
}

/* --- steps ----------------------------------------------------------------------------------- */

/* Bring keys first to first + real - 1 of a set, at most 16, into the states of all networks. Lanes
 * beyond them repeat the last one. */
static void load_keys(rnnhw_search *s, const rnnhw_set *set, int64_t first, int64_t real)
{
    for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
        const uint64_t *key = key_at(set, first + (lane < real ? lane : real - 1), s->words);
        for (int64_t w = 0; w < s->words; w++)
            s->block[w * RNNHW_LANES + lane] = key[w];
    }
    for (int64_t i = 0; i < s->subject_count; i++) {
        const rnnhw_subject *subject = &s->subjects[i];
        for (int64_t p = 0; p < subject->packing_count; p++) {
            const rnnhw_packing *packing = &subject->packings[p];
            BY_BITS(unpack, packing->bits, packing, s->block);
        }
        for (int64_t n = 0; n < subject->node_count; n++)
            rnnhw_prepare_step(subject->kernels, subject->nodes[n].scan);
    }
}

static void take_step(const rnnhw_subject *subject, int64_t symbol, uint32_t lanes)
{
    const int64_t *const values = subject->symbols + symbol * subject->input->units;
    BY_BITS(put_symbol, subject->input->bits, subject->input, values);
    for (int64_t n = 0; n < subject->node_count; n++)
        rnnhw_take_step(subject->kernels, subject->nodes[n].scan, lanes);
}

static int64_t events_of(const rnnhw_subject *subject)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < subject->never_count; i++)
        sum += (*subject->never[i])[0] + (*subject->never[i])[1] + (*subject->never[i])[2];
    return sum;
}

/* Step all networks by a symbol; which of `lanes` break the claim. */
static uint32_t broken_lanes(rnnhw_search *s, int64_t state, int64_t symbol, uint32_t lanes)
{
    const rnnhw_subject *const first = &s->subjects[0];
    const int64_t seen = events_of(first);
    uint32_t broken = 0;
    for (int64_t i = 0; i < s->subject_count; i++)
        take_step(&s->subjects[i], symbol, lanes);
    if (events_of(first) != seen) /* in some lane: it is found by stepping each alone */
        for (int64_t lane = 0; lane < RNNHW_LANES; lane++) {
            const int64_t before = events_of(first);
            if (lanes >> lane & 1)
                take_step(first, symbol, 1u << lane);
            broken |= (uint32_t)(events_of(first) != before) << lane;
        }
    for (int64_t i = 0; i < first->within_count; i++)
        broken |= BY_BITS(lanes_outside, first->within[i].bits, &first->within[i]);
    const int64_t expected = s->expected[state * s->symbols + symbol];
    if (expected >= 0) {
        int64_t answers[2][RNNHW_LANES];
        for (int64_t i = 0; i < s->subject_count; i++) {
            const rnnhw_sequence *output = s->subjects[i].output;
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
static void pack_states(rnnhw_search *s)
{
    memset(s->block, 0, (size_t)s->words * RNNHW_LANES * sizeof *s->block);
    for (int64_t i = 0; i < s->subject_count; i++)
        for (int64_t p = 0; p < s->subjects[i].packing_count; p++) {
            const rnnhw_packing *packing = &s->subjects[i].packings[p];
            BY_BITS(pack, packing->bits, packing, s->block);
        }
}

int64_t rnnhw_search_batch(int64_t symbols)
{
    return symbols * RNNHW_LANES > BATCH ? symbols * RNNHW_LANES : BATCH;
}

/* Put the first `made` successors of the scratch arrays into their sets, which have room. Two
 * misses of the cache for each lie ahead of it: its bucket, then the key that it may equal. */
static ALWAYS_INLINE void put_made(rnnhw_search *s, int64_t made, int64_t words)
{
    enum { AHEAD = 24 };
    for (int64_t i = -2 * AHEAD; i < made; i++) {
        const int64_t far = i + 2 * AHEAD, near = i + AHEAD;
        if (far < made) {
            s->hashes[far] = hash_of(s->keys + far * words, words);
            PREFETCH(bucket_of(&s->sets[s->targets[far]], s->hashes[far]));
        }
        if (near >= 0 && near < made)
            prefetch_key(&s->sets[s->targets[near]], s->hashes[near], words);
        if (i >= 0)
            put_key(s, &s->sets[s->targets[i]], s->keys + i * words, s->hashes[i], words);
    }
}

static void put_successors(rnnhw_search *s, int64_t made)
{
    switch (s->words) { /* the loops over a key's words are unrolled where they are short */
    case 1:
        put_made(s, made, 1);
        break;
    case 2:
        put_made(s, made, 2);
        break;
    case 3:
        put_made(s, made, 3);
        break;
    case 4:
        put_made(s, made, 4);
        break;
    default:
        put_made(s, made, s->words);
        break;
    }
}

int rnnhw_search_expand(rnnhw_search *s, int64_t state, int64_t *first, int64_t last,
                        int64_t parts, int64_t *symbol)
{
    rnnhw_set *const set = &s->sets[state];
    const int64_t *const next = s->next + state * s->symbols;
    int64_t edges = 0;
    for (int64_t k = 0; k < s->symbols; k++)
        edges += next[k] >= 0;
    if (edges == 0)
        *first = last;
    const int64_t part = edges * RNNHW_LANES > BATCH ? RNNHW_LANES
                                                     : BATCH / (edges + !edges) / RNNHW_LANES * RNNHW_LANES;
    for (; *first < last && parts > 0; parts--) {
        if (s->total > s->max_total)
            return RNNHW_MAX_TOTAL;
        const int64_t here = last - *first < part ? last - *first : part;
        for (int64_t k = 0; k < s->symbols; k++) {
            int64_t same = 0; /* edges to the same set: it needs room for all of them */
            for (int64_t j = 0; j < s->symbols; j++)
                same += next[j] == next[k];
            const int bound = next[k] < 0 ? 0 : make_room(s, &s->sets[next[k]], here * same);
            if (bound)
                return bound;
        }
        int64_t made = here * edges, stop = made;
        for (int64_t group = 0; group < here && stop == made; group += RNNHW_LANES) {
            const int64_t real = here - group < RNNHW_LANES ? here - group : RNNHW_LANES;
            const uint32_t lanes = (uint32_t)((1ull << real) - 1);
            load_keys(s, set, *first + group, real);
            for (int64_t k = 0, edge = 0; k < s->symbols; k++) {
                if (next[k] < 0)
                    continue;
                const uint32_t broken = broken_lanes(s, state, k, lanes);
                pack_states(s);
                for (int64_t lane = 0; lane < real; lane++) {
                    const int64_t at = (group + lane) * edges + edge;
                    for (int64_t w = 0; w < s->words; w++)
                        s->keys[at * s->words + w] = s->block[w * RNNHW_LANES + lane];
                    s->targets[at] = (int32_t)next[k];
                    if ((broken >> lane & 1) && at < stop) {
                        stop = at;
                        *symbol = k;
                    }
                }
                edge++;
            }
        }
        put_successors(s, stop);
        if (stop < made) {
            *first += stop / edges;
            return RNNHW_BROKEN;
        }
        *first += here;
    }
    return RNNHW_EXPANDED;
}

int64_t rnnhw_search_trace(rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                           int64_t target, int64_t index, int64_t *symbol)
{
    const uint64_t *const wanted = key_at(&s->sets[target], index, s->words);
    for (; first < last; first += RNNHW_LANES) {
        const int64_t real = last - first < RNNHW_LANES ? last - first : RNNHW_LANES;
        int64_t found = RNNHW_LANES;
        load_keys(s, &s->sets[state], first, real);
        for (int64_t k = 0; k < s->symbols; k++) {
            if (s->next[state * s->symbols + k] != target)
                continue;
            for (int64_t i = 0; i < s->subject_count; i++)
                take_step(&s->subjects[i], k, (1u << real) - 1);
            pack_states(s);
            for (int64_t lane = 0; lane < real && lane < found; lane++) {
                int equal = 1;
                for (int64_t w = 0; w < s->words; w++)
                    equal &= s->block[w * RNNHW_LANES + lane] == wanted[w];
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
    rnnhw_set *const set = &s->sets[state];
    const int64_t before = set->count;
    for (int64_t first = 0; first < count; first += BATCH) {
        const int64_t here = count - first < BATCH ? count - first : BATCH;
        const int bound = make_room(s, set, here);
        if (bound)
            return -1 - bound;
        for (int64_t i = first; i < first + here; i++)
            put_key(s, set, keys + i * s->words, hash_of(keys + i * s->words, s->words),
                    s->words);
    }
    return set->count - before;
}

void rnnhw_search_get(const rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                      uint64_t *keys)
{
    for (int64_t i = first; i < last; i++)
        memcpy(keys + (i - first) * s->words, key_at(&s->sets[state], i, s->words),
               (size_t)s->words * 8);
}

void rnnhw_search_free(rnnhw_search *s)
{
    for (int64_t q = 0; q < s->states; q++) {
        for (int64_t c = 0; c < s->sets[q].chunk_room; c++)
            free(s->sets[q].chunks[c]);
        free(s->sets[q].chunks);
        free(s->sets[q].bucket_memory);
    }
}
