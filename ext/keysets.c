/* Exact sets of keys that several threads fill. See keysets.h. */
#define _DEFAULT_SOURCE /* madvise and nanosleep, beside C11 */
#include "keysets.h"

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
    FEWEST_KEYS = 64,    /* of the first chunk, which grows */
    FEWEST_CHUNKS = 16,  /* places of the table of chunks, which grows too */
    PLACES = 12,         /* of a bucket */
    STRIPES = 64,        /* equal parts of the buckets, by the top bits of a hash */
    HUGE_PAGE = 1 << 21,
    AHEAD = 24           /* keys between a prefetch and its use */
};

#define MOST_KEYS ((int64_t)UINT32_MAX)

/* What becomes of a candidate that is looked up: it is no new key, or the buckets behind the
 * thread's own must be searched. Else it has an address, the new key's place. */
enum { KNOWN = 0, DEFERRED = 1 };

static inline rnnhw_bucket *bucket_of(const rnnhw_set *set, uint64_t hash)
{
    return set->buckets + ((hash >> 32) * (uint64_t)set->bucket_count >> 32);
}

static inline uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(hash >> 24);
}

/* The number of buckets is a multiple of the stripes, so that a stripe is whole buckets. */
static inline int64_t stripe_of(uint64_t hash)
{
    return (int64_t)(hash >> 58);
}

/* The first bucket of a stripe, or the end of the last one. */
static inline rnnhw_bucket *stripe_at(const rnnhw_set *set, int64_t stripe)
{
    return set->buckets + set->bucket_count / STRIPES * stripe;
}

/* --- memory ----------------------------------------------------------------------------------- */

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

enum rnnhw_bound rnnhw_make_room(rnnhw_keysets *k, rnnhw_set *set, int64_t more)
{
    const int64_t wanted = set->count + more;
    /* A candidate's number stands for it until its key has one of its own. */
    if (set->count + (more > k->found.room ? more : k->found.room) > MOST_KEYS)
        return RNNHW_SET_FULL;
    while (set->room < wanted) {
        const int64_t chunk = set->room >> RNNHW_CHUNK_BITS;
        const int64_t held = set->room & (RNNHW_CHUNK_KEYS - 1); /* by a first chunk that grows */
        const int64_t keys = chunk > 0 ? RNNHW_CHUNK_KEYS : held > 0 ? 2 * held : FEWEST_KEYS;
        const int64_t bytes = (keys - held) * k->words * 8;
        if (chunk >= set->chunk_room) {
            const int64_t places = chunk == 0 ? FEWEST_CHUNKS : 2 * set->chunk_room;
            uint64_t **const table = realloc(set->chunks, (size_t)places * sizeof *table);
            if (table == NULL)
                return RNNHW_BYTES_MET;
            memset(table + set->chunk_room, 0,
                   (size_t)(places - set->chunk_room) * sizeof *table);
            set->chunks = table;
            set->chunk_room = places;
        }
        if (k->bytes + bytes > k->max_bytes)
            return RNNHW_BYTES_MET;
        uint64_t *const place = larger_chunk(set->chunks[chunk], held * k->words, keys * k->words,
                                             keys == RNNHW_CHUNK_KEYS);
        if (place == NULL)
            return RNNHW_BYTES_MET;
        set->chunks[chunk] = place;
        set->room += keys - held;
        k->bytes += bytes;
    }
    /* Three places of four at most are taken: few buckets are full, and fewer are passed over. */
    if (4 * wanted <= 3 * PLACES * set->bucket_count)
        return RNNHW_FITS;
    int64_t count = set->bucket_count == 0 ? STRIPES : set->bucket_count;
    while (4 * wanted > 3 * PLACES * count)
        count += (count / 2 + STRIPES - 1) / STRIPES * STRIPES;
    const int64_t bytes = (count - set->bucket_count) * (int64_t)sizeof(rnnhw_bucket);
    if (k->bytes + bytes > k->max_bytes)
        return RNNHW_BYTES_MET;
    void *memory;
    rnnhw_bucket *const buckets =
        aligned_zeros((size_t)count * sizeof(rnnhw_bucket), &memory);
    if (buckets == NULL)
        return RNNHW_BYTES_MET;
    free(set->bucket_memory); /* before the new ones are written: both are never held at once */
    set->buckets = buckets;
    set->bucket_memory = memory;
    set->bucket_count = count;
    set->numbered = 0;
    k->bytes += bytes;
    return RNNHW_FITS;
}

