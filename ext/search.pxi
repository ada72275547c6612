# The search of states (search.h): which programs it steps, and its sets as arrays.

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from "search.h":
    ctypedef struct rnnhw_fields:
        int64_t bits
        int64_t units
        int64_t width
        int64_t least
        const int64_t *words
        const int64_t *shifts

    ctypedef struct rnnhw_packing:
        rnnhw_scan *scan
        int64_t before
        int64_t after
        rnnhw_fields fields

    ctypedef struct rnnhw_within:
        const void *values
        int64_t bits
        int64_t units
        int64_t low
        int64_t high

    ctypedef struct rnnhw_subject:
        const rnnhw_kernels *kernels
        const rnnhw_time_node *nodes
        int64_t node_count
        const rnnhw_sequence *output
        const rnnhw_packing *packings
        int64_t packing_count
        const rnnhw_within *within
        int64_t within_count
        const rnnhw_events *const *never
        int64_t never_count

    ctypedef struct rnnhw_set:
        int64_t count

    ctypedef struct rnnhw_candidates:
        int64_t room
        uint64_t *keys
        int32_t *targets
        uint64_t *hashes
        uint8_t *fresh
        uint32_t **places
        uint8_t *takers

    ctypedef struct rnnhw_team:
        pass

    ctypedef struct rnnhw_keysets:
        int64_t words
        int64_t set_count
        rnnhw_set *sets
        int64_t bytes
        int64_t max_bytes
        rnnhw_candidates found
        rnnhw_team team
        int64_t *numbers
        int32_t *touched

    ctypedef struct rnnhw_worker:
        rnnhw_subject subjects[2]
        uint64_t *block

    ctypedef struct rnnhw_share:
        int64_t team
        int64_t round

    ctypedef struct rnnhw_search:
        int64_t states
        int64_t symbols
        const int64_t *next
        const int64_t *expected
        int64_t by_class
        int64_t subject_count
        rnnhw_keysets keys
        int64_t total
        int64_t max_total
        rnnhw_worker *workers
        int64_t *done
        int64_t *ends
        int64_t *starts
        int64_t levels
        rnnhw_share share
        int64_t state
        int status
        int64_t symbol

    int RNNHW_MOST_THREADS
    void team_abandon(rnnhw_team *team)
    int64_t rnnhw_number_stride(int64_t set_count)
    void rnnhw_free_sets(rnnhw_keysets *k)
    int64_t rnnhw_search_room(int64_t symbols)
    void rnnhw_search_plan(rnnhw_search *s, int64_t rounds, int64_t threads)
    void rnnhw_search_work(rnnhw_search *s, int64_t thread) nogil
    int64_t rnnhw_search_trace(rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                               int64_t target, int64_t index, int64_t *symbol) nogil
    int64_t rnnhw_search_put(rnnhw_search *s, int64_t state, const uint64_t *keys,
                             int64_t count) nogil
    void rnnhw_search_get(const rnnhw_search *s, int64_t state, int64_t first, int64_t last,
                          uint64_t *keys) nogil


def most_threads():
    """Threads that may share a search."""
    return RNNHW_MOST_THREADS


