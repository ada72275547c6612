// SPDX-License-Identifier: MIT
// One word a unit, read and written once a step, both in the order of the units. `q` is the current
// unit's word, from the cycle behind `next` (or the release of `rst`) to the next `next`; behind
// the last unit comes the first one. `we` writes the words in an order of its own, one each.
// The current word is read again in every cycle: what is written to it shows two cycles later.
// UNSIGNED 1: the words are unsigned and `q` has a zero above them. Reset moves both to the first
// unit and leaves the words.
`default_nettype none
module rnnhw_unit_ram #(
  parameter integer UNITS = 16,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0
)(
  input  wire                             clk, rst,
  input  wire                             next,
  output wire signed [WIDTH-1+UNSIGNED:0] q,
  input  wire                             we,
  input  wire signed [WIDTH-1+UNSIGNED:0] d
);
  localparam integer INDEX_BITS = UNITS > 1 ? $clog2(UNITS) : 1;
  localparam integer LAST_UNIT = UNITS - 1;
  localparam [INDEX_BITS-1:0] LAST = LAST_UNIT[INDEX_BITS-1:0];
  localparam [INDEX_BITS-1:0] FIRST = 0;

  reg [WIDTH-1:0] words [0:(1 << INDEX_BITS)-1];
  reg [WIDTH-1:0] word;
  reg [INDEX_BITS-1:0] read_index, write_index;
  // The memory is read where `next` leads, so that its output register holds the current word.
  wire [INDEX_BITS-1:0] read_next =
    rst ? FIRST : ~next ? read_index : read_index == LAST ? FIRST : read_index + 1'b1;

  always @(posedge clk) begin
    read_index <= read_next;
    word <= words[read_next];
    if (we) words[write_index] <= d[WIDTH-1:0];
    if (rst) write_index <= FIRST;
    else if (we) write_index <= write_index == LAST ? FIRST : write_index + 1'b1;
  end

  generate if (UNSIGNED != 0) begin : unsigned_word
    wire unused = &{1'b0, d[WIDTH]};
    assign q = {1'b0, word};
  end else begin : signed_word
    assign q = word;
  end endgenerate
endmodule
`default_nettype wire
