"""Binary AIGER files read by their specification, and run on many sequences at once."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Aiger:
    """Literals; ``gates`` in order: its own number, and its two operands."""

    inputs: int
    latches: list
    outputs: list
    gates: list


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
    assert body[at:] == b"" or body[at:].startswith(b"c\n")
    return Aiger(inputs, [int(each) for each in following], [int(each) for each in given], gates)


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
