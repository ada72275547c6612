// SPDX-License-Identifier: MIT
// A word of sums with their biases added: `y` follows `a` by one cycle. `next` comes one cycle
// before a word that has biases (`biased` with the word), in the order of use.
`default_nettype none
module rnnhw_bias_word #(
  parameter integer ELEMENTS = 2,
  parameter integer WIDTH = 16,
  parameter integer BIAS_WIDTH = 8,
  parameter integer DEPTH = 4,
  parameter integer ADDRESS_BITS = 2,
  parameter FILE = ""
)(
  input  wire                        clk, rewind,
  input  wire                        next, biased,
  input  wire [ELEMENTS*WIDTH-1:0]   a,
  output reg  [ELEMENTS*WIDTH-1:0]   y
);
  wire [ELEMENTS*BIAS_WIDTH-1:0] biases;
  rnnhw_weights #(.WIDTH(ELEMENTS*BIAS_WIDTH), .DEPTH(DEPTH), .ADDRESS_BITS(ADDRESS_BITS), .FILE(FILE))
    memory (.clk(clk), .rewind(rewind), .next(next), .q(biases));
  genvar k;
  generate for (k = 0; k < ELEMENTS; k = k + 1) begin : element
    wire signed [BIAS_WIDTH-1:0] bias = biases[k*BIAS_WIDTH +: BIAS_WIDTH];
    /* verilator lint_off WIDTH */
    wire signed [WIDTH-1:0] wide = bias;
    /* verilator lint_on WIDTH */
    always @(posedge clk)
      y[k*WIDTH +: WIDTH] <= a[k*WIDTH +: WIDTH] + (biased ? wide : {WIDTH{1'b0}});
  end endgenerate
endmodule
`default_nettype wire
