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
    FEWEST_BUCKETS = 64,
    PLACES = 12,         /* of a bucket */
    HUGE_PAGE = 1 << 21,
    LEAST_PAGE = 4096,
    AHEAD = 24,          /* keys between a prefetch and its use */
    CACHED_BYTES = 1 << 20, /* of sets that a core's own cache holds */
    CLAIMED_KEYS = 4096  /* that a thread gives places in new buckets at a time */
};

#define MOST_KEYS ((int64_t)UINT32_MAX)

/* Bring a line that will be written: other cores lose it now, not when the write waits for them. */
#if defined(__GNUC__) && defined(__x86_64__)
#define PREFETCH_WRITTEN(address) __asm__ volatile("prefetchw %0" : : "m"(*(const char *)(address)))
#elif defined(__GNUC__)
#define PREFETCH_WRITTEN(address) __builtin_prefetch(address, 1)
#else
#define PREFETCH_WRITTEN(address) ((void)(address))
#endif

/* Loads and stores of fields that other threads may read, or write, at the same time. */
#if defined(__GNUC__)
#define LOAD(address) __atomic_load_n(address, __ATOMIC_ACQUIRE)
#define STORE(address, value) __atomic_store_n(address, value, __ATOMIC_RELEASE)
#else
#define LOAD(address) (*(address))
#define STORE(address, value) (*(address) = (value))
#endif

static inline rnnhw_bucket *bucket_of(const rnnhw_set *set, uint64_t hash)
{
    return set->buckets + ((hash >> 32) * (uint64_t)set->bucket_count >> 32);
}

static inline uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(hash >> 24);
}

/* Where a full bucket goes on. */
static inline rnnhw_bucket *next_bucket(const rnnhw_set *set, rnnhw_bucket *bucket)
{
    return ++bucket < set->buckets + set->bucket_count ? bucket : set->buckets;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Where large zeros come from, and go back to: what goes through `free` the process may keep. */
static void *zeros(size_t bytes)
{
#if defined(__linux__)
    if (bytes >= HUGE_PAGE) {
        void *const place =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return place == MAP_FAILED ? NULL : place;
    }
#endif
    return calloc(1, bytes);
}

static void free_zeros(void *memory, size_t bytes)
{
#if defined(__linux__)
    if (memory != NULL && bytes >= HUGE_PAGE) {
        munmap(memory, bytes);
        return;
    }
#endif
    (void)bytes;
    free(memory);
}

/* The alignment of the buckets, and the bytes of the memory that they lie in. */
static size_t bucket_line(int64_t count)
{
    return (size_t)count * sizeof(rnnhw_bucket) >= HUGE_PAGE ? HUGE_PAGE : 64;
}

static size_t bucket_bytes(int64_t count)
{
    return (size_t)count * sizeof(rnnhw_bucket) + bucket_line(count);
}

/* Empty buckets in `*memory`, or NULL. */
static rnnhw_bucket *new_buckets(int64_t count, void **memory)
{
    const size_t line = bucket_line(count);
    *memory = zeros(bucket_bytes(count));
    if (*memory == NULL)
        return NULL;
    char *const first = (char *)*memory + (line - (size_t)*memory % line);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (line == HUGE_PAGE)
        /* advice: without it the search is only slower */
        madvise(first, (size_t)count * sizeof(rnnhw_bucket), MADV_HUGEPAGE);
#endif
    return (rnnhw_bucket *)first;
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
    const int chunk_bits = rnnhw_chunk_bits(k->words);
    const int64_t whole = (int64_t)1 << chunk_bits;
    /* A candidate's number stands for it until its key has one of its own. */
    if (set->count + (more > k->found.room ? more : k->found.room) > MOST_KEYS)
        return RNNHW_SET_FULL;
    while (set->room < wanted) {
        const int64_t chunk = set->room >> chunk_bits;
        const int64_t held = set->room & (whole - 1); /* by a first chunk that grows */
        const int64_t keys = chunk > 0 ? whole : held > 0 ? 2 * held : FEWEST_KEYS;
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
                                             keys == whole);
        if (place == NULL)
            return RNNHW_BYTES_MET;
        set->chunks[chunk] = place;
        set->room += keys - held;
        k->bytes += bytes;
    }
    /* Three places of four at most are taken: few buckets are full, and fewer are passed over. */
    if (4 * wanted <= 3 * PLACES * set->bucket_count)
        return RNNHW_FITS;
    int64_t count = set->bucket_count == 0 ? FEWEST_BUCKETS : set->bucket_count;
    while (4 * wanted > 3 * PLACES * count)
        count *= 2; /* by half takes 3 bytes a key less at most, and numbers all keys twice as often */
    const int64_t bytes = (count - set->bucket_count) * (int64_t)sizeof(rnnhw_bucket);
    if (k->bytes + bytes > k->max_bytes)
        return RNNHW_BYTES_MET;
    void *memory;
    rnnhw_bucket *const buckets = new_buckets(count, &memory);
    if (buckets == NULL)
        return RNNHW_BYTES_MET;
    /* Before the new ones are written: both are never held at once. */
    free_zeros(set->bucket_memory, bucket_bytes(set->bucket_count));
    set->buckets = buckets;
    set->bucket_memory = memory;
    set->bucket_count = count;
    set->numbered = set->claims.next = 0;
    k->bytes += bytes;
    return RNNHW_FITS;
}

