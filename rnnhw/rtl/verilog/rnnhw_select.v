// SPDX-License-Identifier: MIT
// One of two aligned numbers by the sign of a third, modulo 2^WIDTH.
//   y = s >= 0 ? a * 2^A_SHIFT : b * 2^B_SHIFT
// Latency 1: `y` loads on `en`.
`default_nettype none
module rnnhw_select #(
  parameter integer S_WIDTH = 8,
  parameter integer A_WIDTH = 8,
  parameter integer A_SHIFT = 0,
  parameter integer B_WIDTH = 8,
  parameter integer B_SHIFT = 0,
  parameter integer WIDTH = 8
)(
  input  wire                      clk, en,
  input  wire signed [S_WIDTH-1:0] s,
  input  wire signed [A_WIDTH-1:0] a,
  input  wire signed [B_WIDTH-1:0] b,
  output reg  signed [WIDTH-1:0]   y
);
  // Extended (or cut) to the result's width first, so that a shift loses no bit of the result.
  /* verilator lint_off WIDTH */
  wire signed [WIDTH-1:0] a_wide = a, b_wide = b;
  /* verilator lint_on WIDTH */
  always @(posedge clk)
    if (en) y <= s[S_WIDTH-1] ? b_wide <<< B_SHIFT : a_wide <<< A_SHIFT;
  wire unused = &{1'b0, s, a, b};  // of `s` the sign alone is used
endmodule
`default_nettype wire
