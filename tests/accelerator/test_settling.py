"""What a schedule settles to, without walking all steps: as if all were walked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from helpers.machines import FORMATS
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw import GRU, Arrangement, Dense, Design, Elman, Last, Linear, Residual, Target
from rnnhw.accelerator.schedule import accelerator, settling
from rnnhw.accelerator.schedule.interleave import Interleaved
from rnnhw.accelerator.schedule.layer_timing import Pace, Sequential
from rnnhw.accelerator.schedule.overlap import Overlapped
from rnnhw.accelerator.schedule.parallel_steps import Together
from rnnhw.accelerator.schedule.turns import wavefront_in_turns
from rnnhw.accelerator.schedule.wavefront import Edge, Place, Reads, wavefront
from rnnhw.accelerator.schedule.weight_stream import Group, Streamed
from rnnhw.cost.estimation import estimate

SLOW = settings(max_examples=40)


@st.composite
def streamed(draw: st.DrawFn, sequences: int) -> Pace:
    count = draw(st.integers(1, 4))
    groups = tuple(
        Group(c, c + draw(st.integers(0, 9)), draw(st.integers(1, 40)))
        for c in draw(st.lists(st.integers(1, 20), min_size=count, max_size=count))
    )
    turn = draw(st.integers(1, 3)) if sequences > 1 else 0
    cycles = sum(group.interval for group in groups) + 5
    return Streamed(
        cycles, groups, draw(st.integers(2, 5)), draw(st.integers(0, 3)), sequences, turn
    )


@st.composite
def places(draw: st.DrawFn, sequences: int = 1, *, plain: bool = False) -> list[Place]:
    """The input and a chain of layers, some of which another one reads past the next."""
    found = [Place(Sequential(draw(st.integers(1, 30))))]
    first = 0
    for index in range(draw(st.integers(1, 4))):
        cycles = draw(st.integers(1, 60))
        kinds = ["sequential"] if plain else ["sequential", "streamed"]
        if not plain:
            kinds += ["interleaved"] if sequences > 1 else ["overlapped", "together"]
        pace: Pace
        match draw(st.sampled_from(kinds)):
            case "streamed":
                pace = draw(streamed(sequences))
            case "interleaved":
                pace = Interleaved(cycles, draw(st.integers(1, cycles)), sequences)
            case "overlapped":
                columns = draw(st.integers(1, cycles))
                pace = Overlapped(cycles, columns, draw(st.integers(0, columns)))
            case "together":
                pace = Together(cycles, draw(st.integers(2, 4)))
            case _:
                pace = (
                    Sequential(cycles) if sequences == 1 else Interleaved(cycles, cycles, sequences)
                )
        if draw(st.booleans()):
            first += draw(st.integers(0, 3))
        window = first > found[-1].reads.first
        edges = [Edge(index, window=window, delay=draw(st.integers(0, 3)))]
        if index and draw(st.booleans()) and all(p.pace.block == 1 for p in found):
            edges.append(Edge(index - 1))
        last = draw(st.booleans()) and draw(st.booleans())
        found.append(Place(pace, Reads(tuple(edges), first, last)))
        if last:
            break
    return found


def both(compute):
    """What a function gives as it is, and where every step is walked."""
    fast = compute()
    with patch.object(settling, "_FIRST_STEPS", 1 << 40):
        return fast, compute()


@SLOW
@given(places(), st.integers(130, 700))
def test_a_long_sequence_ends_where_its_steps_end(found: list[Place], steps: int) -> None:
    fast, slow = both(lambda: settling.last_end(found, steps, 1, len(found)))
    assert fast == slow


@SLOW
@given(st.data(), st.integers(2, 5), st.integers(130, 300))
def test_interleaved_sequences_end_where_their_steps_end(
    data: st.DataObject, sequences: int, steps: int
) -> None:
    found = data.draw(places(sequences))
    fast, slow = both(lambda: settling.last_end(found, steps, sequences, len(found)))
    assert fast == slow


@SLOW
@given(places(plain=True), st.integers(130, 250))
def test_sequences_follow_each_other_as_their_steps_do(found: list[Place], steps: int) -> None:
    fast, slow = both(lambda: settling.settled_sequence(found, steps))
    assert fast == slow


def test_a_window_that_fills_late_settles_too() -> None:
    """No place may be looked at before its first step."""
    reads = Reads((Edge(0, window=True),), first=30)
    found = [Place(Sequential(3)), Place(Sequential(5), reads)]
    for compute in (
        lambda: settling.settled_sequence(found, 300),
        lambda: settling.last_end(found, 300, 1, 1),
        lambda: settling.last_end(found, 300, 2, 1),
    ):
        fast, slow = both(compute)
        assert fast == slow > 270 * 5


@SLOW
@given(places(plain=True), st.integers(1, 40))
def test_the_slowest_place_sets_the_pace_of_sequences(found: list[Place], steps: int) -> None:
    """Of so many sequences that buffers between a fast place and a slow one are long full."""
    gain = settling.settled_sequence(found, steps)
    count = 60 * gain.denominator
    runs = wavefront(found, [steps] * 2 * count)
    ends = [[run.end for run in by_step.values()] for by_step in runs if by_step]
    advances = [place[-1] - place[len(place) // 2 - 1] for place in ends]
    assert max(advances, default=0) == count * gain


def test_a_faster_place_that_waits_for_no_reader_sets_no_pace() -> None:
    """Neither one in front of the slowest place nor one that ends later than it."""
    fast, slow = Sequential(59), Sequential(60)
    ahead, late = Reads((Edge(0),)), Reads((Edge(0, delay=2000),))
    found = [
        Place(Sequential(1), open=True),
        Place(fast, ahead, open=True),
        Place(slow, Reads((Edge(1),))),
        Place(fast, late),
    ]
    for count in (3, 4):
        assert settling.settled_sequence(found[:count], 1) == 60


def test_few_steps_stand_for_many() -> None:
    found = [Place(Sequential(8)), Place(Sequential(21), Reads((Edge(0),)))]
    walked = []

    def times(steps: int):
        walked.append(steps)
        return settling._times(found, 1, steps)

    short = settling.shortened(10**9, times)
    assert short.steps + short.cycles // 21 == 10**9
    assert max(walked) < 200


# --- reports -----------------------------------------------------------------------------------
def stack(steps: int, **schedule: object) -> Design:
    layers = [
        GRU(16, name="a"),
        Residual([Elman(16, name="b")], name="r", join="concatenate"),
        Elman(16, Dense(), name="c"),
    ]
    if "weights" in schedule:  # a chain alone can be streamed
        layers = [layers[0], layers[2]]
    else:
        layers += [Last(), Linear(3, name="head")]
    target = Target("ulx3s-85", lanes=4, clock_mhz=50, **schedule)
    return Design(layers, FORMATS, inputs=8, max_steps=steps, target=target)


@contextmanager
def walks() -> Iterator[list[int]]:
    """The steps of every wavefront that is walked, of sequences back to back or interleaved."""
    steps: list[int] = []

    def back_to_back(places, lengths):
        steps.append(sum(lengths))
        return wavefront(places, lengths)

    def interleaved(places, length, sequences):
        steps.append(length)
        return wavefront_in_turns(places, length, sequences)

    with (
        patch.object(settling, "wavefront", back_to_back),
        patch.object(settling, "wavefront_in_turns", interleaved),
        patch.object(accelerator, "wavefront_in_turns", interleaved),
    ):
        yield steps


SCHEDULES = [{}, {"engines": "shared"}, {"weights": "streamed"}]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_report_walks_no_further_for_more_steps(schedule: dict[str, object]) -> None:
    with walks() as steps:
        report = estimate(stack(10**6, **schedule))
    assert bool(steps) == ("engines" not in schedule)  # a shared engine's layers follow each other
    assert sum(steps) < 10**5
    tenth = estimate(stack(10**5, **schedule)).totals.cycles_per_sequence.number
    cycles = report.totals.cycles_per_step.number
    assert report.totals.cycles_per_sequence.number == tenth + 900_000 * cycles


def test_a_report_walks_no_further_for_more_sequences() -> None:
    design = Design(
        [Elman(16, name="a"), Elman(16, name="b")], FORMATS, inputs=8, max_steps=1000,
        target=Target("ecp5-25", lanes=4, clock_mhz=50),
    )  # fmt: skip
    with walks() as steps:
        report = estimate(design, arrangement=Arrangement(interleave=100_000))
    assert steps and sum(steps) < 1000
    assert len(report.timeline) < 1000
    a, b = (estimate(design, arrangement=Arrangement(interleave=k)) for k in (100, 200))
    ends = [each.totals.cycles_per_sequence.number for each in (a, b, report)]
    assert ends[2] - ends[1] == (100_000 - 200) // 100 * (ends[1] - ends[0])
