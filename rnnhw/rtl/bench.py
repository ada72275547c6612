"""The test bench of an emitted network: a stimulus, what must come out of it and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

import numpy as np
from numpy.typing import NDArray

from rnnhw.numerics.cast import Q
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.verilog_text import hex_words

__all__ = ["Stimulus", "bench_files", "bench_name", "stimulus_of"]

_CYCLE_BITS = 48


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Vectors to send and to expect, of one sequence after the other.

    ``inputs`` [input vectors, units] and ``outputs`` [output vectors, units] are raw integers;
    ``input_places`` and ``output_places`` are the (sequence, step) of every vector, and the flags
    whether it is the first and the last one of its sequence. ``cycles`` are the cycles in which
    the last elements of the output vectors leave; cycle 0 brings the first input element.
    """

    inputs: NDArray[np.int64]
    input_places: tuple[tuple[int, int], ...]
    input_ends: tuple[tuple[bool, bool], ...]
    outputs: NDArray[np.int64]
    output_places: tuple[tuple[int, int], ...]
    output_ends: tuple[tuple[bool, bool], ...]
    cycles: tuple[int, ...]

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
) -> Stimulus:
    """The stimulus of padded raw sequences [sequences, steps, units] with their ``lengths``."""
    sent, sent_places, sent_ends = _vectors(inputs, lengths)
    due, due_places, due_ends = _vectors(outputs, output_lengths)
    if len(cycles) != len(due):
        raise ValueError(f"{len(cycles)} cycles for {len(due)} output vectors")
    return Stimulus(sent, sent_places, sent_ends, due, due_places, due_ends, cycles)


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
    last_due = stimulus.cycles[-1] if stimulus.cycles else 0
    values: Mapping[str, object] = {
        "name": name,
        "input_units": emission.inputs,
        "input_width": emission.input_format.width,
        "input_range": _range(emission.input_format),
        "sent": len(stimulus.inputs),
        "output_units": emission.outputs,
        "output_width": emission.output_format.width,
        "output_range": _range(emission.output_format),
        "due": len(stimulus.outputs),
        "cycle_bits": _CYCLE_BITS,
        "pause": 2 * (last_due // max(len(stimulus.inputs), 1)) + 4,
        "limit": 2 * last_due + 10_000,
        "stalled_limit": 20 * last_due + 100_000,
    }
    width = emission.input_format.width
    images = {
        f"{name}_tb_x.hex": _words(stimulus.inputs, stimulus.input_ends, width),
        f"{name}_tb_y.hex": _words(
            stimulus.outputs, stimulus.output_ends, emission.output_format.width
        ),
        f"{name}_tb_cycles.hex": hex_words(stimulus.cycles, _CYCLE_BITS),
    }
    return {f"{name}_tb.v": _BENCH.substitute(values), **images}


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
  localparam integer DUE = $due;               // output vectors
  localparam integer OUTPUT_UNITS = $output_units;
  localparam integer OUTPUT_WIDTH = $output_width;
  localparam integer PAUSE = $pause;             // longest pause with +stalls, in cycles
  localparam integer AFTER = 200;             // cycles in which nothing more may come
  localparam integer SHOWN = 10;              // differences that are printed

  // Words of the images: last, first, the number.
  reg [INPUT_WIDTH+1:0] x [0:SENT*INPUT_UNITS-1];
  reg [OUTPUT_WIDTH+1:0] expected [0:DUE*OUTPUT_UNITS-1];
  reg [$cycle_bits-1:0] due [0:DUE-1];
  initial begin
    $$readmemh("${name}_tb_x.hex", x);
    $$readmemh("${name}_tb_y.hex", expected);
    $$readmemh("${name}_tb_cycles.hex", due);
  end

  reg clk = 0;
  reg rst = 1;
  always #5 clk = ~clk;

  reg x_valid = 0, x_first = 0, x_last = 0;
  reg $input_range x_data = 0;
  wire x_ready, y_valid, y_first, y_last;
  wire $output_range y_data;
  reg y_ready = 0;

  $name dut (
    .clk(clk), .rst(rst),
    .x_valid(x_valid), .x_ready(x_ready), .x_first(x_first), .x_last(x_last), .x_data(x_data),
    .y_valid(y_valid), .y_ready(y_ready), .y_first(y_first), .y_last(y_last), .y_data(y_data)
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

  always @(posedge clk) if (rst) begin
    cycle = -1; vector = 0; unit = 0; idle = 0; y_pause = 0; granted = 0;
    #1 y_ready = 1;
  end else begin
    // What was there before this edge.
    elapsed = elapsed + 1;
    if (cycle >= 0 || x_valid) cycle = cycle + 1;
    if ((^{x_ready, y_valid}) === 1'bx) begin
      faults = faults + 1;
      if (faults <= SHOWN)
        $$display("unknown cycle=%0d x_ready=%b y_valid=%b", cycle, x_ready, y_valid);
    end
    if (y_ready && unit == 0) granted = 1;
    if (y_valid === 1'b1) begin
      if (!granted || vector >= DUE) begin
        faults = faults + 1;
        if (faults <= SHOWN)
          if (vector >= DUE) $$display("surplus cycle=%0d", cycle);
          else $$display("uninvited cycle=%0d vector=%0d", cycle, vector);
      end
      if (vector < DUE) begin
        if ({y_last, y_first, y_data} !== expected[vector*OUTPUT_UNITS + unit]) begin
          differences = differences + 1;
          if (differences <= SHOWN)
            $$display("difference vector=%0d unit=%0d expected=%b got=%b", vector, unit,
                     expected[vector*OUTPUT_UNITS + unit], {y_last, y_first, y_data});
        end
        last_cycle = cycle;
        unit = unit + 1;
        if (unit == OUTPUT_UNITS) begin
          if (!stalls && cycle != due[vector]) begin
            late = late + 1;
            if (late <= SHOWN)
              $$display("cycle vector=%0d expected=%0d got=%0d", vector, due[vector], cycle);
          end
          unit = 0;
          vector = vector + 1;
          granted = 0;
        end
      end
    end
    idle = vector < DUE || element < SENT*INPUT_UNITS ? 0 : idle + 1;
    if (elapsed > limit) begin
      faults = faults + 1;
      $$display("timeout cycle=%0d vector=%0d unit=%0d x_ready=%b", cycle, vector, unit, x_ready);
    end
    if (idle == AFTER || elapsed > limit) begin
      $$display("%s outputs=%0d vectors=%0d cycles=%0d differences=%0d late=%0d faults=%0d",
               differences + late + faults == 0 ? "PASS" : "FAIL",
               vector*OUTPUT_UNITS + unit, vector, last_cycle + 1, differences, late, faults);
      $$finish;
    end
    // What holds from this edge on.
    #1;
    if (y_pause > 0) y_pause = y_pause - 1;
    else if (stalls && y_ready && unit == 0 && !granted)
      y_pause = $$random(seed) % 2 == 0 ? {$$random(seed)} % PAUSE : 0;
    y_ready = y_pause == 0;
  end
endmodule
`default_nettype wire
""")