void rnnhw_free_sets(rnnhw_keysets *k)
{
    for (int64_t q = 0; q < k->set_count; q++) {
        for (int64_t c = 0; c < k->sets[q].chunk_room; c++)
            free(k->sets[q].chunks[c]);
        free(k->sets[q].chunks);
        free(k->sets[q].bucket_memory);
    }
}

/* --- one key ---------------------------------------------------------------------------------- */

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

static inline int equal_keys(const uint64_t *a, const uint64_t *b, int64_t words)
{
    uint64_t differ = 0;
    for (int64_t w = 0; w < words; w++)
        differ |= a[w] ^ b[w];
    return differ == 0;
}

/* The key that a place stands for: one of the set, or of the candidates that come after them. */
static ALWAYS_INLINE const uint64_t *numbered_key(const rnnhw_keysets *k, const rnnhw_set *set,
                                                  uint32_t number, int64_t words)
{
    return number < set->count ? rnnhw_key(set, number, words)
                               : k->found.keys + (number - set->count) * words;
}

static inline uint32_t *take_place(rnnhw_bucket *bucket, uint8_t tag, uint32_t number)
{
    uint32_t *const place = &bucket->keys[bucket->count];
    *place = number;
    bucket->tags[bucket->count++] = tag;
    return place;
}

/* The address of a place that a new key was given under `number`, KNOWN, or DEFERRED where the
 * buckets before `end` do not tell. `words` are the sets': a constant where the caller knows it. */
static ALWAYS_INLINE uint64_t look_up(const rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key,
                                      uint64_t hash, uint32_t number, int64_t words,
                                      const rnnhw_bucket *end)
{
    const uint8_t tag = tag_of(hash);
    for (rnnhw_bucket *bucket = bucket_of(set, hash); bucket < end; bucket++) {
        for (uint32_t like = tagged(bucket, tag); like != 0; like &= like - 1)
            if (equal_keys(numbered_key(k, set, bucket->keys[lowest_bit(like)], words), key, words))
                return KNOWN;
        if (bucket->count < PLACES)
            return (uint64_t)(uintptr_t)take_place(bucket, tag, number);
    }
    return DEFERRED;
}

/* The same by one thread alone: buckets go on with the first one behind the last. */
static uint64_t look_up_alone(const rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key,
                              uint64_t hash, uint32_t number)
{
    const rnnhw_bucket *const end = set->buckets + set->bucket_count;
    const uint64_t place = look_up(k, set, key, hash, number, k->words, end);
    if (place != DEFERRED)
        return place;
    rnnhw_set front = *set; /* from the first bucket on, whatever the hash */
    front.bucket_count = 0;
    return look_up(k, &front, key, hash, number, k->words, end);
}

/* --- a round ---------------------------------------------------------------------------------- */

/* The candidates before `count` whose buckets are a thread's own, in order: how many. */
static int64_t choose_own(const rnnhw_keysets *k, int64_t thread, int64_t count, uint32_t *own)
{
    const int64_t first = team_share(&k->team, thread, STRIPES);
    const int64_t last = team_share(&k->team, thread + 1, STRIPES);
    int64_t chosen = 0;
    for (int64_t i = 0; i < count; i++) {
        const int64_t stripe = stripe_of(k->found.hashes[i]);
        own[chosen] = (uint32_t)i;
        chosen += stripe >= first && stripe < last;
    }
    return chosen;
}

/* Two misses of the cache for each candidate lie ahead of it: its bucket, then the key that it may
 * equal. */
static ALWAYS_INLINE void prefetch_bucket(const rnnhw_keysets *k, int64_t i)
{
    PREFETCH(bucket_of(&k->sets[k->found.targets[i]], k->found.hashes[i]));
}

static ALWAYS_INLINE void prefetch_key(const rnnhw_keysets *k, int64_t i, int64_t words)
{
    const rnnhw_set *const set = &k->sets[k->found.targets[i]];
    const rnnhw_bucket *const bucket = bucket_of(set, k->found.hashes[i]);
    const uint32_t like = tagged(bucket, tag_of(k->found.hashes[i]));
    if (like != 0)
        PREFETCH(numbered_key(k, set, bucket->keys[lowest_bit(like)], words));
}

