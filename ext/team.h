/* Threads that take the same steps side by side and wait for each other between them. They are made
 * and joined by the caller; each calls the same function with a number of its own. */
#ifndef RNNHW_TEAM_H
#define RNNHW_TEAM_H

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

/* Wait until all threads are here; whether they are. What each wrote before, all see after it. */
static inline int team_wait(rnnhw_team *team)
{
#if defined(__GNUC__) && (defined(__unix__) || defined(__APPLE__))
    enum { SPINS = 2000, PAUSE = 20000 }; /* some 20 microseconds, and nanoseconds */
    if (team->threads == 1)
        return 1;
    const int32_t passed = __atomic_load_n(&team->barriers, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&team->waiting, 1, __ATOMIC_ACQ_REL) == team->threads) {
        __atomic_store_n(&team->waiting, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&team->barriers, passed + 1, __ATOMIC_RELEASE);
        return 1;
    }
    for (int spins = 0; __atomic_load_n(&team->barriers, __ATOMIC_ACQUIRE) == passed; spins++) {
        if (__atomic_load_n(&team->abandoned, __ATOMIC_ACQUIRE))
            return 0;
        if (spins >= SPINS) { /* one that yields instead takes time from those that work */
            const struct timespec pause = {.tv_nsec = PAUSE};
            nanosleep(&pause, NULL);
        }
#if defined(__SSE2__)
        else
            __builtin_ia32_pause();
#endif
    }
#else
    (void)team;
#endif
    return 1;
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

/* Add to a number that the threads share. */
static inline void team_add(int64_t *sum, int64_t more)
{
#if defined(__GNUC__)
    __atomic_add_fetch(sum, more, __ATOMIC_RELAXED);
#else
    *sum += more;
#endif
}

/* Thread `thread`'s share of 0 to count - 1 is share(thread) to share(thread + 1) - 1. */
static inline int64_t team_share(const rnnhw_team *team, int64_t thread, int64_t count)
{
    return count * thread / team->threads;
}

#endif
