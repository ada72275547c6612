"""The engine's C in a program of its own, which takes plans as images of memory: kernels of another
processor, under an emulator or in plain C.

:class:`Elsewhere` stands in for ``rnnhw.execution._engine``, so that everything that runs plans
runs them there, with its own names of instruction sets.
"""

import fcntl
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from helpers.paths import ROOT, TESTS

from rnnhw.execution.instructions import OPERATION

LANES, BLOCKS, LINE = 16, 4, 64
BEHIND = 1024  # bytes past the end of vectors, which kernels that read neighbours may touch

NAMES = {number: name for name, number in OPERATION.items()}

FORMS = ("columns", "interleaved", "pairs", "taps", "paired")
"""What rows of weights may have, each of which has kernels."""


def has(rows, form):
    value = getattr(rows, form)
    return value is not None and np.size(value) > 0 and bool(np.any(value))


EMULATION = TESTS / "neon"
SOURCES = {
    "program": ROOT / "ext" / "program.c",
    "dispatch": ROOT / "ext" / "dispatch.c",
    "plain": ROOT / "ext" / "kernels_plain.c",
    "neon": ROOT / "ext" / "kernels_neon.c",
    "dotprod": ROOT / "ext" / "kernels_dotprod.c",
    "runner": EMULATION / "runner.c",
}


def build(folder, compiler, flags, of_source):
    """The program with the kernels for NEON, which processes that share the folder build once;
    ``of_source`` are flags of single sources."""
    program = folder / "runner"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program, compiler, flags, of_source)
    return program


