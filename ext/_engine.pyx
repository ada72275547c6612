# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Binds plans to the kernels and runs them without the GIL.

Every shape, dtype and range has been checked by the caller; the C code cannot fail.
"""

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

import numpy as np


cdef extern from "program.h":
    ctypedef struct rnnhw_kernels:
        const char *name
        int byte_sums
        int byte_offset
        int prefers_tiles
        int prefers_short
        const void *tiles
        void (*rows_short)()

    ctypedef struct rnnhw_cast:
        int64_t drop

    ctypedef struct word_cast:
        int drop

    ctypedef struct rnnhw_rows:
        const int32_t *first
        const int32_t *count
        const int32_t *terms
        const int64_t *offset
        const void *weights
        const int32_t *columns
        int64_t interleaved
        int64_t pairs
        int64_t taps
        int64_t paired
        const int32_t *correction
        const int32_t *extra_columns
        const int64_t *extra
        const int64_t *terms_before
        int64_t depth
        int64_t windows
        int64_t alike
        int64_t chunk

    ctypedef struct rnnhw_instruction:
        int64_t operation

    ctypedef struct rnnhw_phase:
        int64_t first

    ctypedef struct rnnhw_slot:
        char *base
        int64_t step_bytes
        int64_t tile_bytes
        int64_t block_bytes

    ctypedef struct rnnhw_state:
        int64_t before
        int64_t after
        int64_t units
        int64_t bits
        const int64_t *initial
        int64_t *final

    ctypedef int64_t rnnhw_events[3]

    ctypedef struct rnnhw_packed_input:
        int64_t to

    ctypedef struct rnnhw_by_lane:
        int64_t rounding
        int64_t fit
        int64_t tables
        const void *narrow
        const void *wide

    ctypedef struct rnnhw_scan:
        int64_t lanes
        int64_t tile_units
        const rnnhw_instruction *instructions
        int64_t instruction_count
        const rnnhw_phase *phases
        int64_t phase_count
        int64_t prologue
        int64_t symbol_phases
        const int64_t *symbol_slots
        int64_t symbol_slot_count
        rnnhw_slot *slots
        char **current
        int64_t slot_count
        const int64_t *moving
        int64_t moving_count
        const int64_t *swaps
        int64_t swap_count
        const rnnhw_packed_input *packed_inputs
        int64_t packed_input_count
        const rnnhw_state *states
        int64_t state_count
        const rnnhw_cast *casts
        word_cast *word_casts
        const rnnhw_rows *matrices
        const void **data
        rnnhw_events *events
        const rnnhw_by_lane *by_lane
        rnnhw_events (*lane_events)[16]
        int64_t *units_done
        int64_t *terms_done

    ctypedef struct rnnhw_sequence:
        void *data
        int64_t bits
        int64_t units
        int64_t kept
        int64_t lengths[16]

    ctypedef struct rnnhw_time_node:
        int64_t operation
        int64_t dst
        int64_t source
        int64_t width
        rnnhw_scan *scan

    void rnnhw_prepare_symbol(const rnnhw_kernels *kernels, rnnhw_scan *scan, int64_t symbol) nogil
    const rnnhw_kernels *rnnhw_built(int index)
    int rnnhw_supported(int index)
    const char *rnnhw_elementwise_names[]
    int RNNHW_LANES
    enum: RNNHW_BLOCKS

    ctypedef struct rnnhw_result:
        int64_t node
        const char *data
        int64_t block_bytes
        int64_t bits
        int64_t units
        void *rows[RNNHW_BLOCKS][16]

    ctypedef struct rnnhw_run:
        const rnnhw_time_node *nodes
        int64_t count
        rnnhw_sequence *sequences
        rnnhw_result *results
        int64_t result_count
        const int64_t *inputs[RNNHW_BLOCKS][16]
        int64_t blocks
        int64_t lanes
        int64_t room
        int64_t *total_adds

    void rnnhw_run_blocks(const rnnhw_kernels *kernels, const rnnhw_run *run) nogil


def built_isas():
    """The instruction sets in the build, plain first, and whether this processor runs each."""
    names = []
    index = 0
    while rnnhw_built(index) != NULL:
        names.append((rnnhw_built(index).name.decode(), bool(rnnhw_supported(index))))
        index += 1
    return names


def elementwise_names():
    """The names of the elementwise instructions in the order of their numbers, which begin at 0."""
    names = []
    while rnnhw_elementwise_names[len(names)] != NULL:
        names.append(rnnhw_elementwise_names[len(names)].decode())
    return tuple(names)


def byte_sums(int level):
    """Bits in which an instruction set keeps sums of products of bytes until it widens them."""
    return rnnhw_built(level).byte_sums


def prefers_tiles(int level):
    """Whether an instruction set is faster where products of bytes are planned by tiles."""
    return bool(rnnhw_built(level).prefers_tiles)


def has_tiles(int level):
    """Whether an instruction set runs products of bytes by tiles at all."""
    return rnnhw_built(level).tiles != NULL


def prefers_short(int level):
    """Whether an instruction set is faster where rows of few quads are planned as such."""
    return bool(rnnhw_built(level).prefers_short)


def has_short(int level):
    """Whether an instruction set runs rows of few quads at all."""
    return rnnhw_built(level).rows_short != NULL


def most_blocks():
    """Lane blocks that a program runs side by side at most."""
    return RNNHW_BLOCKS


def instruction_bytes():
    """Size of one instruction, to hold the plan's layout against."""
    return sizeof(rnnhw_instruction)


