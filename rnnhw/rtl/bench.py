"""The test bench of an emitted network: a stimulus, what must come out of it and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

import numpy as np
from numpy.typing import NDArray

from rnnhw.numerics.cast import Q
from rnnhw.rtl.bundle import Emission, OutputPort
from rnnhw.rtl.verilog_text import hex_words

__all__ = ["Due", "Stimulus", "bench_files", "bench_name", "stimulus_of"]

_CYCLE_BITS = 48


@dataclass(frozen=True, eq=False)
class Due:
    """Vectors to expect of one output: raw integers [vectors, units], the (sequence, step) of each
    and whether it is the first and the last of its sequence, and the cycle in which its last
    element leaves; cycle 0 brings the first input element."""

    vectors: NDArray[np.int64]
    places: tuple[tuple[int, int], ...]
    ends: tuple[tuple[bool, bool], ...]
    cycles: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Vectors to send and to expect, of one sequence after the other.

    ``inputs`` [input vectors, units] are raw integers; ``input_places`` are the (sequence, step) of
    every vector, and the flags whether it is the first and the last one of its sequence. ``due`` is
    what every output gives; ``outputs`` and ``cycles`` are those of the first.
    """

    inputs: NDArray[np.int64]
    input_places: tuple[tuple[int, int], ...]
    input_ends: tuple[tuple[bool, bool], ...]
    due: tuple[Due, ...]

    @property
    def outputs(self) -> NDArray[np.int64]:
        """The vectors of the first output."""
        return self.due[0].vectors

    @property
    def cycles(self) -> tuple[int, ...]:
        """The cycles of the first output's vectors."""
        return self.due[0].cycles

    @property
    def elements(self) -> int:
        """Elements that are expected of all outputs."""
        return sum(due.vectors.size for due in self.due)

    @property
    def sequences(self) -> int:
        """Sequences that are sent."""
        return sum(last for _, last in self.input_ends)


def stimulus_of(
    inputs: NDArray[np.int64],
    lengths: NDArray[np.int64],
    outputs: NDArray[np.int64],
    output_lengths: NDArray[np.int64],
    cycles: tuple[int, ...],
    further: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, ...]]] = (),
) -> Stimulus:
    """The stimulus of padded raw sequences [sequences, steps, units] with their ``lengths``;
    ``further`` are outputs, lengths and cycles of each output behind the first."""
    due = [_due(*output) for output in ((outputs, output_lengths, cycles), *further)]
    return Stimulus(*_vectors(inputs, lengths), tuple(due))


def _due(padded: NDArray[np.int64], lengths: NDArray[np.int64], cycles: tuple[int, ...]) -> Due:
    vectors, places, ends = _vectors(padded, lengths)
    if len(cycles) != len(vectors):
        raise ValueError(f"{len(cycles)} cycles for {len(vectors)} output vectors")
    return Due(vectors, places, ends, cycles)


def _vectors(
    padded: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], tuple[tuple[int, int], ...], tuple[tuple[bool, bool], ...]]:
    counts = [int(length) for length in lengths]
    vectors = [padded[sequence, :count] for sequence, count in enumerate(counts)]
    places = [(s, step) for s, count in enumerate(counts) for step in range(count)]
    ends = [(step == 0, step == counts[s] - 1) for s, step in places]
    return np.concatenate(vectors), tuple(places), tuple(ends)


def bench_name(emission: Emission) -> str:
    """The module of the test bench."""
    return f"{emission.name}_tb"