def _build(program, compiler, flags, of_source):
    launcher = ["ccache"] if shutil.which("ccache") else []
    command = [*launcher, compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-DRNNHW_NEON"]
    command += [*flags, f"-I{ROOT / 'ext'}"]
    objects = {name: program.with_name(f"{name}.o") for name in SOURCES}
    with ThreadPoolExecutor(2) as pool:
        compiled = [
            pool.submit(
                _run, [*command, *of_source.get(name, []), "-c", source, "-o", objects[name]]
            )
            for name, source in SOURCES.items()
        ]
        for each in compiled:
            each.result()
    _run([compiler, "-static", *objects.values(), "-o", program])


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@dataclass(frozen=True)
class At:
    """A pointer: a place in the image."""

    place: int


class Image:
    """Memory as the C structures of ``ext/program.h`` describe it. All their fields have 64 bits;
    place 0 is NULL."""

    def __init__(self, sizes):
        self.memory = bytearray(LINE)
        self.pointers = []
        self.sizes = sizes

    def room(self, size):
        """So many zeros at a cache line."""
        self.memory += bytes(-len(self.memory) % LINE)
        place = len(self.memory)
        self.memory += bytes(size)
        return At(place)

    def array(self, values):
        at = self.room(values.nbytes)
        self.memory[at.place :] = np.ascontiguousarray(values).tobytes()
        return at

    def structures(self, name, rows):
        """Structures of one kind, one behind the other, from their fields."""
        assert all(8 * len(row) == self.sizes[name] for row in rows), name
        at = self.room(8 * sum(map(len, rows)))
        words = [field for row in rows for field in row]
        for i, field in enumerate(words):
            if isinstance(field, At) and field.place:
                self.pointers.append(at.place + 8 * i)
        numbers = [field.place if isinstance(field, At) else int(field) for field in words]
        self.memory[at.place :] = np.array(numbers, np.int64).tobytes()
        return at

    def pointers_to(self, places):
        """An array of pointers."""
        at = self.room(8 * len(places))
        self.pointers += [at.place + 8 * i for i, to in enumerate(places) if to.place]
        self.memory[at.place :] = np.array([to.place for to in places], np.int64).tobytes()
        return at

    def read(self, at, shape, dtype=np.int64):
        """An array that shares the image's memory."""
        count = int(np.prod(shape))
        return np.frombuffer(self.memory, dtype, count, at.place).reshape(shape)


NULL = At(0)


def spread(size):
    """So many bytes in an odd number of lines, at least."""
    lines = -(-size // LINE)
    return LINE * (lines + 1 - lines % 2)


class Vectors:
    """The steps of a sequence or a trace, of each block behind those of the one before."""

    def __init__(self, image, blocks, room, units, lanes, bits, kept=0):
        vector = units * lanes * bits // 8
        before = -(-kept * vector // LINE) * LINE
        self.block_bytes = spread(before + room * vector + 2 * bits)
        self.data = At(image.room(self.block_bytes * blocks + BEHIND).place + before)
        self.units, self.bits = units, bits

    def of_block(self, block):
        return At(self.data.place + block * self.block_bytes)


class Scan:
    """A layer's plan, and what its runs tallied."""

    def __init__(self, plan):
        self.plan = plan
        self.units_done = np.zeros(len(plan.instructions), np.int64)
        self.terms_done = np.zeros(len(plan.instructions), np.int64)
        self.events = np.zeros((len(plan.event_names), 3), np.int64)
        self.lane_events = np.zeros((len(plan.event_names), LANES, 3), np.int64)

    def write(self, image, blocks, initial, outside, offset):
        """The structure, from the first states [blocks, units, lanes] by their names and the
        vectors that lie outside."""
        plan = self.plan
        block_bytes = spread(plan.arena_bytes)
        arena = image.room(block_bytes * blocks + BEHIND)
        slots = [
            [At(arena.place + slot.offset), slot.step_bytes, slot.tile_bytes, block_bytes]
            for slot in plan.slots
        ]
        for slot, steps in zip(plan.slots, slots, strict=True):
            if slot.outside in outside:
                steps[0], steps[3] = outside[slot.outside].data, outside[slot.outside].block_bytes
        for i, values in plan.constants:
            begin = slots[i][0].place
            image.memory[begin : begin + values.nbytes] = values.tobytes()
            slots[i][3] = 0  # one for all
        self.finals, states = {}, []
        for state in plan.states:
            before = image.array(initial[state.name])
            self.finals[state.name] = image.array(np.zeros_like(initial[state.name]))
            states.append([state.before, state.after, state.node.units, state.bits, before,
                           self.finals[state.name]])  # fmt: skip
        matrices = []
        for rows in plan.matrices:
            correction = extra_columns = extra = before = NULL
            depth = windows = alike = 0
            if rows.quads is not None:
                correction = image.array(rows.quads.begins(offset))
                extra_columns = image.array(rows.quads.extra_columns)
                extra = image.array(rows.quads.extra)
                depth, alike = rows.quads.depth, rows.quads.alike
                windows = rows.quads.windows
                before = image.array(np.concatenate([[0], np.cumsum(rows.terms, dtype=np.int64)]))
            columns = NULL if rows.columns is None else image.array(rows.columns)
            matrices.append([
                *map(image.array, (rows.first, rows.count, rows.terms, rows.offset, rows.weights)),
                columns, rows.interleaved, rows.pairs, rows.taps, rows.paired,
                correction, extra_columns, extra, before,
                depth, windows, alike, rows.chunk,
            ])  # fmt: skip
        moving = np.array([i for i, s in enumerate(plan.slots) if s.step_bytes], np.int64)
        assert plan.instructions.itemsize == image.sizes["instruction"]
        self.tallies = [
            image.array(np.zeros_like(each))
            for each in (self.events, self.lane_events, self.units_done, self.terms_done)
        ]
        events, lane_events, units, terms = self.tallies
        by_lane = [
            [each.rounding, each.fit, int(each.tables),
             image.array(each.constants.astype(np.int32)), image.array(each.constants)]
            for each in plan.by_lane
        ]  # fmt: skip
        fields = [
            plan.lanes, plan.tile_units, image.array(plan.instructions), len(plan.instructions),
            image.array(plan.phases), len(plan.phases), plan.prologue, plan.symbol_phases,
            image.array(plan.symbol_slots), len(plan.symbol_slots),
            image.structures("slot", slots), image.room(8 * blocks * len(slots)), len(slots),
            image.array(moving), len(moving), image.array(plan.swaps), len(plan.swaps),
            image.array(plan.packed_inputs), len(plan.packed_inputs),
            image.structures("state", states), len(states),
            image.array(plan.casts),
            image.room(image.sizes["word_cast"] * len(plan.instructions)),
            image.structures("rows", matrices),
            image.pointers_to([image.array(each) for each in plan.data]), events,
            image.structures("by_lane", by_lane) if by_lane else NULL, lane_events, units, terms,
        ]  # fmt: skip
        return image.structures("scan", [fields])

    def take(self, image):
        """Add what a run tallied."""
        events, lane_events, units, terms = self.tallies
        self.events += image.read(events, self.events.shape)
        self.lane_events += image.read(lane_events, self.lane_events.shape)
        self.units_done += image.read(units, self.units_done.shape)
        self.terms_done += image.read(terms, self.terms_done.shape)


class Program:
    """A plan on an instruction set, as the extension's class of this name runs it."""

    def __init__(self, elsewhere, plan, level, blocks):
        self.elsewhere, self.plan, self.level, self.blocks = elsewhere, plan, level, blocks
        nodes = [sequence.node for sequence in plan.sequences]
        self.scans = [(Scan(plan.scans[node]), node) for node in nodes if node in plan.scans]
        self.total_adds = np.zeros(len(nodes) - 1, np.int64)
        self.index = {node: i for i, node in enumerate(nodes)}

    def reserve(self, room):
        self.room = room

    def run(self, inputs, rows, lengths, order, initial, outputs, final, traces):
        together = self.plan.lanes * self.blocks
        for first in range(0, len(order), together):
            part = order[first : first + together]
            self._run(np.concatenate(inputs)[rows], lengths, part, initial, outputs, final, traces)

    def _run(self, inputs, lengths, order, initial, outputs, final, traces):
        """The sequences of ``order``; other lanes repeat the first of all and have no steps."""
        plan, lanes = self.plan, self.plan.lanes
        blocks = -(-len(order) // lanes)
        image = Image(self.elsewhere.sizes)
        idle = blocks * lanes - len(order)
        given = np.concatenate([order, np.full(idle, -1)])
        filled = np.maximum(given, 0)
        steps = np.where(given >= 0, lengths[filled], 0)
        lanes_of_order = np.flatnonzero(given >= 0)
        order = given[lanes_of_order]
        of_lane = [image.array(inputs[i]) for i in filled]
        vectors = [
            Vectors(image, blocks, self.room, each.node.units, lanes, each.bits, each.kept)
            for each in plan.sequences
        ]
        results = []  # node, vectors, the array of the result
        for node in plan.network.outputs:
            i = self.index[node]
            results.append((i, vectors[i], outputs[node.name][0]))
        scans = {}
        for scan, node in self.scans:
            outside = {("output", "output"): vectors[self.index[node]]}
            for i, source in enumerate(node.sources):
                outside["input", str(i)] = vectors[self.index[source]]
            for kind, name in (slot.outside for slot in scan.plan.slots if slot.outside):
                if kind == "packed":
                    slot = next(s for s in scan.plan.slots if s.outside == (kind, name))
                    units = slot.step_bytes // lanes
                    outside[kind, name] = Vectors(image, blocks, self.room, units, lanes, 8)
                if kind == "trace":
                    units, bits = plan.network.signal(name).units, plan.traces[name]
                    outside[kind, name] = Vectors(image, blocks, self.room, units, lanes, bits)
                    results.append((self.index[node], outside[kind, name], traces[name]))
            first = {
                state.name: np.where(
                    steps[:, None] > 0, initial[state.name][filled], 0
                ).reshape(blocks, lanes, -1).transpose(0, 2, 1)
                for state in scan.plan.states
            }  # fmt: skip
            scans[node] = scan.write(
                image, blocks, first, outside, self.elsewhere.offsets[self.level]
            )
        nodes = [
            [each.operation, i, self.index[each.node.sources[0]],
             getattr(each.node, "width", 0), scans.get(each.node, NULL)]
            for i, each in enumerate(plan.sequences) if i
        ]  # fmt: skip
        sequences = [
            [vectors[i].of_block(b), each.bits, each.node.units, each.kept, 0, 0,
             *self._lengths(steps[b * lanes : (b + 1) * lanes])]
            for b in range(blocks) for i, each in enumerate(plan.sequences)
        ]  # fmt: skip
        places = [[image.array(values[i]) for i in filled] for _, _, values in results]
        written = [
            [node, each.data, each.block_bytes, each.bits, each.units,
             *self._lanes(rows, lanes, blocks)]
            for (node, each, _), rows in zip(results, places, strict=True)
        ]  # fmt: skip
        adds = image.array(np.zeros_like(self.total_adds))
        placed = image.structures("sequence", sequences)
        whole = [
            image.structures("node", nodes), len(nodes), placed,
            image.structures("result", written), len(written),
            *self._lanes(of_lane, lanes, blocks), blocks, lanes, self.room, adds,
        ]  # fmt: skip
        run = image.structures("run", [whole])
        image.room(BEHIND)
        self.elsewhere.execute(image, self.level, run)

        self.total_adds += image.read(adds, self.total_adds.shape)
        for (_, _, values), rows in zip(results, places, strict=True):
            for i, lane in zip(order, lanes_of_order, strict=True):
                values[i] = image.read(rows[lane], values[i].shape, values.dtype)
        ended = image.read(placed, (blocks, len(plan.sequences), len(sequences[0])))[:, :, 6:]
        for node in plan.network.outputs:
            found = ended[:, self.index[node], :lanes].ravel()
            outputs[node.name][1][order] = found[lanes_of_order]
        for scan, _ in self.scans:
            scan.take(image)
            for name, at in scan.finals.items():
                units = final[name].shape[1]
                value = image.read(at, (blocks, units, lanes)).transpose(0, 2, 1)
                final[name][order] = value.reshape(-1, units)[lanes_of_order]

    def _lengths(self, steps):
        return [*steps, *[0] * (LANES - len(steps))]

    def _lanes(self, places, lanes, blocks):
        """One pointer for each of 16 lanes of four blocks."""
        table = [NULL] * (BLOCKS * LANES)
        for i, at in enumerate(places):
            table[i // lanes * LANES + i % lanes] = at
        return table


class Elsewhere:
    """The instruction sets of a program that :func:`build` built, run by ``command``."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            [os.fspath(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.lock = threading.Lock()
        self.reached, self.beside = set(), set()  # operations and forms, blocks side by side
        self.levels = [line.split() for line in self._lines()]
        self.offsets = [int(level[3]) for level in self.levels]
        self.sizes = {name: int(size) for name, size in map(str.split, self._lines())}

    def _lines(self):
        """Those up to an empty one."""
        found = []
        while (line := self.process.stdout.readline()) != b"\n":
            assert line, f"it ended with {self.process.wait()}"
            found.append(line.decode())
        return found

    def execute(self, image, level, run):
        """Let a run change the image; pointers are as before."""
        header = np.array([level, len(image.memory), len(image.pointers), run.place], np.int64)
        with self.lock:
            for part in (header, image.memory, np.array(image.pointers, np.int64)):
                self.process.stdin.write(bytes(part))
            self.process.stdin.flush()
            changed = self.process.stdout.read(len(image.memory))
        assert len(changed) == len(image.memory), f"it ended with {self.process.poll()}"
        image.memory = bytearray(changed)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()

    # --- as the extension has them ---
    def built_isas(self):
        return [(name, supported == "1") for name, supported, *_ in self.levels]

    def byte_sums(self, level):
        return int(self.levels[level][2])

    def prefers_tiles(self, level):
        return self.levels[level][4] == "1"

    def has_tiles(self, level):
        return self.levels[level][5] == "1"

    def prefers_short(self, level):
        return self.levels[level][6] == "1"

    def has_short(self, level):
        return self.levels[level][7] == "1"

    def most_blocks(self):
        return BLOCKS

    def Program(self, plan, level, blocks=1):
        for scan in plan.scans.values():
            done = {NAMES[int(row["operation"])] for row in scan.instructions}
            done |= {form for rows in scan.matrices for form in FORMS if has(rows, form)}
            self.reached |= {(each, plan.lanes) for each in done}
        self.beside.add(blocks)
        return Program(self, plan, level, blocks)
