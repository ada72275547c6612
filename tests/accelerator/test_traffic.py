"""Traffic: reads and writes of every memory of a layer, and their sums."""

from collections import Counter

from helpers.machines import FORMATS

from rnnhw.accelerator import MemoryRole, accelerator, traffic_of
from rnnhw.design.design import Design
from rnnhw.layers.cells import LSTM, Last, LeakyElman, Linear, Mean, MinGRU, Window
from rnnhw.layers.structures import Diagonal


def layers(*stack, lanes=4, inputs=3):
    """The machines of a stack of layers."""
    network = Design(list(stack), FORMATS, inputs=inputs, max_steps=6).network
    return accelerator(network, lanes).layers


def by_role(machine, what):
    """Words that the memories of each role read or write in a step."""
    found = Counter()
    for memory in machine.memories:
        found[memory.role] += getattr(memory, what)
    return found


def test_constants_and_states_are_read_unit_by_unit() -> None:
    (machine,) = layers(LeakyElman(11, leak=None, name="a"))
    reads, writes = by_role(machine, "reads"), by_role(machine, "writes")
    assert reads[MemoryRole.CONSTANT] == 22  # the leak, and one less the leak
    assert reads[MemoryRole.STATE_BY_UNIT] == 11
    assert writes.total() == 11 + 11 + 3  # the state twice, the input


def test_peepholes_are_weights_that_are_read() -> None:
    (without,) = layers(LSTM(8, recurrent=Diagonal(), name="a"))
    (machine,) = layers(LSTM(8, recurrent=Diagonal(), peephole=True, name="a"))
    assert machine.traffic.weight_reads == without.traffic.weight_reads + 3 * 8
    assert by_role(machine, "reads")[MemoryRole.STATE_BY_UNIT] == 8


def test_a_state_that_no_column_reads_is_read_once_a_unit() -> None:
    (machine,) = layers(MinGRU(64, name="a"), lanes=8, inputs=1)
    assert by_role(machine, "reads")[MemoryRole.STATE_BY_UNIT] == 64
    assert by_role(machine, "writes")[MemoryRole.STATE_BY_UNIT] == 64


def test_a_head_behind_an_undivided_mean_reads_biases_and_the_count_of_steps() -> None:
    mean = Mean(divide=False, name="m")
    *_, head = layers(MinGRU(4, name="a"), mean, Linear(9, name="b"))
    reads = by_role(head, "reads")
    assert (reads[MemoryRole.CONSTANT_BIASES], reads[MemoryRole.INPUT_BY_UNIT]) == (9, 9)


def test_first_values_are_read_wherever_the_state_is() -> None:
    (machine,) = layers(MinGRU(8, initial=True, name="a"))
    reads = by_role(machine, "reads")
    assert reads[MemoryRole.INITIAL_STATE] == reads[MemoryRole.STATE_BY_UNIT] == 8


def test_a_window_takes_in_one_vector_a_step() -> None:
    (machine,) = layers(Window(3), Linear(4, name="a"))
    (ring,) = (m for m in machine.memories if m.role is MemoryRole.WINDOW_BUFFER)
    assert (ring.depth, ring.reads, ring.writes, ring.arrivals) == (12, 9, 0, 3)
    assert machine.traffic.vector_writes == 3


def test_a_last_window_takes_in_every_vector_and_is_read_once() -> None:
    (machine,) = layers(Window(3), Last(), Linear(4, name="a"))
    (ring,) = (m for m in machine.memories if m.role is MemoryRole.WINDOW_BUFFER)
    assert (ring.depth, ring.reads, ring.arrivals) == (12, 9, 3)
    assert machine.once
    assert machine.inputs == 3
    assert machine.traffic.vector_writes == 0  # of its one run


def test_traffic_is_the_sum_over_the_memories() -> None:
    for machine in layers(LSTM(8, peephole=True, name="a"), Linear(5, name="b")):
        traffic = machine.traffic
        read = sum(memory.reads * memory.width for memory in machine.memories)
        assert traffic == traffic_of(machine.memories)
        assert read == (
            traffic.weight_read_bits
            + traffic.bias_read_bits
            + traffic.vector_read_bits
            + traffic.table_read_bits
        )
