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
    HUGE_PAGE = 1 << 21,
    LEAST_PAGE = 4096,
    AHEAD = 24           /* keys between a prefetch and its use */
};

#define MOST_KEYS ((int64_t)UINT32_MAX)

/* In a letter about a key: it has a place. */
#define NUMBERED UINT64_MAX

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
    return set->buckets + set->bucket_count / RNNHW_STRIPES * stripe;
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
    int64_t count = set->bucket_count == 0 ? RNNHW_STRIPES : set->bucket_count;
    while (4 * wanted > 3 * PLACES * count)
        count *= 2; /* by half takes 3 bytes a key less at most, and numbers all keys twice as often */
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

/* Letters to one thread: a share of the candidates at most. */
static int64_t most_letters(int64_t room, int64_t block, int64_t threads)
{
    return room / threads + block;
}

int64_t rnnhw_letter_words(int64_t room, int64_t block, int64_t words, int64_t threads)
{
    return threads * most_letters(room, block, threads) * (RNNHW_LETTER_HEAD + words);
}

void rnnhw_form_team(rnnhw_keysets *k, int64_t threads)
{
    const int64_t most = most_letters(k->found.room, k->found.block, threads);
    k->team = (rnnhw_team){.threads = (int32_t)threads};
    for (int64_t t = 0; t < threads; t++) {
        for (int64_t s = team_share(&k->team, t, RNNHW_STRIPES);
             s < team_share(&k->team, t + 1, RNNHW_STRIPES); s++)
            k->owners[s] = (uint8_t)t;
        for (int64_t to = 0; to < threads; to++)
            k->members[t].letters[to] = (rnnhw_letters){
                k->members[t].pool + to * most * (RNNHW_LETTER_HEAD + k->words), 0};
    }
}

/* Whether a thread's search left its part: all know it behind the barrier that follows. */
static int any_late(const rnnhw_keysets *k)
{
    int64_t late = 0;
    for (int64_t t = 0; t < k->team.threads; t++)
        late += k->members[t].late_count;
    return late != 0;
}

/* Behind a thread's buckets of a set. */
static inline const rnnhw_bucket *own_end(const rnnhw_keysets *k, const rnnhw_set *set,
                                          int64_t thread)
{
    return stripe_at(set, team_share(&k->team, thread + 1, RNNHW_STRIPES));
}

static inline void empty_letters(rnnhw_keysets *k, int64_t thread)
{
    for (int64_t t = 0; t < k->team.threads; t++)
        k->members[thread].letters[t].count = 0;
}

static ALWAYS_INLINE void post(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last,
                               int64_t words)
{
    rnnhw_letters *const letters = k->members[thread].letters;
    for (int64_t i = first; i < last; i++) {
        const uint64_t *const key = k->found.keys + i * words, hash = rnnhw_hash(key, words);
        rnnhw_letters *const to = &letters[k->owners[stripe_of(hash)]];
        uint64_t *const letter = to->words + to->count++ * (RNNHW_LETTER_HEAD + words);
        letter[0] = hash;
        letter[1] = (uint64_t)i | (uint64_t)k->found.targets[i] << 32;
        for (int64_t w = 0; w < words; w++)
            letter[RNNHW_LETTER_HEAD + w] = key[w];
    }
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
    const uint32_t like = tagged(bucket, tag_of(hash));
    if (like != 0)
        PREFETCH(numbered_key(k, set, bucket->keys[lowest_bit(like)], words));
}

static inline void mark(rnnhw_fresh *fresh, int64_t candidate, uint64_t place)
{
    fresh->marks[candidate >> 6] |= 1ull << (candidate & 63);
    fresh->places[fresh->count++] = (uint32_t *)(uintptr_t)place;
}

static inline void clear_marks(uint64_t *marks, int64_t count)
{
    memset(marks, 0, (size_t)(count + 63) / 64 * sizeof *marks);
}

/* Look up the letters from one thread to another, of candidates before `stop`. */
static ALWAYS_INLINE void find_letters(rnnhw_keysets *k, int64_t from, int64_t thread,
                                       int64_t stop, int64_t words)
{
    const rnnhw_letters *const letters = &k->members[from].letters[thread];
    rnnhw_member *const member = &k->members[thread];
    const int64_t size = RNNHW_LETTER_HEAD + words, count = letters->count;
    int64_t late = 0;
    for (int64_t i = -2 * AHEAD; i < count; i++) {
        if (i + 2 * AHEAD < count) {
            const uint64_t *const letter = letters->words + (i + 2 * AHEAD) * size;
            prefetch_bucket(&k->sets[letter[1] >> 32], letter[0]);
        }
        if (i + AHEAD >= 0 && i + AHEAD < count) {
            const uint64_t *const letter = letters->words + (i + AHEAD) * size;
            prefetch_key(k, &k->sets[letter[1] >> 32], letter[0], words);
        }
        if (i < 0)
            continue;
        const uint64_t *const letter = letters->words + i * size;
        const int64_t candidate = (int64_t)(letter[1] & 0xffffffffu);
        if (candidate >= stop)
            break;
        rnnhw_set *const set = &k->sets[letter[1] >> 32];
        const uint64_t place =
            look_up(k, set, letter + RNNHW_LETTER_HEAD, letter[0],
                    (uint32_t)(set->count + candidate), words, own_end(k, set, thread));
        if (place == DEFERRED) {
            member->late[candidate >> 6] |= 1ull << (candidate & 63);
            late++;
        } else if (place != KNOWN)
            mark(&member->fresh, candidate, place);
    }
    member->late_count += late;
}