static ALWAYS_INLINE void find_own(rnnhw_keysets *k, int64_t thread, int64_t stop, int64_t words)
{
    uint32_t *const own = k->own + thread * k->found.room;
    const int64_t chosen = choose_own(k, thread, stop, own);
    const int64_t end = team_share(&k->team, thread + 1, STRIPES);
    int64_t deferred = 0;
    for (int64_t i = -2 * AHEAD; i < chosen; i++) {
        if (i + 2 * AHEAD < chosen)
            prefetch_bucket(k, own[i + 2 * AHEAD]);
        if (i + AHEAD >= 0 && i + AHEAD < chosen)
            prefetch_key(k, own[i + AHEAD], words);
        if (i < 0)
            continue;
        const int64_t here = own[i];
        rnnhw_set *const set = &k->sets[k->found.targets[here]];
        const uint64_t place =
            look_up(k, set, k->found.keys + here * words, k->found.hashes[here],
                    (uint32_t)(set->count + here), words, stripe_at(set, end));
        if (place != KNOWN) /* most are: threads would share the lines that they write */
            k->found.places[here] = place;
        deferred += place == DEFERRED;
    }
    if (deferred)
        team_add(&k->deferred, deferred);
}

static ALWAYS_INLINE void take_alone(rnnhw_keysets *k, int64_t count, int64_t words)
{
    for (int64_t i = -2 * AHEAD; i < count; i++) {
        if (i + 2 * AHEAD < count)
            prefetch_bucket(k, i + 2 * AHEAD);
        if (i + AHEAD >= 0 && i + AHEAD < count)
            prefetch_key(k, i + AHEAD, words);
        if (i < 0)
            continue;
        rnnhw_set *const set = &k->sets[k->found.targets[i]];
        const uint64_t *const key = k->found.keys + i * words, hash = k->found.hashes[i];
        uint64_t place = look_up(k, set, key, hash, (uint32_t)set->count, words,
                                 set->buckets + set->bucket_count);
        if (place == DEFERRED)
            place = look_up_alone(k, set, key, hash, (uint32_t)set->count);
        if (place == KNOWN)
            continue;
        uint64_t *const to = rnnhw_key(set, set->count, words);
        for (int64_t w = 0; w < words; w++)
            to[w] = key[w];
        set->count++;
        set->numbered++;
        k->taken_alone++;
    }
}

/* CALL(words) with a constant where keys are short: loops over their words are unrolled. */
#define WITH_WORDS(CALL, words)                                                                   \
    switch (words) {                                                                              \
    case 1:                                                                                       \
        CALL(1);                                                                                  \
        break;                                                                                    \
    case 2:                                                                                       \
        CALL(2);                                                                                  \
        break;                                                                                    \
    case 3:                                                                                       \
        CALL(3);                                                                                  \
        break;                                                                                    \
    case 4:                                                                                       \
        CALL(4);                                                                                  \
        break;                                                                                    \
    default:                                                                                      \
        CALL(words);                                                                              \
        break;                                                                                    \
    }

#define FIND_OWN(WORDS) find_own(k, thread, stop, WORDS)
#define TAKE_ALONE(WORDS) take_alone(k, count, WORDS)

void rnnhw_take_alone(rnnhw_keysets *k, int64_t count)
{
    WITH_WORDS(TAKE_ALONE, k->words)
}

int rnnhw_find_own(rnnhw_keysets *k, int64_t thread, int64_t stop)
{
    const int64_t before = k->deferred;
    if (!team_wait(&k->team))
        return 0;
    WITH_WORDS(FIND_OWN, k->words)
    if (!team_wait(&k->team))
        return 0;
    if (k->deferred == before)
        return 1;
    for (int64_t i = 0; thread == 0 && i < stop; i++)
        if (k->found.places[i] == DEFERRED) {
            rnnhw_set *const set = &k->sets[k->found.targets[i]];
            k->found.places[i] = look_up_alone(k, set, k->found.keys + i * k->words,
                                               k->found.hashes[i], (uint32_t)(set->count + i));
        }
    return team_wait(&k->team);
}

void rnnhw_count_new(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last)
{
    int64_t *const counts = k->new_keys + thread * k->set_count;
    for (int64_t j = 0; j < k->touched_count; j++)
        counts[k->touched[j]] = 0;
    for (int64_t i = first; i < last; i++)
        counts[k->found.targets[i]] += k->found.places[i] != KNOWN;
}

/* New keys of a set in the shares before a thread's. */
static int64_t new_before(const rnnhw_keysets *k, int64_t set, int64_t thread)
{
    int64_t sum = 0;
    for (int64_t t = 0; t < thread; t++)
        sum += k->new_keys[t * k->set_count + set];
    return sum;
}

