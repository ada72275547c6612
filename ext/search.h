/* The states that networks can reach beside an automaton: an exact breadth-first search.
 *
 * A state of the networks is a key of 64-bit words. For every state of the automaton there is one
 * set of keys (keysets.h): the keys not yet expanded are the frontier, all of them are the
 * certificate, and with the number of those expanded they are all that a search needs to go on
 * later. Nothing holds the way to a key: it is found again by stepping the level before
 * (`rnnhw_search_trace`).
 */
#ifndef RNNHW_SEARCH_H
#define RNNHW_SEARCH_H

#include "keysets.h"
#include "program.h"

/* A state vector of a network in a key. */
typedef struct {
    rnnhw_scan *scan;
    int64_t before, after; /* its slots */
    rnnhw_fields fields;
} rnnhw_packing;

/* The trace of a signal, [units][lanes] of so many bits, and the ends that its values keep. */
typedef struct {
    const void *values;
    int64_t bits, units, low, high;
} rnnhw_within;

/* A network of scans, planned for 16 lanes, whose symbols are prepared. */
typedef struct {
    const rnnhw_kernels *kernels;
    const rnnhw_time_node *nodes;
    int64_t node_count;
    const rnnhw_sequence *output;
    const rnnhw_packing *packings;
    int64_t packing_count;
    const rnnhw_within *within;
    int64_t within_count;
    const rnnhw_events *const *never;
    int64_t never_count;
} rnnhw_subject;

/* The state of one thread. */
typedef struct {
    rnnhw_subject subjects[2];
    uint64_t *block; /* 16 keys, [words][16] */
    int64_t broken;  /* the first candidate of its share that breaks the claim */
    int64_t symbol;  /* by this symbol */
} rnnhw_worker;

/* When threads share the work. */
typedef struct {
    int64_t team;  /* a thread that is alone ends its call before a level of so many successors */
    int64_t round; /* a round of fewer candidates for each thread is taken by one of them */
} rnnhw_share;

typedef struct {
    int64_t states, symbols;        /* of the automaton */
    const int64_t *next, *expected; /* [states][symbols]; -1: no edge; -1: no answer wanted */
    int64_t by_class;               /* answers are classes, not signs */
    int64_t subject_count;
    rnnhw_keysets keys;             /* one set a state of the automaton */
    int64_t total;                  /* keys of all sets */
    int64_t max_total;
    rnnhw_worker *workers;          /* one a thread */
    /* Where the search stands: keys `done` to `ends` - 1 of every set are left of the last level,
     * and `starts` has the first keys of all levels. */
    int64_t *done, *ends; /* [states] */
    int64_t *starts;      /* [levels][states], with room for as many more as a call has rounds */
    int64_t levels;
    /* The call. */
    rnnhw_share share;
    int64_t rounds; /* that it may still take */
    int64_t state;  /* whose keys are expanded; -1: of none yet */
    int64_t edges;  /* of that state */
    int64_t aimed;  /* candidates whose targets are those of its edges */
    int64_t taken;  /* keys of this round; 0: the call is over, with this status */
    int status;
    int64_t symbol;
} rnnhw_search;

enum rnnhw_search_status {
    RNNHW_UNFINISHED, /* there is more to expand */
    RNNHW_CLOSED,     /* all is */
    RNNHW_BROKEN,     /* a step breaks the claim */
    RNNHW_MAX_TOTAL, /* more keys than max_total */
    RNNHW_MAX_BYTES, /* as enum rnnhw_bound */
    RNNHW_MAX_SET
};

/* Room for candidates: successors that are made before they are taken into the sets. */
int64_t rnnhw_search_room(int64_t symbols);

/* Say that the next call takes at most so many rounds, by so many threads. */
void rnnhw_search_plan(rnnhw_search *s, int64_t rounds, int64_t threads);

/* Expand level after level: every thread calls it. `status` says why it ended; where a step breaks
 * the claim it is that of key done[state] of the set `state`, by `symbol`. Bounds are held between
 * rounds. The keys and their order do not depend on the number of threads. */
void rnnhw_search_work(rnnhw_search *s, int64_t thread);

/* The first of the keys first to last - 1 of the set `state` with an edge to key `index` of the
 * set `target`, and its symbol; -1 if there is none. */
int64_t rnnhw_search_trace(rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                           int64_t target, int64_t index, int64_t *symbol);

/* Put `count` keys into a set, each once: how many are new, or -1 - status. */
int64_t rnnhw_search_put(rnnhw_search *s, int64_t state, const uint64_t *keys, int64_t count);

/* Copy keys first to last - 1 of a set. */
void rnnhw_search_get(const rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                      uint64_t *keys);

#endif