void rnnhw_take_pages(rnnhw_keysets *k, const rnnhw_set *set, int64_t thread)
{
    const int64_t free_keys = set->room - set->count, words = k->words;
    const int64_t first = set->count + team_share(&k->team, thread, free_keys);
    const int64_t last = set->count + team_share(&k->team, thread + 1, free_keys);
    const int64_t stride = LEAST_PAGE / 8 / words > 0 ? LEAST_PAGE / 8 / words : 1;
    for (int64_t i = first; i < last; i += stride)
        *(volatile uint64_t *)rnnhw_key(set, i, words) = 0;
}

void rnnhw_free_sets(rnnhw_keysets *k)
{
    for (int64_t q = 0; q < k->set_count; q++) {
        for (int64_t c = 0; c < k->sets[q].chunk_room; c++)
            free(k->sets[q].chunks[c]);
        free(k->sets[q].chunks);
        free_zeros(k->sets[q].bucket_memory, bucket_bytes(k->sets[q].bucket_count));
    }
}

/* --- one key ---------------------------------------------------------------------------------- */

/* Which of the places of a bucket hold a tag, a bit each. */
static inline uint32_t tagged(rnnhw_tags held, uint8_t tag)
{
    uint32_t places = 0;
#if defined(__SSE2__) /* not by its address: it would be stored to be loaded as a whole */
    const __m128i tags = _mm_set_epi64x((int64_t)held.halves[1], (int64_t)held.halves[0]);
    places = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag)));
#else
    for (int i = 0; i < PLACES; i++)
        places |= (uint32_t)(held.tags[i] == tag) << i;
#endif
    return places & ((1u << held.count) - 1);
}

static inline int lowest_bit(uint64_t bits)
{
#if defined(__GNUC__)
    return __builtin_ctzll(bits);
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
    uint32_t *const place = &bucket->keys[bucket->held.count];
    *place = number;
    bucket->held.tags[bucket->held.count++] = tag;
    return place;
}

/* Whether a key is new: it gets a place under `number` then. By a thread that is alone; `words` are
 * the sets': a constant where the caller knows it. */
static ALWAYS_INLINE int put_key(rnnhw_set *set, const uint64_t *key,
                                 uint64_t hash, uint32_t number, int64_t words)
{
    const uint8_t tag = tag_of(hash);
    for (rnnhw_bucket *bucket = bucket_of(set, hash);; bucket = next_bucket(set, bucket)) {
        for (uint32_t like = tagged(bucket->held, tag); like != 0; like &= like - 1)
            if (equal_keys(rnnhw_key(set, bucket->keys[lowest_bit(like)], words), key, words))
                return 0;
        if (bucket->held.count < PLACES) {
            take_place(bucket, tag, number);
            return 1;
        }
    }
}

/* --- one key, by several threads -------------------------------------------------------------- */

static inline void lock_bucket(rnnhw_bucket *bucket)
{
#if defined(__GNUC__)
    for (int spins = 0; __atomic_exchange_n(&bucket->held.locked, 1, __ATOMIC_ACQUIRE); spins++)
        team_pause(spins);
#else
    (void)bucket;
#endif
}

static inline void unlock_bucket(rnnhw_bucket *bucket)
{
    STORE(&bucket->held.locked, 0);
}

