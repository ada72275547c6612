/* Threads that take the same steps side by side and wait for each other between them. They are made
 * and joined by the caller; each calls the same function with a number of its own. */
#ifndef RNNHW_TEAM_H
#define RNNHW_TEAM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && (defined(__unix__) || defined(__APPLE__))
#include <time.h>
enum { RNNHW_MOST_THREADS = 64 };
#else
enum { RNNHW_MOST_THREADS = 1 };
#endif

typedef struct {
    int32_t threads;
    int32_t waiting;   /* threads that have come to the barrier */
    int32_t barriers;  /* that all have passed */
    int32_t abandoned; /* one will never come: the others leave */
} rnnhw_team;

/* Parts of some work that threads take one after the other, until none is left: one that its core
 * runs slowly takes fewer. The counter has a line of the cache of its own. */
typedef struct {
    char before[64];
    int64_t next;
    char after[64];
} rnnhw_claims;

/* The next part that no thread has taken. */
static inline int64_t team_claim(rnnhw_claims *claims)
{
#if defined(__GNUC__)
    return __atomic_fetch_add(&claims->next, 1, __ATOMIC_RELAXED);
#else
    return claims->next++;
#endif
}

/* Wait a moment for another thread, the longer the more often it was waited for. */
static inline void team_pause(int spins)
{
#if defined(__GNUC__) && (defined(__unix__) || defined(__APPLE__))
    enum { SPINS = 4000, PAUSE = 20000 }; /* some 40 to 200 microseconds, and nanoseconds */
    if (spins >= SPINS) { /* one that yields instead takes time from those that work */
        const struct timespec pause = {.tv_nsec = PAUSE};
        nanosleep(&pause, NULL);
    }
#if defined(__SSE2__)
    else
        __builtin_ia32_pause();
#endif
#else
    (void)spins;
#endif
}

/* Wait until all threads are here; whether they are. All threads then see what any of them wrote
 * before. The last to come calls `serial(of)` before any goes on, if there is such a function. */
static inline int team_wait_and(rnnhw_team *team, void (*serial)(void *), void *of)
{
#if defined(__GNUC__) && (defined(__unix__) || defined(__APPLE__))
    if (team->threads == 1) {
        if (serial != NULL)
            serial(of);
        return 1;
    }
    const int32_t passed = __atomic_load_n(&team->barriers, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&team->waiting, 1, __ATOMIC_ACQ_REL) == team->threads) {
        __atomic_store_n(&team->waiting, 0, __ATOMIC_RELAXED);
        if (serial != NULL)
            serial(of);
        __atomic_store_n(&team->barriers, passed + 1, __ATOMIC_RELEASE);
        return 1;
    }
    for (int spins = 0; __atomic_load_n(&team->barriers, __ATOMIC_ACQUIRE) == passed; spins++) {
        if (__atomic_load_n(&team->abandoned, __ATOMIC_ACQUIRE))
            return 0;
        team_pause(spins);
    }
#else
    (void)team;
    if (serial != NULL)
        serial(of);
#endif
    return 1;
}

static inline int team_wait(rnnhw_team *team)
{
    return team_wait_and(team, NULL, NULL);
}

/* Let the others leave the barrier at which they wait. */
static inline void team_abandon(rnnhw_team *team)
{
#if defined(__GNUC__)
    __atomic_store_n(&team->abandoned, 1, __ATOMIC_RELEASE);
#else
    team->abandoned = 1;
#endif
}

/* Thread `thread`'s share of 0 to count - 1 is share(thread) to share(thread + 1) - 1. */
static inline int64_t team_share(const rnnhw_team *team, int64_t thread, int64_t count)
{
    return count * thread / team->threads;
}

#endif
