// SPDX-License-Identifier: MIT
// The two buffers of a vector that passes of constant geometry transform: WORDS words of ELEMENTS
// elements in each. A pass reads words 2r and 2r+1 of one buffer and writes what is made of them as
// words r and WORDS/2 + r of the other one. The vector of the next step is written element by
// element beside the last result; `q` follows the reading by one cycle.
//
//   cycle  SPACING*r    word 2r is read, word 2r+1 a cycle later
//          + LATENCY    `result` is written as word r, SECOND cycles later as WORDS/2 + r
//
// SUMS: passes of two kinds, those of `neurons` as above (SPACING 4, SECOND 2), those of sums with
// SPACING 2, SECOND 1 and this latency. READERS read the last result: each but the first in a copy
// of it, the first one lowest in `word` and `q`.
//
// FIRST_VALUE says what a pass reads instead while `first`: 1 zero, 2 the words of FILE, 3 the words
// `given`, one cycle behind `next`, of a vector that is written elsewhere.
`default_nettype none
module rnnhw_transform #(
  parameter integer WORDS = 4,                      // a power of two, at least 2
  parameter integer WORD_BITS = 2,
  parameter integer ELEMENTS = 2,                   // a power of two
  parameter integer ELEMENT_BITS = 1,               // of the number of an element, 0 for one
  parameter integer WIDTH = 8,
  parameter integer CYCLE_BITS = 4,
  parameter integer SPACING = 2,                    // 2 or 4
  parameter integer LATENCY = 3,
  parameter integer SECOND = 1,
  parameter integer SUMS = 0,                       // 0 for passes of one kind
  parameter integer READERS = 1,
  parameter integer FIRST_VALUE = 0,
  parameter FILE = ""
)(
  input  wire                               clk, rst,
  input  wire                               active,  // a pass over this vector is at work
  input  wire                               turns,   // its first cycle, behind another such pass
  input  wire                               first,
  input  wire                               neurons, // of two kinds of pass, one with SPACING 4
  input  wire [CYCLE_BITS-1:0]              cycle,
  input  wire [ELEMENTS*WIDTH-1:0]          result,
  input  wire                               we,
  input  wire [WORD_BITS+ELEMENT_BITS-1:0]  write_index,
  input  wire [WIDTH-1:0]                   d,
  input  wire [READERS*WORD_BITS-1:0]       word,    // to read while no pass is at work
  output wire [WORD_BITS-1:0]               next,    // that a pass reads
  input  wire [ELEMENTS*WIDTH-1:0]          given,
  output wire [READERS*ELEMENTS*WIDTH-1:0]  q
);
  localparam integer DELAY = LATENCY + SECOND > SUMS + 1 ? LATENCY + SECOND : SUMS + 1;
  localparam integer PAIR_BITS = WORD_BITS > 1 ? WORD_BITS - 1 : 1;

  // --- reading ---------------------------------------------------------------------------------
  reg side;
  wire reading = side ^ turns;
  wire [31:0] ordinal = {{(32-CYCLE_BITS){1'b0}}, cycle};
  wire pair, slow;
  generate if (SUMS != 0) begin : kinds
    assign slow = neurons;
  end else begin : kind
    wire unused = &{1'b0, neurons};
    assign slow = SPACING == 4;
  end endgenerate
  wire [31:0] both = {ordinal[31:2], 2'b00} >> 1 | {31'b0, |ordinal[1:0]};
  wire unused_ordinal = &{1'b0, both, ordinal};
  assign next = slow ? both[WORD_BITS-1:0] : ordinal[WORD_BITS-1:0];
  assign pair = active & (slow ? ordinal < 2*WORDS & ordinal[1:0] == 0 : ordinal < WORDS & ~ordinal[0]);
  wire [WORD_BITS:0] read_address = active ? {reading, next} : {~side, word[WORD_BITS-1:0]};

  // --- writing ---------------------------------------------------------------------------------
  reg [DELAY:1] pairs, sides;
  reg [PAIR_BITS-1:0] lower, upper;
  wire writes_lower, writes_upper, from;            // the side that was read
  generate if (SUMS != 0) begin : two_latencies
    reg [DELAY:1] neuron_pairs;
    always @(posedge clk)
      neuron_pairs <= rst ? {DELAY{1'b0}} : {neuron_pairs[DELAY-1:1], pair & slow};
    wire sum_lower = pairs[SUMS] & ~neuron_pairs[SUMS];
    wire sum_upper = pairs[SUMS+1] & ~neuron_pairs[SUMS+1];
    assign writes_lower = sum_lower | neuron_pairs[LATENCY];
    assign writes_upper = sum_upper | neuron_pairs[LATENCY+SECOND];
    assign from = sum_lower ? sides[SUMS] : sum_upper ? sides[SUMS+1]
                : neuron_pairs[LATENCY] ? sides[LATENCY] : sides[LATENCY+SECOND];
    wire unused = &{1'b0, neuron_pairs};
  end else begin : one_latency
    assign writes_lower = pairs[LATENCY];
    assign writes_upper = pairs[LATENCY+SECOND];
    assign from = writes_lower ? sides[LATENCY] : sides[LATENCY+SECOND];
  end endgenerate
  wire [31:0] position = writes_lower ? {{(32-PAIR_BITS){1'b0}}, lower}
                                      : {{(32-PAIR_BITS){1'b0}}, upper} + WORDS/2;
  wire unused_position = &{1'b0, position, pairs};
  always @(posedge clk) begin
    side <= ~rst & reading;
    pairs <= rst ? {DELAY{1'b0}} : {pairs[DELAY-1:1], pair};
    sides <= {sides[DELAY-1:1], reading};
    if (rst) begin
      lower <= 0; upper <= 0;
    end else begin
      if (writes_lower) lower <= {{(32-PAIR_BITS){1'b0}}, lower} == WORDS/2 - 1 ? {PAIR_BITS{1'b0}} : lower + 1'b1;
      if (writes_upper) upper <= {{(32-PAIR_BITS){1'b0}}, upper} == WORDS/2 - 1 ? {PAIR_BITS{1'b0}} : upper + 1'b1;
    end
  end

  // --- elements gather into a word -------------------------------------------------------------
  wire [ELEMENTS*WIDTH-1:0] gathered;
  wire full;
  wire [WORD_BITS-1:0] write_word = write_index[WORD_BITS+ELEMENT_BITS-1:ELEMENT_BITS];
  generate if (FIRST_VALUE == 3) begin : elsewhere
    wire unused = &{1'b0, we, write_index, d, write_word};
    assign full = 1'b0;
    assign gathered = {(ELEMENTS*WIDTH){1'b0}};
  end else begin : here
    rnnhw_gather #(.ELEMENTS(ELEMENTS), .ELEMENT_BITS(ELEMENT_BITS > 0 ? ELEMENT_BITS : 1), .WIDTH(WIDTH))
      gather (.clk(clk), .we(we), .element(write_index[(ELEMENT_BITS > 0 ? ELEMENT_BITS : 1)-1:0]), .d(d),
              .full(full), .q(gathered));
  end endgenerate

  // --- memory ----------------------------------------------------------------------------------
  wire passes = writes_lower | writes_upper;
  wire [WORD_BITS:0] write_address = passes ? {~from, position[WORD_BITS-1:0]} : {side, write_word};
  wire [ELEMENTS*WIDTH-1:0] data = passes ? result : gathered;
  // No word is read for use in the cycle in which it is written (`no_rw_check`).
  (* no_rw_check *) reg [ELEMENTS*WIDTH-1:0] words [0:(2 << WORD_BITS)-1];
  reg [ELEMENTS*WIDTH-1:0] read;
  always @(posedge clk) begin
    if (passes | full) words[write_address] <= data;
    read <= words[read_address];
  end

  // The last pass is what stays in a copy.
  genvar reader;
  generate for (reader = 1; reader < READERS; reader = reader + 1) begin : copy
    (* no_rw_check *) reg [ELEMENTS*WIDTH-1:0] results [0:(1 << WORD_BITS)-1];
    reg [ELEMENTS*WIDTH-1:0] found;
    assign q[reader*ELEMENTS*WIDTH +: ELEMENTS*WIDTH] = found;
    always @(posedge clk) begin
      if (passes) results[position[WORD_BITS-1:0]] <= result;
      found <= results[word[reader*WORD_BITS +: WORD_BITS]];
    end
  end endgenerate

  // --- the first pass --------------------------------------------------------------------------
  generate if (FIRST_VALUE == 0) begin : plain
    wire unused = &{1'b0, first, given};
    assign q[ELEMENTS*WIDTH-1:0] = read;
  end else begin : chosen
    reg starting;
    wire [ELEMENTS*WIDTH-1:0] value;
    always @(posedge clk) starting <= first;
    assign q[ELEMENTS*WIDTH-1:0] = starting ? value : read;
    if (FIRST_VALUE == 3) begin : from_elsewhere
      assign value = given;
    end else if (FIRST_VALUE == 2) begin : trained
      wire unused = &{1'b0, given};
      rnnhw_rom #(.WIDTH(ELEMENTS*WIDTH), .DEPTH(WORDS), .ADDRESS_BITS(WORD_BITS), .FILE(FILE))
        rom (.clk(clk), .address(next), .q(value));
    end else begin : zero
      wire unused = &{1'b0, given};
      assign value = {(ELEMENTS*WIDTH){1'b0}};
    end
  end endgenerate
endmodule
`default_nettype wire
