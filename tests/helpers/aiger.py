"""Binary AIGER files read by their specification, and run on many sequences at once."""

import re
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Aiger:
    """Literals; ``gates`` in order: its own number, and its two operands. ``names`` of inputs and
    latches, where the file has them, with their variables."""

    inputs: int
    latches: list
    outputs: list
    gates: list
    names: dict = field(default_factory=dict)


def read_aiger(data):
    """The circuit of a file (Biere, Heljanko & Wieringa 2011, section 3)."""
    head, rest = data.split(b"\n", 1)
    kind, total, inputs, latches, outputs, ands = head.split()
    assert kind == b"aig"
    total, inputs, latches, outputs, ands = map(int, (total, inputs, latches, outputs, ands))
    assert total == inputs + latches + ands
    lines = rest.split(b"\n", latches + outputs)
    following, given = lines[:latches], lines[latches : latches + outputs]
    body, at = lines[-1], 0

    def delta():
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    gates = []
    for number in range(inputs + latches + 1, total + 1):
        first = 2 * number - delta()
        second = first - delta()
        assert 2 * number > first >= second >= 0
        gates.append((number, first, second))
    table, _, _ = body[at:].partition(b"c\n")
    names = {}
    for kind, index, words in re.findall(rb"^([il])(\d+) (.*)$", table, re.MULTILINE):
        variable = 1 + int(index) + (inputs if kind == b"l" else 0)
        names |= dict.fromkeys(words.decode().split(), variable)
    literals = [int(each.split()[0]) for each in following]  # yosys adds what it is at first
    return Aiger(inputs, literals, [int(each) for each in given], gates, names)


def next_values(circuit, registers, free, fixed=()):
    """What the register bits become, as numbers, for every value of the ``free`` bits together.

    Bits are named, least significant first; ``fixed`` are constant. What the registers read
    besides is an error: so they depend on nothing else.
    """
    count = 1 << len(free)
    number = np.arange(count, dtype=np.int64)
    values = {0: False}
    for place, name in enumerate(free):
        values[circuit.names[name]] = (number >> place & 1).astype(bool)
    values |= {circuit.names[name]: bool(value) for name, value in dict(fixed).items()}
    gates = {gate: pair for gate, *pair in circuit.gates}

    def of(literal):
        """None where it depends on a bit that is neither free nor fixed."""
        variable = literal >> 1
        if variable not in values:
            operands = [of(each) for each in gates.get(variable, ())]
            if any(each is False for each in operands):
                values[variable] = False
            elif not operands or any(each is None for each in operands):
                values[variable] = None
            else:
                values[variable] = operands[0] & operands[1]
        value = values[variable]
        if value is None or not literal & 1:
            return value
        return not value if isinstance(value, bool) else ~value

    found = np.zeros(count, np.int64)
    for place, name in enumerate(registers):
        latch = circuit.names[name] - 1 - circuit.inputs
        value = of(circuit.latches[latch])
        assert value is not None, f"{name} depends on more than is given"
        found |= np.asarray(value, np.int64) << place
    return found


def run_aiger(circuit, bits):
    """Outputs [sequences, steps, outputs] on input bits [sequences, steps, inputs]."""
    sequences, steps, _ = bits.shape
    values = np.zeros(
        (1 + circuit.inputs + len(circuit.latches) + len(circuit.gates), sequences), bool
    )
    first = 1 + circuit.inputs
    latches = slice(first, first + len(circuit.latches))
    found = np.zeros((sequences, steps, len(circuit.outputs)), bool)

    def of(literal):
        return values[literal >> 1] ^ bool(literal & 1)

    for step in range(steps):
        values[1:first] = bits[:, step].T
        for number, a, b in circuit.gates:
            values[number] = of(a) & of(b)
        for index, output in enumerate(circuit.outputs):
            found[:, step, index] = of(output)
        values[latches] = [of(literal) for literal in circuit.latches] or values[latches]
    return found