/* The count and tags of a bucket now; other threads may add more at once. */
static inline rnnhw_tags held_now(const rnnhw_bucket *bucket)
{
    rnnhw_tags held;
    held.halves[1] = LOAD(&bucket->held.halves[1]);
    held.halves[0] = LOAD(&bucket->held.halves[0]);
    return held;
}

/* The same as `take_place` where others read; the bucket is locked. */
static inline uint32_t *take_shared_place(rnnhw_bucket *bucket, uint8_t tag, uint32_t number)
{
    const uint8_t count = bucket->held.count;
    STORE(&bucket->keys[count], number);
    STORE(&bucket->held.tags[count], tag);
    STORE(&bucket->held.count, (uint8_t)(count + 1));
    return &bucket->keys[count];
}

/* The place among `like` that stands for a key, or -1. */
static ALWAYS_INLINE int place_of(const rnnhw_keysets *k, const rnnhw_set *set,
                                  const rnnhw_bucket *bucket, uint32_t like, const uint64_t *key,
                                  int64_t words)
{
    for (; like != 0; like &= like - 1) {
        const int place = lowest_bit(like);
        if (equal_keys(numbered_key(k, set, LOAD(&bucket->keys[place]), words), key, words))
            return place;
    }
    return -1;
}

static inline void mark(rnnhw_candidates *found, int64_t candidate, uint32_t *place)
{
    found->places[candidate] = place;
    found->fresh[candidate] = 1;
}

/* Give a candidate a place, unless its key or an earlier candidate has one. */
static ALWAYS_INLINE void put_candidate(rnnhw_keysets *k, int64_t candidate, int64_t words)
{
    rnnhw_candidates *const found = &k->found;
    rnnhw_set *const set = &k->sets[found->targets[candidate]];
    const uint64_t *const key = found->keys + candidate * words, hash = found->hashes[candidate];
    const uint8_t tag = tag_of(hash);
    const uint32_t number = (uint32_t)(set->count + candidate);
    for (rnnhw_bucket *bucket = bucket_of(set, hash);; bucket = next_bucket(set, bucket)) {
        const rnnhw_tags before = held_now(bucket);
        int place = place_of(k, set, bucket, tagged(before, tag), key, words);
        if (place >= 0 && LOAD(&bucket->keys[place]) < number)
            return;
        if (place < 0 && before.count == PLACES)
            continue;
        lock_bucket(bucket);
        if (place < 0) { /* it may have come meanwhile */
            const uint32_t more = tagged(bucket->held, tag) >> before.count << before.count;
            place = place_of(k, set, bucket, more, key, words);
        }
        const int full = bucket->held.count == PLACES;
        if (place >= 0 && bucket->keys[place] > number) {
            found->fresh[bucket->keys[place] - set->count] = 0;
            STORE(&bucket->keys[place], number);
            mark(found, candidate, &bucket->keys[place]);
        } else if (place < 0 && !full)
            mark(found, candidate, take_shared_place(bucket, tag, number));
        unlock_bucket(bucket);
        if (place >= 0 || !full)
            return;
    }
}

/* --- a round ---------------------------------------------------------------------------------- */

void rnnhw_begin_round(rnnhw_keysets *k, int64_t count, int64_t part)
{
    k->found.count = count;
    k->found.part = part;
    k->found.claims.next = 0;
}

int rnnhw_claim_part(rnnhw_keysets *k, int64_t thread, int64_t *first, int64_t *last)
{
    rnnhw_candidates *const found = &k->found;
    const int64_t part = team_claim(&found->claims);
    *first = part * found->part;
    *last = *first + found->part < found->count ? *first + found->part : found->count;
    if (*first >= found->count)
        return 0;
    found->takers[part] = (uint8_t)thread;
    return 1;
}

/* Two misses of the cache for each candidate lie ahead of it: its bucket, then the key that it may
 * equal. */
static ALWAYS_INLINE void prefetch_bucket(const rnnhw_set *set, uint64_t hash)
{
    PREFETCH(bucket_of(set, hash));
}

static ALWAYS_INLINE void prefetch_key(const rnnhw_keysets *k, const rnnhw_set *set, uint64_t hash,
                                       int64_t words)
{
    const rnnhw_bucket *const bucket = bucket_of(set, hash);
    const rnnhw_tags held = held_now(bucket);
    const uint32_t like = tagged(held, tag_of(hash));
    if (like != 0)
        PREFETCH(numbered_key(k, set, LOAD(&bucket->keys[lowest_bit(like)]), words));
    else
        PREFETCH_WRITTEN(bucket); /* it takes a place */
}

