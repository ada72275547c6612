// SPDX-License-Identifier: MIT
// Columns of a butterfly stage on the lanes' multipliers: of two words that follow one another,
// lane k gets both elements of pair k, for the lower outputs and then for the upper ones.
//
//   cycle  c      word 2r is read          `issue` of a column at c+1 .. c+4
//          c+1    word 2r+1 is read        `operands` of it a cycle later
`default_nettype none
module rnnhw_neurons #(
  parameter integer WORDS = 4,
  parameter integer ELEMENTS = 2,
  parameter integer WIDTH = 8,
  parameter integer CYCLE_BITS = 4
)(
  input  wire                          clk, rst,
  input  wire                          active,
  input  wire [CYCLE_BITS-1:0]         cycle,
  input  wire [ELEMENTS*WIDTH-1:0]     q,
  output reg                           issue,     // a column
  output wire                          starts,    // the first of an output
  output wire                          ends,      // the second of an output
  output wire [ELEMENTS*WIDTH-1:0]     operands   // one cycle behind `issue`
);
  wire [31:0] ordinal = {{(32-CYCLE_BITS){1'b0}}, cycle};
  reg [1:0] column, at_lanes;
  reg [ELEMENTS*WIDTH-1:0] word, next_word;
  wire bring = at_lanes == 0;
  wire [ELEMENTS*WIDTH-1:0] second = bring ? q : next_word;
  wire [2*ELEMENTS*WIDTH-1:0] pairs = {second, word};
  assign starts = issue & ~column[0];
  assign ends = issue & column[0];
  always @(posedge clk) begin
    issue <= ~rst & active & (ordinal < 2*WORDS);
    column <= ordinal[1:0];
    at_lanes <= column;
    if (issue & column == 0) word <= q;
    if (bring) next_word <= q;
  end
  genvar k;
  generate for (k = 0; k < ELEMENTS; k = k + 1) begin : lane
    assign operands[k*WIDTH +: WIDTH] =
      at_lanes[0] ? pairs[(2*k+1)*WIDTH +: WIDTH] : pairs[2*k*WIDTH +: WIDTH];
  end endgenerate
endmodule
`default_nettype wire