cdef void *_address(array) except? NULL:
    """Where an array's elements begin. A run asks this of hundreds of arrays, for each of which
    NumPy's `ctypes` would make an object."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_STRIDED_RO)
    cdef void *address = buffer.buf
    PyBuffer_Release(&buffer)
    return address


cdef object _zeros_apart(int64_t count):
    """So many 64-bit zeros with two cache lines in front and behind: small arrays lie side by side, and
    those that a program writes in every step may be beside those of another thread's program."""
    return np.zeros(count + 32, np.int64)[16:16 + count]


cdef class Scan:
    """One layer's program in C structures, for so many lane blocks side by side and for kernels that
    take `byte_offset` away from bytes. Keeps every array that they point into alive."""

    cdef rnnhw_scan c
    cdef list kept
    cdef readonly object plan, units_done, terms_done, events, lane_events
    cdef readonly list initial, final
    cdef dict outside

    def __cinit__(self, plan, blocks, byte_offset):
        self.kept = []
        self.outside = {}

    def __init__(self, plan, int64_t blocks, int byte_offset):
        cdef int64_t i
        cdef rnnhw_slot *slots
        cdef rnnhw_state *states
        cdef rnnhw_rows *matrices
        cdef void **data
        self.plan = plan
        cdef rnnhw_scan *c = &self.c
        c.lanes, c.tile_units, c.prologue = plan.lanes, plan.tile_units, plan.prologue
        c.instructions = <rnnhw_instruction *>self._keep(plan.instructions)
        c.instruction_count = len(plan.instructions)
        c.phases = <rnnhw_phase *>self._keep(plan.phases)
        c.phase_count = len(plan.phases)
        moving = np.array([i for i, slot in enumerate(plan.slots) if slot.step_bytes], np.int64)
        c.moving, c.moving_count = <int64_t *>self._keep(moving), len(moving)
        c.swaps = <int64_t *>self._keep(plan.swaps)
        c.swap_count = len(plan.swaps)
        c.packed_inputs = <rnnhw_packed_input *>self._keep(plan.packed_inputs)
        c.packed_input_count = len(plan.packed_inputs)
        c.symbol_phases = plan.symbol_phases
        c.symbol_slots = <int64_t *>self._keep(plan.symbol_slots)
        c.symbol_slot_count = len(plan.symbol_slots)
        c.casts = <rnnhw_cast *>self._keep(plan.casts)
        c.word_casts = <word_cast *>self._allocate(len(plan.instructions), sizeof(word_cast))
        self.units_done = _zeros_apart(len(plan.instructions))
        self.terms_done = _zeros_apart(len(plan.instructions))
        self.events = _zeros_apart(3 * len(plan.event_names)).reshape(-1, 3)
        c.units_done = <int64_t *>self._keep(self.units_done)
        c.terms_done = <int64_t *>self._keep(self.terms_done)
        c.events = <rnnhw_events *>self._keep(self.events)

        # An arena for each lane block; a line to align to, and what kernels that read neighbours
        # may touch past the end. An odd number of lines apart, no two have a vector in the same
        # places of a cache.
        cdef int64_t block_bytes = plan.arena_bytes + 64 * (1 + plan.arena_bytes // 64 % 2)
        arena = np.zeros(block_bytes * blocks + 64 + 1024, np.uint8)
        cdef char *start = <char *>self._keep(arena)
        cdef char *base = start + (64 - <size_t>start % 64) % 64
        c.slot_count = len(plan.slots)
        c.slots = slots = <rnnhw_slot *>self._allocate(len(plan.slots), sizeof(rnnhw_slot))
        c.current = <char **>self._allocate(blocks * len(plan.slots), sizeof(char *))
        for i, slot in enumerate(plan.slots):
            slots[i].base = base + <int64_t>slot.offset
            slots[i].step_bytes, slots[i].tile_bytes = slot.step_bytes, slot.tile_bytes
            slots[i].block_bytes = block_bytes
            if slot.outside is not None:
                self.outside[slot.outside] = i
        for i, values in plan.constants:
            first = slots[i].base - start
            arena[first:first + values.nbytes] = values.view(np.uint8)
            slots[i].block_bytes = 0  # one for all

        c.states = states = <rnnhw_state *>self._allocate(len(plan.states), sizeof(rnnhw_state))
        c.state_count = len(plan.states)
        self.initial, self.final = [], []
        for i, state in enumerate(plan.states):
            self.initial.append(np.zeros((blocks, state.node.units, plan.lanes), np.int64))
            self.final.append(np.zeros((blocks, state.node.units, plan.lanes), np.int64))
            states[i].before, states[i].after = state.before, state.after
            states[i].units, states[i].bits = state.node.units, state.bits
            states[i].initial = <int64_t *>self._keep(self.initial[i])
            states[i].final = <int64_t *>self._keep(self.final[i])

        c.matrices = matrices = <rnnhw_rows *>self._allocate(
            len(plan.matrices), sizeof(rnnhw_rows))
        for i, rows in enumerate(plan.matrices):
            matrices[i].first = <int32_t *>self._keep(rows.first)
            matrices[i].count = <int32_t *>self._keep(rows.count)
            matrices[i].terms = <int32_t *>self._keep(rows.terms)
            matrices[i].offset = <int64_t *>self._keep(rows.offset)
            matrices[i].weights = self._keep(rows.weights)
            if rows.columns is not None:
                matrices[i].columns = <int32_t *>self._keep(rows.columns)
            matrices[i].interleaved, matrices[i].chunk = rows.interleaved, rows.chunk
            matrices[i].pairs = rows.pairs
            matrices[i].taps, matrices[i].paired = rows.taps, rows.paired
            if rows.quads is not None:
                matrices[i].correction = <int32_t *>self._keep(rows.quads.begins(byte_offset))
                matrices[i].extra = <int64_t *>self._keep(rows.quads.extra)
                matrices[i].extra_columns = <int32_t *>self._keep(rows.quads.extra_columns)
                matrices[i].depth = rows.quads.depth
                matrices[i].windows = rows.quads.windows
                matrices[i].alike = rows.quads.alike
                before = np.concatenate([[0], np.cumsum(rows.terms, dtype=np.int64)])
                matrices[i].terms_before = <int64_t *>self._keep(before)

        cdef rnnhw_by_lane *by_lane
        if plan.by_lane:
            self.lane_events = _zeros_apart(3 * 16 * len(plan.event_names)).reshape(-1, 16, 3)
            c.lane_events = <rnnhw_events (*)[16]>self._keep(self.lane_events)
            by_lane = <rnnhw_by_lane *>self._allocate(len(plan.by_lane), sizeof(rnnhw_by_lane))
            c.by_lane = by_lane
            for i, each in enumerate(plan.by_lane):
                by_lane[i].rounding, by_lane[i].fit = each.rounding, each.fit
                by_lane[i].tables = each.tables
                by_lane[i].narrow = self._keep(each.constants.astype(np.int32))
                by_lane[i].wide = self._keep(each.constants)

        data = <void **>self._allocate(len(plan.data), sizeof(void *))
        c.data = <const void **>data
        for i, array in enumerate(plan.data):
            data[i] = self._keep(array)

    cdef void *_keep(self, array) except? NULL:
        assert array.flags.c_contiguous
        self.kept.append(array)
        return _address(array)

    cdef void *_allocate(self, int64_t count, int64_t size) except? NULL:
        return self._keep(_zeros_apart(count * size // 8 + 1))

    cdef void bind(self, kind, name, Steps steps) except *:
        """Let a sequence outside lie in that memory."""
        cdef rnnhw_slot *slot
        if (kind, name) in self.outside:
            slot = &self.c.slots[<int64_t>self.outside[kind, name]]
            slot.base, slot.block_bytes = steps.data, steps.block_bytes


cdef class Steps:
    """Memory for the vectors of `room` steps of each lane block, and in front of them of the `kept`
    steps before. Lengths never grow over time operations, and what lies past a sequence's end has
    no effect, so nothing is cleared."""

    cdef char *data  # the first vector of the first block
    cdef int64_t block_bytes
    cdef readonly int64_t units, bits
    cdef object memory

    def __init__(self, int64_t blocks, int64_t room, int64_t units, int64_t lanes, int64_t bits,
                 int64_t kept=0):
        cdef int64_t vector = units * lanes * bits // 8
        cdef int64_t before = _lines(kept * vector)
        # Kernels walk whole chunks of 16 elements and may read and write past the last vector.
        cdef int64_t lines = _lines(before + room * vector + 16 * bits // 8) // 64
        self.block_bytes = 64 * (lines + 1 - lines % 2)  # odd, as arenas are
        self.units, self.bits = units, bits
        self.memory = np.empty(self.block_bytes * blocks + 64, np.uint8)
        cdef char *start = <char *>_address(self.memory)
        self.data = start + (64 - <size_t>start % 64) % 64 + before

    cdef numbers(self, int64_t count):
        """The first numbers of the first block, as an array that shares its memory."""
        cdef int64_t skipped = self.data - <char *>_address(self.memory)
        return np.frombuffer(self.memory, f"i{self.bits // 8}", count, skipped)


cdef int64_t _lines(int64_t size):
    """So many bytes in whole cache lines."""
    return (size + 63) // 64 * 64


cdef class Program:
    """A network's programs, bound to one instruction set. Up to `blocks` lane blocks run side by
    side."""

    cdef const rnnhw_kernels *kernels
    cdef rnnhw_time_node *nodes
    cdef rnnhw_sequence *sequences  # those of one block behind those of another
    cdef int64_t node_count, lanes, blocks
    cdef rnnhw_run c
    cdef readonly object plan, total_adds
    cdef readonly list scans
    cdef dict traced  # the steps of every trace by its name
    cdef list kept, steps, packed, outputs, results

    def __cinit__(self, plan, int level, int64_t blocks=1):
        count = len(plan.sequences)
        self.nodes = <rnnhw_time_node *>calloc(count, sizeof(rnnhw_time_node))
        self.sequences = <rnnhw_sequence *>calloc(blocks * count, sizeof(rnnhw_sequence))
        self.c.results = <rnnhw_result *>calloc(
            len(plan.network.outputs) + len(plan.traces), sizeof(rnnhw_result))
        if self.nodes == NULL or self.sequences == NULL or self.c.results == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.nodes)
        free(self.sequences)
        free(self.c.results)

    def __init__(self, plan, int level, int64_t blocks=1):
        cdef Scan scan
        cdef int64_t i, block
        assert 1 <= blocks <= (RNNHW_BLOCKS if plan.lanes > 1 else 1)
        self.plan, self.lanes, self.kernels = plan, plan.lanes, rnnhw_built(level)
        self.blocks = blocks
        self.scans, self.kept = [], []
        self.node_count = len(plan.sequences) - 1
        self.total_adds = np.zeros(self.node_count, np.int64)
        index = {sequence.node: i for i, sequence in enumerate(plan.sequences)}
        self.outputs = [(node.name, <int64_t>index[node]) for node in plan.network.outputs]
        for i, sequence in enumerate(plan.sequences):
            node = sequence.node
            for block in range(blocks):
                self._of_block(block)[i].bits = sequence.bits
                self._of_block(block)[i].units = node.units
                self._of_block(block)[i].kept = sequence.kept
            if i == 0:
                continue
            self.nodes[i - 1].operation = sequence.operation
            self.nodes[i - 1].dst, self.nodes[i - 1].source = i, index[node.sources[0]]
            self.nodes[i - 1].width = getattr(node, "width", 0)
            if node in plan.scans:
                scan = Scan(plan.scans[node], blocks, self.kernels.byte_offset)
                self.scans.append((scan, node))
                self.nodes[i - 1].scan = &scan.c
        self.c.nodes, self.c.count, self.c.sequences = self.nodes, self.node_count, self.sequences
        self.c.lanes = self.lanes
        self.c.total_adds = <int64_t *>_address(self.total_adds)

    def reserve(self, int64_t room):
        """Memory for so many steps, which run at once."""
        cdef Scan scan
        cdef Steps steps
        cdef int64_t i, block
        index = {sequence.node: i for i, sequence in enumerate(self.plan.sequences)}
        self.steps, self.traced, self.packed, self.results = [], {}, [], []
        self.c.room, self.c.result_count = room, 0
        for i, sequence in enumerate(self.plan.sequences):
            steps = Steps(self.blocks, room, sequence.node.units, self.lanes, sequence.bits,
                          sequence.kept)
            self.steps.append(steps)
            for block in range(self.blocks):
                self._of_block(block)[i].data = steps.data + block * steps.block_bytes
        for name, i in self.outputs:
            self._add_result(("output", name), i, self.steps[i])
        for scan, node in self.scans:
            for i, source in enumerate(node.sources):
                scan.bind("input", str(i), self.steps[index[source]])
            scan.bind("output", "output", self.steps[index[node]])
            for kind, name in scan.outside:
                if kind == "trace":
                    steps = Steps(self.blocks, room, self.plan.network.signal(name).units,
                                  self.lanes, self.plan.traces[name])
                    scan.bind("trace", name, steps)
                    self.traced[name] = steps
                    self._add_result(("trace", name), index[node], steps)
                elif kind == "packed":
                    units = scan.plan.slots[scan.outside[kind, name]].step_bytes // self.lanes
                    # A band reads a few columns in front of the first vector and behind the last.
                    steps = Steps(self.blocks, room + 1, units, self.lanes, 8, kept=1)
                    scan.bind(kind, name, steps)
                    self.packed.append(steps)

    cdef void _add_result(self, key, int64_t node, Steps steps) except *:
        cdef rnnhw_result *result = &self.c.results[self.c.result_count]
        result.node, result.data, result.block_bytes = node, steps.data, steps.block_bytes
        result.bits, result.units = steps.bits, steps.units
        self.c.result_count += 1
        self.results.append(key)

    def prepare_symbols(self, symbols):
        """Take the inputs [symbols, features] of single steps, for which as many are reserved."""
        cdef Scan scan
        cdef Steps inputs = self.steps[0]
        cdef int64_t symbol
        count, features = symbols.shape
        numbers = inputs.numbers(count * features * self.lanes)
        numbers.reshape(count, features, self.lanes)[:] = symbols[:, :, None]
        for scan, _ in self.scans:
            for symbol in range(count):
                rnnhw_prepare_symbol(self.kernels, &scan.c, symbol)

    cdef rnnhw_sequence *_of_block(self, int64_t block):
        return self.sequences + block * (self.node_count + 1)

    def run(self, list inputs, const int64_t[::1] rows, const int64_t[::1] lengths,
            const int64_t[::1] order, dict initial, dict outputs, dict final, dict traces):
        """Run the sequences numbered by `order`, block after block; a lane of which the number is
        negative stays empty.

        inputs, arrays of one shape [rows, steps, features]; rows, which of them, the arrays' one
        behind the other, is that of a sequence, and lengths
        [sequences]; initial and final
        {state: [sequences, units]}; outputs {name: ([sequences, steps, units], lengths)} and traces
        {name: [sequences, steps, units]}, in the bits of their plans, are written up to the end of
        every sequence.
        """
        cdef int64_t first, block, i
        cdef const int64_t[:, :, ::1] each
        heads = np.empty(len(inputs), np.int64)  # where the arrays begin
        for i, each in enumerate(inputs):
            heads[i] = <int64_t>&each[0, 0, 0]
        arrays = [outputs[name][0] if kind == "output" else traces[name]
                  for kind, name in self.results]
        for first in range(0, order.shape[0], self.lanes * self.blocks):
            self.c.blocks = min(self.blocks, (order.shape[0] - first + self.lanes - 1) // self.lanes)
            for block in range(self.c.blocks):
                part = order[first + block * self.lanes :]
                self._begin(block, part, heads, each, rows, lengths, initial)
                for i, array in enumerate(arrays):
                    self._place(array, part, self.c.results[i].rows[block])
            with nogil:
                rnnhw_run_blocks(self.kernels, &self.c)
            for block in range(self.c.blocks):
                self._end(block, order[first + block * self.lanes :], outputs, final)

    cdef int64_t _sequence(self, int64_t lane, const int64_t[::1] order):
        """The sequence of a lane; those of empty ones are the first of all, and have no steps."""
        return order[lane] if lane < order.shape[0] and order[lane] >= 0 else 0

    cdef void _begin(self, int64_t block, const int64_t[::1] order,
                     const int64_t[::1] heads, const int64_t[:, :, ::1] like,
                     const int64_t[::1] rows, const int64_t[::1] lengths,
                     dict initial) except *:
        """Bring the first sequences of `order` into a lane block."""
        cdef Scan scan
        cdef int64_t lane, unit, part, i, row, sequence
        cdef int64_t real = min(self.lanes, order.shape[0])
        cdef int64_t[:, ::1] values
        cdef const int64_t[:, ::1] value
        for lane in range(self.lanes):
            self._of_block(block).lengths[lane] = (
                lengths[order[lane]] if lane < real and order[lane] >= 0 else 0)
            row = rows[self._sequence(lane, order)]
            self.c.inputs[block][lane] = (
                <const int64_t *>heads[row // like.shape[0]]
                + row % like.shape[0] * like.shape[1] * like.shape[2])
        for scan, _ in self.scans:
            for i, state in enumerate(scan.plan.states):
                values, value = scan.initial[i][block], initial[state.name]
                # A cache line of one sequence at a time.
                for unit in range(0, values.shape[0], 8):
                    for lane in range(real):
                        sequence = self._sequence(lane, order)
                        for part in range(unit, min(unit + 8, values.shape[0])):
                            values[part, lane] = value[sequence, part]

    cdef void _end(self, int64_t block, const int64_t[::1] order, dict outputs,
                   dict final) except *:
        """Write the lengths and final states of the first sequences of `order`."""
        cdef Scan scan
        cdef int64_t lane, unit, part, i
        cdef int64_t real = min(self.lanes, order.shape[0])
        cdef int64_t[:, ::1] values
        cdef int64_t[:, ::1] kept
        cdef int64_t[::1] ends
        for name, i in self.outputs:
            ends = outputs[name][1]
            for lane in range(real):
                if order[lane] >= 0:
                    ends[order[lane]] = self._of_block(block)[i].lengths[lane]
        for scan, _ in self.scans:
            for i, state in enumerate(scan.plan.states):
                values, kept = scan.final[i][block], final[state.name]
                for unit in range(0, values.shape[0], 8):
                    for lane in range(real):
                        if order[lane] < 0:
                            continue
                        for part in range(unit, min(unit + 8, values.shape[0])):
                            kept[order[lane], part] = values[part, lane]

    cdef void _place(self, array, const int64_t[::1] order, void **rows) except *:
        """Where the sequences of a block begin in an array [sequences, steps, units]."""
        cdef char *base = <char *>_address(array)
        cdef int64_t stride = array.strides[0], lane
        for lane in range(self.lanes):
            rows[lane] = base + self._sequence(lane, order) * stride


include "search.pxi"