static ALWAYS_INLINE void take_alone(rnnhw_keysets *k, int64_t count, int64_t words)
{
    const int32_t *const targets = k->found.targets;
    uint64_t *const hashes = k->found.hashes;
    for (int64_t i = -2 * AHEAD; i < count; i++) {
        const int64_t far = i + 2 * AHEAD, near = i + AHEAD;
        if (far < count) {
            hashes[far] = rnnhw_hash(k->found.keys + far * words, words);
            prefetch_bucket(&k->sets[targets[far]], hashes[far]);
        }
        if (near >= 0 && near < count)
            prefetch_key(k, &k->sets[targets[near]], hashes[near], words);
        if (i < 0)
            continue;
        rnnhw_set *const set = &k->sets[targets[i]];
        const uint64_t *const key = k->found.keys + i * words, hash = hashes[i];
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

/* The marks of all threads of candidates 64 w to 64 w + 63. */
static inline uint64_t all_marks(const rnnhw_keysets *k, int64_t w)
{
    uint64_t marks = k->belated.count ? k->belated.marks[w] : 0;
    for (int64_t t = 0; t < k->team.threads; t++)
        marks |= k->members[t].fresh.marks[w];
    return marks;
}

/* Number the new keys. Those of candidates `first` to `last` - 1 are appended, and the places of
 * `fresh` written. */
static ALWAYS_INLINE void keep_new(rnnhw_keysets *k, int64_t *numbers, const rnnhw_fresh *fresh,
                                   int64_t first, int64_t last, int64_t words)
{
    for (int64_t j = 0; j < k->touched_count; j++)
        numbers[k->touched[j]] = k->sets[k->touched[j]].count;
    int64_t patched = 0;
    for (int64_t base = 0; base < k->found.count; base += 64) {
        const uint64_t own = fresh->count ? fresh->marks[base >> 6] : 0;
        for (uint64_t marks = all_marks(k, base >> 6); marks != 0; marks &= marks - 1) {
            const int64_t i = base + lowest_bit(marks);
            const int32_t q = k->found.targets[i];
            const int64_t number = numbers[q]++;
            if (own & marks & -marks)
                *fresh->places[patched++] = (uint32_t)number;
            if (i < first || i >= last)
                continue;
            uint64_t *const key = rnnhw_key(&k->sets[q], number, words);
            for (int64_t w = 0; w < words; w++)
                key[w] = k->found.keys[i * words + w];
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

#define POST(WORDS) post(k, thread, first, last, WORDS)
#define FIND_LETTERS(WORDS) find_letters(k, from, thread, stop, WORDS)
#define TAKE_ALONE(WORDS) take_alone(k, count, WORDS)
#define KEEP_NEW(WORDS) keep_new(k, member->numbers, &member->fresh, first, last, WORDS)

void rnnhw_take_alone(rnnhw_keysets *k, int64_t count)
{
    WITH_WORDS(TAKE_ALONE, k->words)
}

void rnnhw_post(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last)
{
    WITH_WORDS(POST, k->words)
}

/* By thread 0: the searches that left the buckets of their threads. */
static void find_late(rnnhw_keysets *k)
{
    clear_marks(k->belated.marks, k->found.count);
    for (int64_t base = 0; base < k->found.count; base += 64) {
        uint64_t late = 0;
        for (int64_t t = 0; t < k->team.threads; t++)
            late |= k->members[t].late[base >> 6];
        for (; late != 0; late &= late - 1) {
            const int64_t i = base + lowest_bit(late);
            const uint64_t *const key = k->found.keys + i * k->words;
            rnnhw_set *const set = &k->sets[k->found.targets[i]];
            const uint64_t place = look_up_alone(k, set, key, rnnhw_hash(key, k->words),
                                                 (uint32_t)(set->count + i));
            if (place != KNOWN)
                mark(&k->belated, i, place);
        }
    }
}

int rnnhw_find_own(rnnhw_keysets *k, int64_t thread, int64_t stop)
{
    rnnhw_member *const member = &k->members[thread];
    member->fresh.count = 0;
    member->late_count = 0;
    clear_marks(member->fresh.marks, k->found.count);
    clear_marks(member->late, k->found.count);
    if (thread == 0)
        k->belated.count = 0;
    for (int64_t from = 0; from < k->team.threads; from++)
        WITH_WORDS(FIND_LETTERS, k->words)
    if (!team_wait(&k->team))
        return 0;
    empty_letters(k, thread);
    if (!any_late(k))
        return 1;
    if (thread == 0)
        find_late(k);
    return team_wait(&k->team);
}

void rnnhw_keep_new(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last)
{
    rnnhw_member *const member = &k->members[thread];
    if (thread == 0 && k->belated.count)
        keep_new(k, member->numbers, &k->belated, 0, 0, k->words);
    WITH_WORDS(KEEP_NEW, k->words)
}

int64_t rnnhw_end_round(rnnhw_keysets *k)
{
    int64_t total = k->taken_alone;
    for (int64_t j = 0; j < k->touched_count; j++) {
        rnnhw_set *const set = &k->sets[k->touched[j]];
        set->paged = set->room;
        if (k->alone)
            continue;
        const int64_t more = k->members[0].numbers[k->touched[j]] - set->count;
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

/* Number the keys that letters to a thread tell of. */
static void number_letters(rnnhw_keysets *k, rnnhw_set *set, int64_t from, int64_t thread)
{
    const rnnhw_letters *const letters = &k->members[from].letters[thread];
    const rnnhw_bucket *const end = own_end(k, set, thread);
    int64_t late = 0;
    for (int64_t i = -AHEAD; i < letters->count; i++) {
        if (i + AHEAD < letters->count)
            prefetch_bucket(set, letters->words[(i + AHEAD) * RNNHW_LETTER_HEAD]);
        if (i < 0)
            continue;
        uint64_t *const letter = letters->words + i * RNNHW_LETTER_HEAD;
        if (number_key(bucket_of(set, letter[0]), end, letter[0], (int64_t)letter[1]))
            letter[1] = NUMBERED;
        else
            late++;
    }
    k->members[thread].late_count += late;
}

/* By thread 0: the keys that found no place among their owner's buckets. */
static void number_late(rnnhw_keysets *k, rnnhw_set *set)
{
    const rnnhw_bucket *const end = set->buckets + set->bucket_count;
    for (int64_t from = 0; from < k->team.threads; from++)
        for (int64_t to = 0; to < k->team.threads; to++) {
            const rnnhw_letters *const letters = &k->members[from].letters[to];
            for (int64_t i = 0; i < letters->count; i++) {
                const uint64_t *const letter = letters->words + i * RNNHW_LETTER_HEAD;
                if (letter[1] != NUMBERED &&
                    !number_key(bucket_of(set, letter[0]), end, letter[0], (int64_t)letter[1]))
                    number_key(set->buckets, end, letter[0], (int64_t)letter[1]);
            }
        }
}

void rnnhw_number_alone(rnnhw_keysets *k, rnnhw_set *set)
{
    const rnnhw_bucket *const end = set->buckets + set->bucket_count;
    for (int64_t i = -AHEAD; i < set->count; i++) {
        if (i + AHEAD < set->count)
            prefetch_bucket(set, rnnhw_hash(rnnhw_key(set, i + AHEAD, k->words), k->words));
        if (i < 0)
            continue;
        const uint64_t hash = rnnhw_hash(rnnhw_key(set, i, k->words), k->words);
        if (!number_key(bucket_of(set, hash), end, hash, i))
            number_key(set->buckets, end, hash, i);
    }
    set->numbered = set->count;
}

int rnnhw_number_keys(rnnhw_keysets *k, rnnhw_set *set, int64_t thread)
{
    rnnhw_member *const member = &k->members[thread];
    /* Letters without keys: more than of a round have room. */
    const int64_t most = k->found.room * (RNNHW_LETTER_HEAD + k->words) / RNNHW_LETTER_HEAD;
    for (int64_t base = 0; base < set->count; base += most) {
        const int64_t left = set->count - base;
        const int64_t count = left < most ? left : most;
        const int64_t last = base + team_share(&k->team, thread + 1, count);
        empty_letters(k, thread);
        for (int64_t i = base + team_share(&k->team, thread, count); i < last; i++) {
            const uint64_t hash = rnnhw_hash(rnnhw_key(set, i, k->words), k->words);
            rnnhw_letters *const to = &member->letters[k->owners[stripe_of(hash)]];
            uint64_t *const letter = to->words + to->count++ * RNNHW_LETTER_HEAD;
            letter[0] = hash;
            letter[1] = (uint64_t)i;
        }
        if (!team_wait(&k->team))
            return 0;
        member->late_count = 0;
        for (int64_t from = 0; from < k->team.threads; from++)
            number_letters(k, set, from, thread);
        if (!team_wait(&k->team))
            return 0;
        if (!any_late(k))
            continue;
        if (thread == 0)
            number_late(k, set);
        if (!team_wait(&k->team))
            return 0;
    }
    empty_letters(k, thread);
    if (thread == 0) /* the others have all seen that it was less: they were needed here */
        set->numbered = set->count;
    return 1;
}
