/* Exact sets of keys that several threads fill side by side.
 *
 * A set appends its keys in the order in which they are found, and never moves or drops one. It is
 * exact: a key is compared with every key that shares its bucket and its tag.
 *
 * Keys come in rounds of candidates. A round is taken into the sets in three steps, between which
 * the threads wait for each other:
 *   1. `rnnhw_find_own`: every thread looks up the candidates whose buckets are its own, in order,
 *      and gives those that are new a place there, under the candidate's number;
 *   2. `rnnhw_count_new`: it counts the new ones of its share of the candidates;
 *   3. `rnnhw_keep_new`: it appends them, and their places get their numbers in the set.
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

/* 64 bytes: a line of the cache. Places 0 to count - 1 hold numbers of keys and 8 bits of their
 * hashes; a full bucket goes on in the next one. */
typedef struct {
    uint32_t keys[12];
    uint8_t tags[12];
    uint8_t count;
    uint8_t spare[3];
} rnnhw_bucket;

/* Key i of a set lies in chunk i >> RNNHW_CHUNK_BITS. */
typedef struct {
    uint64_t **chunks;
    int64_t chunk_room;  /* places in that table */
    int64_t count, room; /* keys, and places for them */
    rnnhw_bucket *buckets;
    void *bucket_memory;
    int64_t bucket_count;
    int64_t numbered; /* keys that have places in the buckets: fewer than all after a growth */
} rnnhw_set;

/* What is found in a round: key i belongs to set targets[i]. */
typedef struct {
    int64_t room;      /* for so many candidates */
    int64_t count;
    uint64_t *keys;    /* [room][words] */
    uint64_t *hashes;  /* [room] */
    int32_t *targets;  /* [room] */
    uint64_t *places;  /* [room]: the address of a new key's place, between the first and the last
                          step of a round; else 0 */
} rnnhw_candidates;

typedef struct {
    int64_t words; /* of a key */
    int64_t set_count;
    rnnhw_set *sets;
    int64_t bytes, max_bytes; /* of keys and buckets */
    rnnhw_candidates found;
    rnnhw_team team;
    int64_t deferred;  /* candidates so far whose search left the buckets of their thread */
    uint32_t *own;     /* [threads][room]: candidates of each thread */
    int64_t *new_keys; /* [threads][sets]: in each thread's share */
    int64_t *numbers;  /* [threads][sets]: what the next one of the share gets */
    int32_t *touched;  /* sets that this round's candidates belong to, each once */
    int64_t touched_count;
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

enum { RNNHW_CHUNK_BITS = 18, RNNHW_CHUNK_KEYS = 1 << RNNHW_CHUNK_BITS };

/* Key `index` of a set, of so many words. */
static inline uint64_t *rnnhw_key(const rnnhw_set *set, int64_t index, int64_t words)
{
    return set->chunks[index >> RNNHW_CHUNK_BITS] + (index & (RNNHW_CHUNK_KEYS - 1)) * words;
}

/* Memory for `more` further keys of a set; if a bound forbids it the set is as it was. Its buckets
 * may be new ones then, which `rnnhw_number_keys` fills. */
enum rnnhw_bound rnnhw_make_room(rnnhw_keysets *k, rnnhw_set *set, int64_t more);

/* Give all keys of a set places in new buckets. All threads call it; whether all came. The room of
 * the candidates is used. */
int rnnhw_number_keys(rnnhw_keysets *k, rnnhw_set *set, int64_t thread);

/* The three steps for the candidates before `stop`; sets have room. Those of a thread's share are
 * `first` to `last` - 1. `rnnhw_find_own` waits for the other threads; whether all came. */
int rnnhw_find_own(rnnhw_keysets *k, int64_t thread, int64_t stop);
void rnnhw_count_new(rnnhw_keysets *k, int64_t thread, int64_t first, int64_t last);
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
