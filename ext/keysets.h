/* Exact sets of keys that several threads fill side by side.
 *
 * A set appends its keys in the order in which they are found, and never moves or drops one. It is
 * exact: a key is compared with every key that shares its bucket and its tag.
 *
 * Keys come in rounds of candidates, of which the threads claim part after part. A round is taken
 * into the sets in two steps, between which the threads wait for each other:
 *   1. `rnnhw_take_shared`: a thread looks up the candidates of a part that it has just made, while
 *      they are in its cache. One that is not in the set gets a place in a bucket at once, under the
 *      number of the candidate: of equal ones the first in order has the place in the end, whichever
 *      thread was faster. Who writes into a bucket locks it; who reads does not;
 *   2. `rnnhw_keep_new`: all threads count the new candidates in their order, which gives the new
 *      keys their numbers. Each appends those of its parts and writes the numbers into their places.
 * So the order of the keys is that of the candidates, whatever the number of threads.
 */
#ifndef RNNHW_KEYSETS_H
#define RNNHW_KEYSETS_H

#include "team.h"

enum rnnhw_bound {
    RNNHW_FITS,
    RNNHW_BYTES_MET, /* a growth would pass max_bytes, or there is no memory for it */
    RNNHW_SET_FULL   /* a set holds as many keys as 32 bits can number */
};

/* The count and tags of a bucket: places 0 to count - 1 have 8 bits of the hashes of their keys. */
typedef union {
    struct {
        uint8_t tags[12];
        uint8_t count;
        uint8_t locked; /* by a thread that writes */
        uint8_t spare[2];
    };
    uint64_t halves[2]; /* the second one first: places before its count stay as they are */
} rnnhw_tags;

/* 64 bytes: a line of the cache. A full bucket goes on in the next one, and the last in the first. */
typedef struct {
    uint32_t keys[12]; /* the numbers of keys */
    rnnhw_tags held;
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
    rnnhw_claims claims; /* of keys that get places in new buckets */
    int64_t paged;    /* keys for whose room the system has given pages, by rnnhw_take_pages */
} rnnhw_set;

/* The candidates of a round: key i belongs to set targets[i]. */
typedef struct {
    int64_t room; /* for so many candidates */
    int64_t count;
    int64_t part;      /* of so many, but for the last, is what a thread claims */
    uint64_t *keys;    /* [room][words] */
    int32_t *targets;  /* [room] */
    uint64_t *hashes;  /* [room] */
    uint8_t *fresh;    /* [room]: whether it has a place */
    uint32_t **places; /* [room]: which */
    uint8_t *takers;   /* [room]: the thread that takes a part */
    rnnhw_claims claims;
} rnnhw_candidates;

typedef struct {
    int64_t words; /* of a key */
    int64_t set_count;
    rnnhw_set *sets;
    int64_t bytes, max_bytes; /* of keys and buckets */
    rnnhw_candidates found;
    rnnhw_team team;
    int64_t *numbers;    /* [threads][rnnhw_number_stride]: by set what its next new key gets */
    int32_t *touched;    /* sets that this round's candidates belong to, each once */
    int64_t touched_count;
    int64_t alone;       /* one thread takes this round, whatever the team */
    int64_t taken_alone; /* new keys of this round that need no second step */
} rnnhw_keysets;

/* Numbers of a thread, which share no line of the cache with another's. */
static inline int64_t rnnhw_number_stride(int64_t set_count)
{
    return (set_count + 7) / 8 * 8 + 8;
}

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

/* Give all keys of a set places in new buckets. All threads call it; whether all came. */
int rnnhw_number_keys(rnnhw_keysets *k, rnnhw_set *set);

/* The same by one thread. */
void rnnhw_number_alone(rnnhw_keysets *k, rnnhw_set *set);

/* A round begins, of `count` candidates in parts of so many: none is claimed. */
void rnnhw_begin_round(rnnhw_keysets *k, int64_t count, int64_t part);

/* The next part of the round for a thread: candidates *first to *last - 1, or none is left. */
int rnnhw_claim_part(rnnhw_keysets *k, int64_t thread, int64_t *first, int64_t *last);

/* The two steps; sets have room. The second one concerns candidates before `stop` alone. */
void rnnhw_take_shared(rnnhw_keysets *k, int64_t first, int64_t last);
void rnnhw_keep_new(rnnhw_keysets *k, int64_t thread, int64_t stop);

/* Both steps at once, for a thread that is alone: of the first `count` candidates. */
void rnnhw_take_alone(rnnhw_keysets *k, int64_t count);

/* After the last step, by one thread: the sets hold what is new of the candidates before `stop`; how
 * many keys are. */
int64_t rnnhw_end_round(rnnhw_keysets *k, int64_t stop);

/* By one thread, for one key of a set that has room: whether it is new. */
int rnnhw_put_key(rnnhw_keysets *k, rnnhw_set *set, const uint64_t *key);

void rnnhw_free_sets(rnnhw_keysets *k);

#endif
