/* Exact sets of keys that several threads fill side by side.
 *
 * A set appends its keys in the order in which they are found, and never moves or drops one. It is
 * exact: a key is compared with every key that shares its bucket and its tag.
 *
 * Keys come in rounds of candidates. Every thread makes a share of them and owns a part of every
 * set's buckets. A round is taken into the sets in three steps, between which the threads wait for
 * each other:
 *   1. `rnnhw_post`: a thread sends the candidates of its share to the owners of their buckets, as
 *      letters that hold all that the owner reads: its lines of the cache are written by one thread
 *      and read by one;
 *   2. `rnnhw_find_own`: an owner looks its letters up in the order of the candidates, gives those
 *      that are new a place, and marks them;
 *   3. `rnnhw_keep_new`: all threads count the marks in the order of the candidates, which gives the
 *      new keys their numbers. Each appends those of its share and writes the numbers into its own
 *      places.
 * So the order of the keys is that of the candidates, whatever the number of threads, and no thread
 * writes into a bucket that is not its own.
 */
#ifndef RNNHW_KEYSETS_H
#define RNNHW_KEYSETS_H

#include "team.h"

enum {
    RNNHW_STRIPES = 64,   /* equal parts of the buckets, by the top bits of a hash */
    RNNHW_LETTER_HEAD = 2 /* words: the hash; the candidate and, in the upper half, its set */
};

enum rnnhw_bound {
    RNNHW_FITS,
    RNNHW_BYTES_MET, /* a growth would pass max_bytes, or there is no memory for it */
    RNNHW_SET_FULL   /* a set holds as many keys as 32 bits can number */
};

/* 64 bytes: a line of the cache. Places 0 to count - 1 hold numbers of keys and 8 bits of their
 * hashes; a full bucket goes on in the next one. */
typedef struct {
    uint32_t keys[12];
    uint8_t tags[12];
    uint8_t count;
    uint8_t spare[3];
} rnnhw_bucket;

/* Key i of a set lies in chunk i >> rnnhw_chunk_bits(words). */
typedef struct {
    uint64_t **chunks;
    int64_t chunk_room;  /* places in that table */
    int64_t count, room; /* keys, and places for them */
    rnnhw_bucket *buckets;
    void *bucket_memory;
    int64_t bucket_count;
    int64_t numbered; /* keys that have places in the buckets: fewer than all after a growth */
    int64_t paged;    /* keys for whose room the system has given pages, by rnnhw_take_pages */
} rnnhw_set;

/* What is made in a round: key i belongs to set targets[i]. */
typedef struct {
    int64_t room;     /* for so many candidates */
    int64_t block;    /* a share is a multiple of so many at most, but for the last */
    int64_t count;
    uint64_t *keys;   /* [room][words] */
    int32_t *targets; /* [room] */
    uint64_t *hashes; /* [room]: by a thread that is alone */
} rnnhw_candidates;

/* What a thread sends to another: RNNHW_LETTER_HEAD words and the key. */
typedef struct {
    uint64_t *words;
    int64_t count;
} rnnhw_letters;

/* The new keys among those whose places a thread writes. */
typedef struct {
    uint64_t *marks;   /* a bit a candidate */
    uint32_t **places; /* theirs, in order */
    int64_t count;
} rnnhw_fresh;

typedef struct {
    uint64_t *pool;
    rnnhw_letters *letters; /* to every thread, in the pool */
    rnnhw_fresh fresh;
    uint64_t *late;   /* a bit a candidate whose search left the buckets of the thread */
    int64_t late_count;
    int64_t *numbers; /* by set what its next new key gets */
} rnnhw_member;

typedef struct {
    int64_t words; /* of a key */
    int64_t set_count;
    rnnhw_set *sets;
    int64_t bytes, max_bytes; /* of keys and buckets */
    rnnhw_candidates found;
    rnnhw_team team;
    rnnhw_member *members;
    uint8_t owners[RNNHW_STRIPES]; /* the threads that own the parts of the buckets */
    rnnhw_fresh belated; /* what thread 0 finds for the others, where their searches leave their part */
    int32_t *touched;    /* sets that this round's candidates belong to, each once */
    int64_t touched_count;
    int64_t alone;       /* one thread takes this round, whatever the team */
    int64_t taken_alone; /* new keys of this round that need no third step */
} rnnhw_keysets;

static inline uint64_t rnnhw_hash(const uint64_t *key, int64_t words)
{
    uint64_t h = 0;
    for (int64_t w = 0; w < words; w++) {
        h = (h ^ key[w]) * 0x9e3779b97f4a7c15ull;
        h ^= h >> 32;
    }
    return h * 0xd6e8feb86659fd93ull;
}

/* As few keys as fill whole huge pages of 2 MiB: 2^18 of odd words, half of that for each factor of
 * two, so that a set has little room that it does not use. */
static inline int rnnhw_chunk_bits(int64_t words)
{
    return 18 - !(words & 1) - !(words & 3) - !(words & 7) - !(words & 15) - !(words & 31);
}

/* Key `index` of a set, of so many words. */
static inline uint64_t *rnnhw_key(const rnnhw_set *set, int64_t index, int64_t words)
{
    const int bits = rnnhw_chunk_bits(words);
    return set->chunks[index >> bits] + (index & (((int64_t)1 << bits) - 1)) * words;
}

/* Memory for `more` further keys of a set; if a bound forbids it the set is as it was. Its buckets
 * may be new ones then, which `rnnhw_number_keys` fills. */
enum rnnhw_bound rnnhw_make_room(rnnhw_keysets *k, rnnhw_set *set, int64_t more);

/* Let the system give the pages of new room, of which each thread asks for a part: it clears them,
 * and the others would wait for the one that meets a new page first. */
void rnnhw_take_pages(rnnhw_keysets *k, const rnnhw_set *set, int64_t thread);

/* Words of a thread's pool for its letters, if at most so many threads form a team. */
int64_t rnnhw_letter_words(int64_t room, int64_t block, int64_t words, int64_t threads);

/* So many threads take the next rounds. */
void rnnhw_form_team(rnnhw_keysets *k, int64_t threads);

/* Give all keys of a set places in new buckets. All threads call it; whether all came. The letters
 * are used. */
int rnnhw_number_keys(rnnhw_keysets *k, rnnhw_set *set, int64_t thread);

/* The same by one thread. */
void rnnhw_number_alone(rnnhw_keysets *k, rnnhw_set *set);

/* The three steps; sets have room. A thread posts the candidates of its share, first to last - 1, in
 * order and in as many calls as it likes. The other two concern those before `stop` alone, and
 * `rnnhw_find_own` waits for the other threads at its end; whether all came. */
void rnnhw_post(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last);
int rnnhw_find_own(rnnhw_keysets *k, int64_t thread, int64_t stop);
void rnnhw_keep_new(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last);

/* All three steps at once, for a thread that is alone: of the first `count` candidates. Nothing that
 * leaves the cache is touched twice. */
void rnnhw_take_alone(rnnhw_keysets *k, int64_t count);

/* After the last step, by one thread: the sets hold what is new; how many keys are. */
int64_t rnnhw_end_round(rnnhw_keysets *k);

/* By one thread, for one key of a set that has room: whether it is new. */
int rnnhw_put_key(rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key);

void rnnhw_free_sets(rnnhw_keysets *k);

#endif