/* Bring what candidate i + 2 AHEAD is looked up in, and what i + AHEAD is compared with. */
static ALWAYS_INLINE void look_ahead(rnnhw_keysets *k, int64_t i, int64_t first, int64_t last,
                                     int64_t words)
{
    const int32_t *const targets = k->found.targets;
    uint64_t *const hashes = k->found.hashes;
    const int64_t far = i + 2 * AHEAD, near = i + AHEAD;
    if (far < last) {
        hashes[far] = rnnhw_hash(k->found.keys + far * words, words);
        prefetch_bucket(&k->sets[targets[far]], hashes[far]);
    }
    if (near >= first && near < last)
        prefetch_key(k, &k->sets[targets[near]], hashes[near], words);
}

static ALWAYS_INLINE void take_shared(rnnhw_keysets *k, int64_t first, int64_t last, int64_t words)
{
    memset(k->found.fresh + first, 0, (size_t)(last - first));
    for (int64_t i = first - 2 * AHEAD; i < last; i++) {
        look_ahead(k, i, first, last, words);
        if (i >= first)
            put_candidate(k, i, words);
    }
}

/* A new key, by a thread that is alone. */
static ALWAYS_INLINE void append_key(rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key,
                                     int64_t words)
{
    uint64_t *const to = rnnhw_key(set, set->count, words);
    for (int64_t w = 0; w < words; w++)
        to[w] = key[w];
    set->count++;
    set->numbered++;
    k->taken_alone++;
}

static ALWAYS_INLINE void take_alone(rnnhw_keysets *k, int64_t count, int64_t words)
{
    const uint64_t *key = k->found.keys;
    if (k->bytes <= CACHED_BYTES) { /* nothing is far: to look ahead takes longer */
        for (int64_t i = 0; i < count; i++, key += words) {
            rnnhw_set *const set = &k->sets[k->found.targets[i]];
            if (put_key(set, key, rnnhw_hash(key, words), (uint32_t)set->count, words))
                append_key(k, set, key, words);
        }
        return;
    }
    for (int64_t i = -2 * AHEAD; i < count; i++) {
        look_ahead(k, i, 0, count, words);
        if (i < 0)
            continue;
        rnnhw_set *const set = &k->sets[k->found.targets[i]];
        if (put_key(set, key, k->found.hashes[i], (uint32_t)set->count, words))
            append_key(k, set, key, words);
        key += words;
    }
}

/* Which of at most 64 candidates are new, a bit each. */
static inline uint64_t marks_of(const uint8_t *fresh, int64_t count)
{
    uint64_t marks = 0;
#if defined(__SSE2__)
    if (count == 64) {
        for (int i = 0; i < 4; i++) {
            const __m128i marked = _mm_loadu_si128((const __m128i *)(fresh + 16 * i));
            const __m128i none = _mm_cmpeq_epi8(marked, _mm_setzero_si128());
            marks |= (uint64_t)(~(uint32_t)_mm_movemask_epi8(none) & 0xffff) << 16 * i;
        }
        return marks;
    }
#endif
    for (int64_t i = 0; i < count; i++)
        marks |= (uint64_t)fresh[i] << i;
    return marks;
}