cdef class Search:
    """Sets of keys, one a state of the automaton, and the programs that step them."""

    cdef rnnhw_search c
    cdef list kept
    cdef readonly int64_t workers
    cdef object at_done, at_ends, at_starts

    def __cinit__(self, *args):
        self.kept = []

    def __init__(self, int64_t words, next, expected, bint by_class, int64_t subjects,
                 int64_t threads):
        """
        next, expected: int64 [states, symbols]; how many networks, and by how many threads, each
        of which needs `add_worker`.
        """
        cdef rnnhw_search *c = &self.c
        cdef rnnhw_candidates *found = &c.keys.found
        cdef int64_t room
        c.by_class, c.subject_count = by_class, subjects
        c.states, c.symbols = next.shape
        c.next = <int64_t *>self._keep(next)
        c.expected = <int64_t *>self._keep(expected)
        c.keys.words, c.keys.set_count = words, c.states
        c.keys.sets = <rnnhw_set *>self._zeros(c.states, sizeof(rnnhw_set))
        found.room = room = rnnhw_search_room(c.symbols)
        found.keys = <uint64_t *>self._zeros(room * words, 8)
        found.hashes = <uint64_t *>self._zeros(room, 8)
        found.targets = <int32_t *>self._zeros(room, 4)
        found.fresh = <uint8_t *>self._zeros(room, 1)
        found.places = <uint32_t **>self._zeros(room, sizeof(void *))
        found.takers = <uint8_t *>self._zeros(room, 1)
        c.keys.numbers = <int64_t *>self._zeros(threads * rnnhw_number_stride(c.states), 8)
        c.keys.touched = <int32_t *>self._zeros(c.symbols, 4)
        c.workers = <rnnhw_worker *>self._zeros(threads, sizeof(rnnhw_worker))
        self.workers = 0
        nowhere = np.zeros(c.states, np.int64)
        self.stand(nowhere, nowhere, nowhere[None])

    def add_worker(self, subjects):
        """What one more thread steps. For each network its program, reserved for
        as many steps as there are symbols; these [symbols, features]; its packings as (scan, state, words, shifts, width, least);
        the bounds of its traces as (name, low, high); and the events to watch as (scan, event),
        all by their numbers in the program.
        """
        cdef rnnhw_worker *worker = &self.c.workers[self.workers]
        cdef rnnhw_subject *subject
        cdef rnnhw_packing *packings
        cdef rnnhw_within *within
        cdef rnnhw_events **never
        cdef Program program
        cdef Scan scan
        cdef Steps traced
        cdef int64_t i, j
        worker.block = <uint64_t *>self._zeros(16 * self.c.keys.words, 8)
        for i, (given, symbols, packed, bounds, watched) in enumerate(subjects):
            program = given
            self.kept.append(program)
            subject = &worker.subjects[i]
            subject.kernels, subject.nodes = program.kernels, program.nodes
            subject.node_count = program.node_count
            subject.output = &program.sequences[<int64_t>program.outputs[0][1]]
            program.prepare_symbols(symbols)
            subject.packing_count = len(packed)
            subject.packings = packings = <rnnhw_packing *>self._zeros(
                len(packed), sizeof(rnnhw_packing))
            for j, (number, state, places, shifts, width, least) in enumerate(packed):
                scan = program.scans[number][0]
                packings[j].scan = &scan.c
                packings[j].before = scan.plan.states[state].before
                packings[j].after = scan.plan.states[state].after
                packings[j].fields.bits = scan.plan.states[state].bits
                packings[j].fields.units = scan.plan.states[state].node.units
                packings[j].fields.width, packings[j].fields.least = width, least
                packings[j].fields.words = <int64_t *>self._keep(places)
                packings[j].fields.shifts = <int64_t *>self._keep(shifts)
            subject.within_count = len(bounds)
            subject.within = within = <rnnhw_within *>self._zeros(
                len(bounds), sizeof(rnnhw_within))
            for j, (name, low, high) in enumerate(bounds):
                traced = program.traced[name]
                within[j].values = traced.data
                within[j].units, within[j].bits = traced.units, traced.bits
                within[j].low, within[j].high = low, high
            subject.never_count = len(watched)
            never = <rnnhw_events **>self._zeros(len(watched), sizeof(void *))
            subject.never = <const rnnhw_events *const *>never
            for j, (number, event) in enumerate(watched):
                scan = program.scans[number][0]
                never[j] = &scan.c.events[<int64_t>event]
        self.workers += 1

    def __dealloc__(self):
        if self.c.keys.sets != NULL:
            rnnhw_free_sets(&self.c.keys)

    cdef void *_keep(self, array) except? NULL:
        assert array.flags.c_contiguous
        self.kept.append(array)
        return _address(array)

    cdef void *_zeros(self, int64_t count, int64_t size) except? NULL:
        return self._keep(np.zeros(count * size // 8 + 1, np.int64))

    @property
    def counts(self):
        """Keys of every set."""
        return np.array([self.c.keys.sets[q].count for q in range(self.c.states)], np.int64)

    @property
    def total(self):
        """Keys of all sets."""
        return self.c.total

    @property
    def bytes(self):
        """Memory of keys and buckets."""
        return self.c.keys.bytes

    def stand(self, done, ends, starts):
        """Put the search where keys `done` to `ends` - 1 are left of the last level; `starts`
        [levels, states] has the first keys of all levels."""
        self.at_done, self.at_ends = np.array(done, np.int64), np.array(ends, np.int64)
        self.at_starts = np.array(starts, np.int64)
        shape = self.c.states,
        assert self.at_done.shape == self.at_ends.shape == self.at_starts.shape[1:] == shape
        self.c.done = <int64_t *>_address(self.at_done)
        self.c.ends = <int64_t *>_address(self.at_ends)
        self.c.levels = len(starts)
        self._find_starts()

    cdef int _find_starts(self) except -1:
        self.c.starts = <int64_t *>_address(self.at_starts)
        return 0

    @property
    def standing(self):
        """Copies of `done`, `ends` and `starts`."""
        return self.at_done.copy(), self.at_ends.copy(), self.at_starts[:self.c.levels].copy()

    @property
    def left(self):
        """Keys of this level that are left."""
        return int((self.at_ends - self.at_done).sum())

    @property
    def done(self):
        """Keys that are expanded."""
        return int(self.at_done.sum())

    def plan(self, int64_t rounds, int64_t threads, share, int64_t max_total, int64_t max_bytes):
        """Say that `threads` workers take at most so many rounds. `share`: a thread that is alone
        stops before a level of so many successors, and from so many candidates for each on,
        threads share a round."""
        assert 1 <= threads <= self.workers
        room = self.c.levels + rounds + 1  # a level takes a round at least
        if len(self.at_starts) < room:
            further = np.zeros((2 * room - len(self.at_starts), self.c.states), np.int64)
            self.at_starts = np.concatenate([self.at_starts, further])
            self._find_starts()
        self.c.share.team, self.c.share.round = share
        self.c.max_total, self.c.keys.max_bytes = max_total, max_bytes
        rnnhw_search_plan(&self.c, rounds, threads)

    def work(self, int64_t thread):
        """A thread's part of it: returns when all have done theirs."""
        with nogil:
            rnnhw_search_work(&self.c, thread)

    def abandon(self):
        """Send the other threads home: worker 0, without which none begins, will not come."""
        team_abandon(&self.c.keys.team)

    @property
    def outcome(self):
        """The status; where a step breaks the claim, it is that of key done[state] of the second,
        a state of the automaton, by the third, a symbol."""
        return self.c.status, self.c.state, self.c.symbol

    def trace(self, int64_t state, int64_t first, int64_t last, int64_t target, int64_t index):
        """The first key of first to last - 1 with an edge to a key of `target`, and the symbol; -1
        if there is none."""
        cdef int64_t found, symbol = -1
        with nogil:
            found = rnnhw_search_trace(&self.c, state, first, last, target, index, &symbol)
        return found, symbol

    def put(self, int64_t state, const uint64_t[:, ::1] keys, int64_t max_bytes):
        """Put keys into a set: how many are new, or -1 less the bound that was met."""
        cdef int64_t new
        if keys.shape[0] == 0:
            return 0
        self.c.keys.max_bytes = max_bytes
        with nogil:
            new = rnnhw_search_put(&self.c, state, &keys[0, 0], keys.shape[0])
        return new

    def keys(self, int64_t state, int64_t first, int64_t last):
        """A copy of keys first to last - 1 of a set, uint64 [keys, words]."""
        cdef uint64_t[:, ::1] out
        array = np.empty((last - first, self.c.keys.words), np.uint64)
        if last > first:
            out = array
            with nogil:
                rnnhw_search_get(&self.c, state, first, last, &out[0, 0])
        return array