def bench_files(emission: Emission, stimulus: Stimulus) -> dict[str, str]:
    """The test bench and its images by file name."""
    name = emission.name
    last_due = max((due.cycles[-1] for due in stimulus.due if due.cycles), default=0)
    first, *further = outputs = list(zip(emission.output_ports, stimulus.due, strict=True))
    values: Mapping[str, object] = {
        "name": name,
        "input_units": emission.inputs,
        "input_width": emission.input_format.width,
        "input_range": _range(emission.input_format),
        "sent": len(stimulus.inputs),
        "cycle_bits": _CYCLE_BITS,
        "pause": 2 * (last_due // max(len(stimulus.inputs), 1)) + 4,
        "limit": 2 * last_due + 10_000,
        "stalled_limit": 20 * last_due + 100_000,
        **_texts(name, outputs),
        **_text_of_first(first[0], [port for port, _ in further]),
    }
    width = emission.input_format.width
    images = {f"{name}_tb_x.hex": _words(stimulus.inputs, stimulus.input_ends, width)}
    for port, due in outputs:
        words = _words(due.vectors, due.ends, port.format.width)
        images[f"{name}_tb_y{port.suffix}.hex"] = words
        images[f"{name}_tb_cycles{port.suffix}.hex"] = hex_words(due.cycles, _CYCLE_BITS)
    return {f"{name}_tb.v": _BENCH.substitute(values), **images}


def _texts(name: str, outputs: Sequence[tuple[OutputPort, Due]]) -> dict[str, str]:
    """What stands in the bench once for every output, by its place in the template."""
    texts = dict.fromkeys(_OF_OUTPUT, "")
    for port, due in outputs:
        s = port.suffix
        values = {
            "name": name,
            "s": s,
            "which": f"y{s} " if s else "",
            "units": port.units,
            "width": port.format.width,
            "range": _range(port.format),
            "due": len(due.vectors),
            "cycle_bits": _CYCLE_BITS,
            "expected": f"expected{s}[vector{s}*OUTPUT{s}_UNITS + unit{s}]",
            "got": f"{{y{s}_last, y{s}_first, y{s}_data}}",
            "moment": f"due{s}[vector{s}], cycle",
            "at": f"vector{s}, unit{s}",
        }
        for place, template in _OF_OUTPUT.items():
            if s or place not in _OF_FURTHER:
                texts[place] += template.substitute(values)
    return texts


def _text_of_first(first: OutputPort, further: Sequence[OutputPort]) -> dict[str, str]:
    """Conditions and sums over all outputs."""
    ports = (first, *further)

    def each(text: str, between: str) -> str:
        return between.join(text.replace("#", port.suffix) for port in ports)

    others = " && ".join(f"vector{port.suffix} == DUE{port.suffix}" for port in further)
    return {
        "waiting": each("vector# < DUE#", " || "),
        "elements": each("vector#*OUTPUT#_UNITS + unit#", " + "),
        "vectors": each("vector#", " + "),
        "stuck": "cycle, vector, unit, x_ready",
        "unless": f"if (vector < DUE || {others}) " if further else "",
    }


def _range(format: Q) -> str:
    return f"{'signed ' if format.signed else ''}[{format.width - 1}:0]"


def _words(vectors: NDArray[np.int64], ends: tuple[tuple[bool, bool], ...], width: int) -> str:
    """An image with a word an element: last, first, the number."""
    mask = (1 << width) - 1
    words = [
        (last << (width + 1)) | (first << width) | (int(value) & mask)
        for vector, (first, last) in zip(vectors, ends, strict=True)
        for value in vector
    ]
    return hex_words(words, width + 2)


_BENCH = Template("""\
// Test bench of $name: sends the stimulus, compares every output with what the simulator computed
// and the cycle of every output vector's last element with the cycle model. Cycle 0 brings the
// first input element.
//   +stalls=SEED    gaps between elements and an output that is not always ready: values only
//   +reset=CYCLE    a reset in that cycle, behind which everything starts again
//   +waves=FILE     record all signals
// Prints one line for each of the first differences, then PASS or FAIL.
`timescale 1ns/1ps
`default_nettype none
module ${name}_tb;
  localparam integer SENT = $sent;              // input vectors
  localparam integer INPUT_UNITS = $input_units;
  localparam integer INPUT_WIDTH = $input_width;
$constants  localparam integer PAUSE = $pause;             // longest pause with +stalls, in cycles
  localparam integer AFTER = 200;             // cycles in which nothing more may come
  localparam integer SHOWN = 10;              // differences that are printed

  // Words of the images: last, first, the number.
  reg [INPUT_WIDTH+1:0] x [0:SENT*INPUT_UNITS-1];
$memories  initial begin
    $$readmemh("${name}_tb_x.hex", x);
$images  end

  reg clk = 0;
  reg rst = 1;
  always #5 clk = ~clk;

  reg x_valid = 0, x_first = 0, x_last = 0;
  reg $input_range x_data = 0;
  wire x_ready, y_valid, y_first, y_last;
$wires$nets
  $name dut (
    .clk(clk), .rst(rst),
    .x_valid(x_valid), .x_ready(x_ready), .x_first(x_first), .x_last(x_last), .x_data(x_data),
    .y_valid(y_valid), .y_ready(y_ready), .y_first(y_first), .y_last(y_last), .y_data(y_data)$ports
  );

  reg [8*1024-1:0] waves;
  reg stalls;
  integer seed, limit, reset_cycle;
  initial begin
    if ($$value$$plusargs("waves=%s", waves)) begin
      $$dumpfile(waves);
      $$dumpvars(0, ${name}_tb);
    end
    stalls = $$value$$plusargs("stalls=%d", seed);
    limit = stalls ? $stalled_limit : $limit;
    repeat (4) @(posedge clk);
    #1 rst = 0;
    if ($$value$$plusargs("reset=%d", reset_cycle)) begin
      limit = limit + reset_cycle;
      while (cycle < reset_cycle) @(posedge clk);
      #1 rst = 1;
      repeat (2) @(posedge clk);
      #1 rst = 0;
    end
  end

  // --- the sender: between the sampling edges; no element has meaning while x_valid is low ------
  integer element = 0, x_pause = 0;
  reg sending = 0;
  always @(negedge clk) if (rst) begin
    x_valid = 0;
    element = 0; x_pause = 0; sending = 0;
  end else begin
    if (x_pause > 0) x_pause = x_pause - 1;
    else if (!sending && element < SENT*INPUT_UNITS && x_ready === 1'b1) sending = 1;
    if (sending && (!stalls || $$random(seed) % 3 == 0)) begin
      x_valid = 1;
      {x_last, x_first, x_data} = x[element];
      element = element + 1;
      if (element % INPUT_UNITS == 0) begin
        sending = 0;
        x_pause = stalls && $$random(seed) % 2 == 0 ? {$$random(seed)} % PAUSE : 0;
      end
    end else begin
      x_valid = 0;
      {x_last, x_first, x_data} = {(INPUT_WIDTH+2){1'bx}};
    end
  end

  // --- the receiver: room for a vector lasts until its last element is there --------------------
  integer cycle = -1, elapsed = 0, vector = 0, unit = 0, idle = 0, last_cycle = 0, y_pause = 0;
  integer differences = 0, late = 0, faults = 0;
  reg granted = 0;
$counters
  always @(posedge clk) if (rst) begin
    cycle = -1; vector = 0; unit = 0; idle = 0; y_pause = 0; granted = 0;
$cleared    #1 y_ready = 1;
$invited  end else begin
    // What was there before this edge.
    elapsed = elapsed + 1;
    if (cycle >= 0 || x_valid) cycle = cycle + 1;
    if ((^{x_ready, y_valid}) === 1'bx) begin
      faults = faults + 1;
      if (faults <= SHOWN)
        $$display("unknown cycle=%0d x_ready=%b y_valid=%b", cycle, x_ready, y_valid);
    end
$unknown$receivers    idle = $waiting || element < SENT*INPUT_UNITS ? 0 : idle + 1;
    if (elapsed > limit) begin
      faults = faults + 1;
      ${unless}$$display("timeout cycle=%0d vector=%0d unit=%0d x_ready=%b", $stuck);
$missing    end
    if (idle == AFTER || elapsed > limit) begin
      $$display("%s outputs=%0d vectors=%0d cycles=%0d differences=%0d late=%0d faults=%0d",
               differences + late + faults == 0 ? "PASS" : "FAIL",
               $elements, $vectors, last_cycle + 1, differences, late, faults);
      $$finish;
    end
    // What holds from this edge on.
    #1;
$pauses  end
endmodule
`default_nettype wire
""")

_OF_OUTPUT: Mapping[str, Template] = {
    "constants": Template("""\
  localparam integer DUE${s} = $due;               // output vectors
  localparam integer OUTPUT${s}_UNITS = $units;
  localparam integer OUTPUT${s}_WIDTH = $width;
"""),
    "memories": Template("""\
  reg [OUTPUT${s}_WIDTH+1:0] expected${s} [0:DUE${s}*OUTPUT${s}_UNITS-1];
  reg [$cycle_bits-1:0] due${s} [0:DUE${s}-1];
"""),
    "images": Template("""\
    $$readmemh("${name}_tb_y${s}.hex", expected${s});
    $$readmemh("${name}_tb_cycles${s}.hex", due${s});
"""),
    "wires": Template("""\
  wire y${s}_valid, y${s}_first, y${s}_last;
"""),
    "nets": Template("""\
  wire $range y${s}_data;
  reg y${s}_ready = 0;
"""),
    "ports": Template(""",
    .y${s}_valid(y${s}_valid), .y${s}_ready(y${s}_ready), .y${s}_first(y${s}_first),
    .y${s}_last(y${s}_last), .y${s}_data(y${s}_data)"""),
    "counters": Template("""\
  integer vector${s} = 0, unit${s} = 0, y${s}_pause = 0;
  reg granted${s} = 0;
"""),
    "cleared": Template("""\
    vector${s} = 0; unit${s} = 0; y${s}_pause = 0; granted${s} = 0;
"""),
    "invited": Template("""\
    y${s}_ready = 1;
"""),
    "unknown": Template("""\
    if (y${s}_valid === 1'bx) begin
      faults = faults + 1;
      if (faults <= SHOWN)
        $$display("unknown ${which}cycle=%0d x_ready=%b y_valid=%b", cycle, x_ready, y${s}_valid);
    end
"""),
    "receivers": Template("""\
    if (y${s}_ready && unit${s} == 0) granted${s} = 1;
    if (y${s}_valid === 1'b1) begin
      if (!granted${s} || vector${s} >= DUE${s}) begin
        faults = faults + 1;
        if (faults <= SHOWN)
          if (vector${s} >= DUE${s}) $$display("surplus ${which}cycle=%0d", cycle);
          else $$display("uninvited ${which}cycle=%0d vector=%0d", cycle, vector${s});
      end
      if (vector${s} < DUE${s}) begin
        if ($got !== $expected) begin
          differences = differences + 1;
          if (differences <= SHOWN)
            $$display("difference ${which}vector=%0d unit=%0d expected=%b got=%b", $at,
                     $expected, $got);
        end
        last_cycle = cycle;
        unit${s} = unit${s} + 1;
        if (unit${s} == OUTPUT${s}_UNITS) begin
          if (!stalls && cycle != due${s}[vector${s}]) begin
            late = late + 1;
            if (late <= SHOWN)
              $$display("cycle ${which}vector=%0d expected=%0d got=%0d", vector${s}, $moment);
          end
          unit${s} = 0;
          vector${s} = vector${s} + 1;
          granted${s} = 0;
        end
      end
    end
"""),
    "missing": Template("""\
      if (vector${s} < DUE${s})
        $$display("timeout ${which}cycle=%0d vector=%0d unit=%0d x_ready=%b", cycle, vector${s},
                 unit${s}, x_ready);
"""),
    "pauses": Template("""\
    if (y${s}_pause > 0) y${s}_pause = y${s}_pause - 1;
    else if (stalls && y${s}_ready && unit${s} == 0 && !granted${s})
      y${s}_pause = $$random(seed) % 2 == 0 ? {$$random(seed)} % PAUSE : 0;
    y${s}_ready = y${s}_pause == 0;
"""),
}
"""What the bench has once for every output, by its place in :data:`_BENCH`. ``s`` is what tells the
output's ports and variables from the first's, ``which`` how a message names them; ``expected``
and ``got`` are the element that is due and the one that came, ``at`` is its place, and ``moment``
the cycle in which a vector is due and the one in which it came."""

_OF_FURTHER = frozenset({"wires", "ports", "counters", "cleared", "invited", "unknown", "missing"})
"""Places at which the first output has a text of its own in :data:`_BENCH`."""