void rnnhw_keep_new(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last)
{
    const int64_t words = k->words;
    int64_t *const numbers = k->numbers + thread * k->set_count;
    for (int64_t j = 0; j < k->touched_count; j++) {
        const int32_t q = k->touched[j];
        numbers[q] = k->sets[q].count + new_before(k, q, thread);
    }
    for (int64_t i = first; i < last; i++) {
        uint32_t *const place = (uint32_t *)(uintptr_t)k->found.places[i];
        if (place == NULL)
            continue;
        const int32_t q = k->found.targets[i];
        const int64_t number = numbers[q]++;
        uint64_t *const key = rnnhw_key(&k->sets[q], number, words);
        for (int64_t w = 0; w < words; w++)
            key[w] = k->found.keys[i * words + w];
        *place = (uint32_t)number;
        k->found.places[i] = KNOWN;
    }
}

int64_t rnnhw_end_round(rnnhw_keysets *k)
{
    int64_t total = k->taken_alone;
    for (int64_t j = 0; j < k->touched_count && k->team.threads > 1; j++) {
        rnnhw_set *const set = &k->sets[k->touched[j]];
        const int64_t more = new_before(k, k->touched[j], k->team.threads);
        set->count += more;
        set->numbered += more;
        total += more;
    }
    k->touched_count = 0;
    k->taken_alone = 0;
    return total;
}

int rnnhw_put_key(rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key)
{
    const uint64_t hash = rnnhw_hash(key, k->words);
    if (look_up_alone(k, set, key, hash, (uint32_t)set->count) == KNOWN)
        return 0;
    memcpy(rnnhw_key(set, set->count, k->words), key, (size_t)k->words * 8);
    set->count++;
    set->numbered++;
    return 1;
}

/* --- new buckets ------------------------------------------------------------------------------ */

/* A place for a key that is not in the set, if the buckets before `end` have one. */
static int number_key(rnnhw_bucket *bucket, const rnnhw_bucket *end, uint64_t hash, int64_t number)
{
    while (bucket < end && bucket->count == PLACES)
        bucket++;
    if (bucket < end)
        take_place(bucket, tag_of(hash), (uint32_t)number);
    return bucket < end;
}

static void number_own(rnnhw_keysets *k, rnnhw_set *set, int64_t thread, int64_t base,
                       int64_t count)
{
    uint32_t *const own = k->own + thread * k->found.room;
    const int64_t chosen = choose_own(k, thread, count, own);
    const rnnhw_bucket *const end = stripe_at(set, team_share(&k->team, thread + 1, STRIPES));
    const uint64_t *const hashes = k->found.hashes;
    int64_t deferred = 0;
    for (int64_t i = -AHEAD; i < chosen; i++) {
        if (i + AHEAD < chosen)
            PREFETCH(bucket_of(set, hashes[own[i + AHEAD]]));
        if (i < 0)
            continue;
        const int64_t here = own[i];
        const int done = number_key(bucket_of(set, hashes[here]), end, hashes[here], base + here);
        k->found.targets[here] = !done;
        deferred += !done;
    }
    if (deferred)
        team_add(&k->deferred, deferred);
}

int rnnhw_number_keys(rnnhw_keysets *k, rnnhw_set *set, int64_t thread)
{
    for (int64_t base = 0; base < set->count; base += k->found.room) {
        const int64_t left = set->count - base;
        const int64_t count = left < k->found.room ? left : k->found.room;
        const int64_t last = team_share(&k->team, thread + 1, count);
        for (int64_t i = team_share(&k->team, thread, count); i < last; i++)
            k->found.hashes[i] = rnnhw_hash(rnnhw_key(set, base + i, k->words), k->words);
        const int64_t before = k->deferred;
        if (!team_wait(&k->team))
            return 0;
        number_own(k, set, thread, base, count);
        if (!team_wait(&k->team))
            return 0;
        if (k->deferred == before)
            continue;
        for (int64_t i = 0; thread == 0 && i < count; i++)
            if (k->found.targets[i]) {
                const uint64_t hash = k->found.hashes[i];
                const rnnhw_bucket *const end = set->buckets + set->bucket_count;
                if (!number_key(bucket_of(set, hash), end, hash, base + i))
                    number_key(set->buckets, end, hash, base + i);
            }
        if (!team_wait(&k->team))
            return 0;
    }
    if (thread == 0) /* the others have all seen that it was less: they were needed here */
        set->numbered = set->count;
    return 1;
}
