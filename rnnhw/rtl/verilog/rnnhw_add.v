// SPDX-License-Identifier: MIT
// Sum (SUBTRACT 1: difference) of two aligned numbers, modulo 2^WIDTH.
//   y = a * 2^A_SHIFT +- b * 2^B_SHIFT
// Latency 1: `y` loads on `en`.
`default_nettype none
module rnnhw_add #(
  parameter integer A_WIDTH = 8,
  parameter integer A_SHIFT = 0,
  parameter integer B_WIDTH = 8,
  parameter integer B_SHIFT = 0,
  parameter integer WIDTH = 9,
  parameter integer SUBTRACT = 0
)(
  input  wire                      clk, en,
  input  wire signed [A_WIDTH-1:0] a,
  input  wire signed [B_WIDTH-1:0] b,
  output reg  signed [WIDTH-1:0]   y
);
  // Extended (or cut) to the result's width first, so that a shift loses no bit of the result.
  /* verilator lint_off WIDTH */
  wire signed [WIDTH-1:0] a_wide = a, b_wide = b;
  /* verilator lint_on WIDTH */
  wire signed [WIDTH-1:0] a_aligned = a_wide <<< A_SHIFT, b_aligned = b_wide <<< B_SHIFT;
  always @(posedge clk)
    if (en) y <= SUBTRACT != 0 ? a_aligned - b_aligned : a_aligned + b_aligned;
  wire unused = &{1'b0, a, b};  // where the result has fewer bits
endmodule
`default_nettype wire
