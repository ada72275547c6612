/* The states that networks can reach beside an automaton: an exact breadth-first search.
 *
 * A state of the networks is a key of 64-bit words. For every state of the automaton there is one
 * set of keys. A set appends its keys in the order in which they are found, and never moves or
 * drops one: the keys not yet expanded are the frontier, all of them are the certificate, and
 * with the number of those expanded they are all that a search needs to go on later. Nothing holds
 * the way to a key: it is found again by stepping the level before (`rnnhw_search_trace`).
 *
 * A set is exact: a key is compared with every key that shares its bucket and its tag.
 */
#ifndef RNNHW_SEARCH_H
#define RNNHW_SEARCH_H

#include "program.h"

/* A state vector of a network: unit u lies in word words[u] of a key, from bit shifts[u] on, as
 * its raw integer less `least`. */
typedef struct {
    rnnhw_scan *scan;
    int64_t before, after; /* its slots */
    int64_t bits;          /* of an element there */
    int64_t units, width, least;
    const int64_t *words, *shifts;
} rnnhw_packing;

/* The trace of a signal, [units][lanes] of so many bits, and the ends that its values keep. */
typedef struct {
    const void *values;
    int64_t bits, units, low, high;
} rnnhw_within;

/* A network of scans, planned for 16 lanes. */
typedef struct {
    const rnnhw_kernels *kernels;
    const rnnhw_time_node *nodes;
    int64_t node_count;
    rnnhw_sequence *input;
    const rnnhw_sequence *output;
    const int64_t *symbols; /* [symbols][input units] */
    const rnnhw_packing *packings;
    int64_t packing_count;
    const rnnhw_within *within;
    int64_t within_count;
    const rnnhw_events *const *never;
    int64_t never_count;
} rnnhw_subject;

/* 64 bytes: a line of the cache. Places 0 to count - 1 hold numbers of keys and 8 bits of their
 * hashes; a full bucket goes on in the next one. */
typedef struct {
    uint32_t keys[12];
    uint8_t tags[12];
    uint8_t count;
    uint8_t spare[3];
} rnnhw_bucket;

/* Key i of a set lies in chunk i >> 18. */
typedef struct {
    uint64_t **chunks;
    int64_t chunk_room;  /* places in that table */
    int64_t count, room; /* keys, and places for them */
    rnnhw_bucket *buckets;
    void *bucket_memory;
    int64_t bucket_count;
} rnnhw_set;

typedef struct {
    int64_t words;                   /* of a key */
    int64_t states, symbols;         /* of the automaton */
    const int64_t *next, *expected;  /* [states][symbols]; -1: no edge; -1: no answer wanted */
    int64_t by_class;                /* answers are classes, not signs */
    rnnhw_subject subjects[2];
    int64_t subject_count;
    rnnhw_set *sets;                 /* one a state of the automaton */
    int64_t total;                   /* keys of all sets */
    int64_t max_total;
    int64_t bytes, max_bytes;        /* of keys and buckets */
    uint64_t *block;                 /* scratch: 16 keys, [words][16] */
    uint64_t *keys;                  /* scratch: successors [rnnhw_search_batch()][words] */
    uint64_t *hashes;                /* and their hashes */
    int32_t *targets;                /* and the sets that they belong to */
} rnnhw_search;

enum rnnhw_search_status {
    RNNHW_EXPANDED,   /* all of them */
    RNNHW_BROKEN,     /* a step breaks the claim */
    RNNHW_MAX_TOTAL,  /* more keys than max_total */
    RNNHW_MAX_BYTES,  /* a growth would pass max_bytes, or there is no memory for it */
    RNNHW_MAX_SET     /* a set holds as many keys as 32 bits can number */
};

/* Room of the scratch arrays: successors that are made before they are put into the sets. */
int64_t rnnhw_search_batch(int64_t symbols);

/* Expand keys *first to last - 1 of the set `state`, or the first ones of them: `parts` times as many
 * as the scratch arrays hold successors of. *first is then the first one that is not expanded. A
 * key that breaks the claim is *first, by the symbol *symbol. Bounds are held between parts. */
int rnnhw_search_expand(rnnhw_search *s, int64_t state, int64_t *first, int64_t last,
                        int64_t parts, int64_t *symbol);

/* The first of the keys first to last - 1 of the set `state` with an edge to key `index` of the
 * set `target`, and its symbol; -1 if there is none. */
int64_t rnnhw_search_trace(rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                           int64_t target, int64_t index, int64_t *symbol);

/* Put `count` keys into a set, each once: how many are new, or -1 - status. */
int64_t rnnhw_search_put(rnnhw_search *s, int64_t state, const uint64_t *keys, int64_t count);

/* Copy keys first to last - 1 of a set. */
void rnnhw_search_get(const rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                      uint64_t *keys);

void rnnhw_search_free(rnnhw_search *s);

#endif
