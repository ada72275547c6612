"""When layers take vectors, by hand: few layers, few vectors, every cycle counted."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from helpers.machines import FORMATS, band, elman, scanned

from rnnhw import (
    GRU,
    Arrangement,
    CyclicBand,
    Dense,
    Design,
    DesignError,
    Elman,
    Hadamard,
    Linear,
    LowRank,
)
from rnnhw.accelerator import accelerator, lane_cycles
from rnnhw.accelerator.schedule.layer_timing import Loaded, Run, Sequential
from rnnhw.accelerator.schedule.overlap import Overlapped
from rnnhw.accelerator.schedule.parallel_steps import Together
from rnnhw.accelerator.schedule.settling import _period, last_end, settled_sequence, shortened
from rnnhw.accelerator.schedule.shared_engine import SharedStep, Stint, in_turn
from rnnhw.accelerator.schedule.turns import wavefront_in_turns
from rnnhw.accelerator.schedule.wavefront import Edge, Place, Reads, longest_wait, wavefront
from rnnhw.accelerator.schedule.weight_stream import Group, Streamed, groups_of
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.layers.structures import Structure


def runs_of(*places: Place, lengths: list[int]) -> list[list[tuple[int, int]]]:
    """The start and end of every vector on every place."""
    return [[(run.take, run.end) for run in runs.values()] for runs in wavefront(places, lengths)]


def turn(course, sequences: int) -> list[list[int]]:
    """The starts and ends of one step of sequences that nothing else delays."""
    now = np.zeros(sequences, np.int64)
    return [times.tolist() for times in course.turn(now, now)]


def test_a_step_of_sequences_waits_for_the_last_sequence_of_the_step_before() -> None:
    course = Sequential(5).course()
    assert turn(course, 3) == [[0, 5, 10], [5, 10, 15]]
    assert turn(course, 3) == [[15, 20, 25], [20, 25, 30]]


def test_the_first_vectors_in_memory_need_no_reading() -> None:
    course = Loaded(4, sequences=2).course()
    assert [course.run([0], 0) for _ in range(4)] == [
        [Run(0, 0)],
        [Run(0, 0)],
        [Run(0, 4)],
        [Run(4, 8)],
    ]
    assert Loaded(4) == Loaded(4, sequences=1)
    course = Loaded(4, sequences=2).course()
    assert turn(course, 2) == [[0, 0], [0, 0]]
    assert turn(course, 2) == [[0, 4], [4, 8]]
    assert turn(course, 2) == [[8, 12], [12, 16]]


def test_a_sum_starts_at_once_on_what_lies_in_memory() -> None:
    total = Place(Sequential(2), Reads((Edge(0),)), open=True)
    assert runs_of(Place(Loaded(4)), total, lengths=[2])[1] == [(0, 2), (4, 6)]


def test_an_edge_delays_what_it_brings() -> None:
    places = [Place(Sequential(3)), Place(Sequential(5), Reads((Edge(0, delay=2),)))]
    assert runs_of(*places, lengths=[2])[1] == [(5, 10), (10, 15)]
    (turns,) = wavefront_in_turns(places, 1, 2)[1:]
    assert [times.tolist() for times in (*turns.takes, *turns.ends)] == [[5, 10], [10, 15]]


def test_a_window_has_room_once_the_vector_before_is_read() -> None:
    reads = Reads((Edge(0, window=True),), first=2)
    source, reader = runs_of(Place(Sequential(1)), Place(Sequential(10), reads), lengths=[6])
    assert reader == [(3, 13), (13, 23), (23, 33), (33, 43)]
    assert [take for take, _ in source] == [0, 1, 2, 3, 13, 23]


def test_behind_a_vector_that_fills_no_window_there_is_room_once_the_reader_has_ended() -> None:
    reads = Reads((Edge(0, window=True),), first=2)
    source, reader = runs_of(Place(Sequential(1)), Place(Sequential(10), reads), lengths=[4, 4])
    # The second sequence begins with vector 4, which waits until the reader takes vector 3; vectors
    # 5 and 6 wait for the end of that, as nothing reads vectors 4 and 5.
    assert reader == [(3, 13), (13, 23), (25, 35), (35, 45)]
    assert [take for take, _ in source] == [0, 1, 2, 3, 13, 23, 24, 25]


def test_a_shared_engine_starts_at_once_on_what_is_there() -> None:
    step = SharedStep((Stint(5), Stint(2)), inputs=9)
    here, arriving = (in_turn(step, 2, from_input=arrives) for arrives in (False, True))
    assert [[run.take for run in runs] for runs in here] == [[0, 9], [5, 14]]
    assert [[run.take for run in runs] for runs in arriving] == [[9, 18], [14, 23]]


def test_a_streamed_layer_starts_at_once_with_a_full_buffer() -> None:
    """Two groups of 4 columns and 3 cycles to load; the second drains in 14 cycles."""
    groups = (Group(4, 6, 3), Group(4, 14, 3))
    pace = Streamed(20, groups, slots=2, lead=0)
    assert pace == Streamed(20, groups, slots=2, lead=0, sequences=1, turn=0, bits=0)
    course = pace.course()
    assert course.run([0], 0) == [Run(0, 20, (13, 7, 13))]
    assert course.run([0], 0) == [Run(20, 40, (33, 27, 33))]
    # Loads of 12 cycles begin where the columns of the slot end: at 4 and 16, then at 28 and 40.
    course = Streamed(20, (Group(4, 6, 12), Group(4, 14, 12)), slots=2, lead=0).course()
    assert course.run([0], 0) == [Run(0, 20, (28, 16, 28))]
    assert course.run([0], 0) == [Run(20, 42, (52, 40, 52))]


def test_streamed_groups_of_a_shared_engine_take_the_cycles_of_all_layers() -> None:
    """The last interval of a layer counts its lead, which comes before its next step."""
    streamed = Stint(20, (Group(4, 6, 3), Group(4, 14, 3)), lead=5)
    other = Stint(17, (Group(5, 17, 2),), lead=3)
    for stints, intervals in (
        ((streamed,), [6, 14]),
        ((streamed, Stint(7)), [6, 9 + 7 + 5]),
        ((Stint(7), streamed), [6, 9 + 7 + 5]),
        ((streamed, Stint(7), other), [6, 9 + 7 + 3, 14 + 5]),
        ((Stint(1), streamed, other, Stint(7)), [6, 9 + 3, 14 + 7 + 1 + 5]),
    ):
        step = SharedStep(stints, inputs=0)
        assert [group.interval for group in step.groups] == intervals
        assert sum(intervals) == step.compute_cycles


@pytest.mark.parametrize(
    ("layer", "inputs", "lanes", "wait"),
    [
        # 8 columns of inputs; the dense product reads from column 8 on, the band from 16 - 3 on.
        (Elman(8, Dense() + band(1), name="a"), 8, 4, 8),
        (Elman(8, band(1) + Dense(), name="a"), 8, 4, 5),
        (Linear(4, name="a"), 1, 2, 0),  # the only column reads the input
    ],
)
def test_an_overlapping_step_waits_in_front_of_the_first_column_that_needs_it_to(
    layer: Elman | Linear, inputs: int, lanes: int, wait: int
) -> None:
    network = Design(layers=[layer], formats=FORMATS, inputs=inputs).network
    (pace,) = accelerator(network, lanes, Arrangement(overlap=True)).paces
    assert isinstance(pace, Overlapped) and pace.wait == wait


def test_a_block_behind_the_first_one_waits_until_that_is_taken() -> None:
    """A reader that takes two steps together, from step 2 on; vector 4 waits for the take at 7."""
    reader = Place(Together(10, 2), Reads((Edge(0, delay=3),), first=2))
    source, pairs = runs_of(Place(Sequential(1)), reader, lengths=[8])
    assert pairs == [(7, 17)] * 2 + [(17, 27)] * 2 + [(27, 37)] * 2
    assert [take for take, _ in source] == [0, 1, 2, 3, 7, 8, 17, 18]


def test_the_last_step_of_interleaved_sequences() -> None:
    """Two sequences of two steps: a vector of the input takes 3 cycles, one of a layer 5."""
    every_step, at_last = (
        [Place(Sequential(3)), Place(Sequential(5), Reads((Edge(0),), last=last))]
        for last in (False, True)
    )
    (turns,) = wavefront_in_turns(at_last, 2, 2)[1:]
    assert (turns.first, len(turns.takes)) == (1, 1)
    assert last_end(every_step, 2, 2, 1) == 3 + 4 * 5
    assert last_end(at_last, 2, 2, 1) == 3 * 3 + 2 * 5


@pytest.mark.parametrize(
    ("recurrent", "reads"),
    [  # 4 lanes behind 8 columns: a window fills from 3 columns before its first one on
        (Dense(), (8, 4)),
        (band(1), (8 - 3, 4)),
        (CyclicBand(1, 1), (8 - 3, 0)),
    ],
)
def test_a_segment_reads_from_the_column_in_which_its_window_fills(
    recurrent: Structure, reads: tuple[int, int]
) -> None:
    (phase,) = accelerator(elman(8, recurrent).network, 4).layers[0].phases
    assert phase.starts == (0, 8)
    assert phase._reads(0, phase.segments[0], 4) == (0, 4)
    assert phase._reads(8, phase.segments[1], 4) == reads


def test_a_phase_without_rows_is_the_post_processor_s() -> None:
    """4 groups of 16 columns; then a vector in another order, which must be there as a whole."""

    def step(g: StepBuilder, x: Node) -> Node:
        h = g.state(8)
        wx = g.linear(Dense(), "W", x, 8, g.constant("b", 8, "bias"))
        y = g.cast(g.linear(Dense(), "U", h, 8, wx), "state", "y")
        turned = g.gather([y], [*reversed(range(8))])
        return g.update(h, g.cast(g.add(turned, y), "state"))

    machine = accelerator(scanned(step), 2)
    assert [phase.lanes for phase in machine.layers[0].phases] == [2, 0]
    latency = sum(phase.latency_cycles for phase in machine.layers[0].phases)
    assert lane_cycles(machine, 0) == {
        "columns": 4 * 16,
        "post-processor": 8,
        "recurrence latency": latency,
    }


def test_transforms_of_one_phase_follow_one_another() -> None:
    """No column waits for the result of the first, which is there while the second runs."""
    one, gated = (
        accelerator(Design([layer], FORMATS, inputs=4).network, 2).layers[0]
        for layer in (
            Elman(8, Hadamard(), name="a"),
            GRU(8, recurrent=Hadamard(), reset="before", name="a"),
        )
    )
    (cycles,) = (phase.transform_cycles for phase in one.phases)
    assert [phase.transform_cycles for phase in gated.phases] == [2 * cycles, cycles]


def test_groups_of_two_phases_do_not_take_turns() -> None:
    (layer,) = accelerator(elman(8, LowRank(2)).network, 2).layers
    with pytest.raises(DesignError, match="works in several phases"):
        groups_of(layer, [], 2)


def test_the_longest_wait_is_that_of_the_slower_way() -> None:
    """The last place joins the input with ways of 2 + 3 and 10 + 3 cycles."""
    ways = [(1, ()), (2, (0,)), (10, (0,)), (3, (1, 2)), (1, (0, 3))]
    places = [
        Place(Sequential(cycles), Reads(tuple(map(Edge, sources)))) for cycles, sources in ways
    ]
    assert longest_wait(places) == 1 + 10 + 3


# --- what a schedule settles to ----------------------------------------------------------------
def column(gains: list[int]) -> np.ndarray:
    """Times with these gains from row to row."""
    return np.array([*accumulate(gains, initial=0)], np.int64)[:, None]


def test_a_period_repeats_all_gains() -> None:
    assert _period(column([5] * 15), 1) == (1, 5)
    alternating, every_third = column([3, 5] * 12), column([1, 1, 7] * 8)
    assert _period(alternating, 1) == (2, 8)
    assert _period(alternating, 4) == (4, 16)
    assert _period(np.hstack([alternating, every_third]), 1) is None  # not by the same cycles
    assert _period(np.hstack([alternating, column([4, 4] * 12)]), 1) == (2, 8)
    assert _period(column([*range(24)]), 1) is None


def walks(gains: list[int]):
    """A place with these gains from step to step, and the numbers of steps that were walked."""
    walked: list[int] = []

    def times(steps: int) -> list[np.ndarray]:
        walked.append(steps)
        return [column(gains[:steps])[1:]]

    return times, walked


@pytest.mark.parametrize("steps", [40_000, 40_001, 40_002])
def test_few_steps_stand_for_many_whatever_is_left_of_a_period(steps: int) -> None:
    gains = [2, 2, 8] * 20_000
    times, walked = walks(gains)
    short = shortened(steps, times, block=3)
    assert short.steps % 3 == steps % 3
    assert sum(gains[: short.steps]) + short.cycles == sum(gains[:steps])
    assert max(walked) < 200


def test_a_period_that_ends_in_the_steps_left_over_is_none() -> None:
    """Gains repeat in the middle of 64 steps, and no longer in the middle of 67."""
    gains = [1, 1, 1, 5] * 12 + [4] * 1000
    times, _ = walks(gains)
    short = shortened(903, times)
    assert sum(gains[: short.steps]) + short.cycles == sum(gains[:903])


def test_a_long_start_takes_few_walks() -> None:
    gains = [*range(1000)] + [4] * 100_000
    times, walked = walks(gains)
    short = shortened(101_000, times)
    assert sum(gains[: short.steps]) + short.cycles == sum(gains)
    assert len(walked) < 30


def test_places_that_never_run_end_at_once() -> None:
    """A window of three vectors is never full in two steps."""
    places = [
        Place(Sequential(3)),
        Place(Sequential(5), Reads((Edge(0, window=True),), first=2)),
    ]
    assert [last_end(places, steps, 1, 1) for steps in (2, 3)] == [0, 3 * 3 + 5]
    assert last_end(places, 2, 1, 2) == 2 * 3


def test_sequences_of_no_step_take_no_time() -> None:
    assert settled_sequence([Place(Sequential(8))], 0) == 0