/* Number the new candidates; append those of the thread's parts, and write into their places. */
static ALWAYS_INLINE void keep_new(rnnhw_keysets *k, int64_t thread, int64_t stop, int64_t words)
{
    const rnnhw_candidates *const found = &k->found;
    int64_t *const numbers = k->numbers + thread * rnnhw_number_stride(k->set_count);
    for (int64_t j = 0; j < k->touched_count; j++)
        numbers[k->touched[j]] = k->sets[k->touched[j]].count;
    for (int64_t part = 0; part * found->part < stop; part++) {
        const int mine = found->takers[part] == thread;
        const int64_t first = part * found->part;
        const int64_t last = first + found->part < stop ? first + found->part : stop;
        for (int64_t base = first; base < last; base += 64) {
            const int64_t count = last - base < 64 ? last - base : 64;
            for (uint64_t marks = marks_of(found->fresh + base, count); marks; marks &= marks - 1) {
                const int64_t i = base + lowest_bit(marks);
                const int32_t q = found->targets[i];
                const int64_t number = numbers[q]++;
                if (!mine)
                    continue;
                *found->places[i] = (uint32_t)number;
                uint64_t *const key = rnnhw_key(&k->sets[q], number, words);
                for (int64_t w = 0; w < words; w++)
                    key[w] = found->keys[i * words + w];
            }
        }
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

#define TAKE_ALONE(WORDS) take_alone(k, count, WORDS)
#define TAKE_SHARED(WORDS) take_shared(k, first, last, WORDS)
#define KEEP_NEW(WORDS) keep_new(k, thread, stop, WORDS)

void rnnhw_take_alone(rnnhw_keysets *k, int64_t count)
{
    WITH_WORDS(TAKE_ALONE, k->words)
}

void rnnhw_take_shared(rnnhw_keysets *k, int64_t first, int64_t last)
{
    WITH_WORDS(TAKE_SHARED, k->words)
}

void rnnhw_keep_new(rnnhw_keysets *k, int64_t thread, int64_t stop)
{
    WITH_WORDS(KEEP_NEW, k->words)
}

static void forget_places(rnnhw_set *set)
{
    memset(set->buckets, 0, (size_t)set->bucket_count * sizeof *set->buckets);
    set->numbered = set->claims.next = 0;
}

int64_t rnnhw_end_round(rnnhw_keysets *k, int64_t stop)
{
    int64_t total = k->taken_alone;
    for (int64_t j = 0; j < k->touched_count; j++) {
        rnnhw_set *const set = &k->sets[k->touched[j]];
        set->paged = set->room;
        if (k->alone)
            continue;
        const int64_t more = k->numbers[k->touched[j]] - set->count;
        set->count += more;
        set->numbered += more;
        total += more;
        if (stop < k->found.count) /* later candidates have places: all keys get new ones */
            forget_places(set);
    }
    k->touched_count = 0;
    k->taken_alone = 0;
    return total;
}

int rnnhw_put_key(rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key)
{
    if (!put_key(set, key, rnnhw_hash(key, k->words), (uint32_t)set->count, k->words))
        return 0;
    memcpy(rnnhw_key(set, set->count, k->words), key, (size_t)k->words * 8);
    set->count++;
    set->numbered++;
    return 1;
}

/* --- new buckets ------------------------------------------------------------------------------ */

/* Give keys first to last - 1 of a set places; `shared` where other threads do so too. */
static ALWAYS_INLINE void number_keys(rnnhw_set *set, int64_t first, int64_t last, int shared,
                                      int64_t words)
{
    uint64_t hashes[AHEAD];
    for (int64_t i = first - AHEAD; i < last; i++) {
        const int64_t ahead = i + AHEAD;
        const uint64_t hash = i < first ? 0 : hashes[i % AHEAD];
        if (ahead < last) {
            hashes[ahead % AHEAD] = rnnhw_hash(rnnhw_key(set, ahead, words), words);
            prefetch_bucket(set, hashes[ahead % AHEAD]);
        }
        if (i < first)
            continue;
        rnnhw_bucket *bucket = bucket_of(set, hash);
        for (;; bucket = next_bucket(set, bucket)) {
            if (shared)
                lock_bucket(bucket);
            if (bucket->held.count < PLACES)
                break;
            if (shared)
                unlock_bucket(bucket);
        }
        take_place(bucket, tag_of(hash), (uint32_t)i);
        if (shared)
            unlock_bucket(bucket);
    }
}

#define NUMBER_ALONE(WORDS) number_keys(set, 0, set->count, 0, WORDS)
#define NUMBER_SHARED(WORDS) number_keys(set, first, last, 1, WORDS)

static void end_numbering(void *of)
{
    rnnhw_set *const set = of;
    set->numbered = set->count;
}

void rnnhw_number_alone(rnnhw_keysets *k, rnnhw_set *set)
{
    WITH_WORDS(NUMBER_ALONE, k->words)
    end_numbering(set);
}

int rnnhw_number_keys(rnnhw_keysets *k, rnnhw_set *set)
{
    for (;;) {
        const int64_t first = team_claim(&set->claims) * CLAIMED_KEYS;
        if (first >= set->count)
            return team_wait_and(&k->team, end_numbering, set);
        const int64_t last =
            first + CLAIMED_KEYS < set->count ? first + CLAIMED_KEYS : set->count;
        WITH_WORDS(NUMBER_SHARED, k->words)
    }
}
