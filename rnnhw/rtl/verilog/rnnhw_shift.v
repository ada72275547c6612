// SPDX-License-Identifier: MIT
// A number shifted to the left by another one, modulo 2^WIDTH.
//   y = a * 2^by
// `by` is never negative: its highest bit is zero.
// Latency 1: `y` loads on `en`.
`default_nettype none
module rnnhw_shift #(
  parameter integer A_WIDTH = 8,
  parameter integer BY_WIDTH = 3,
  parameter integer WIDTH = 11
)(
  input  wire                      clk, en,
  input  wire signed [A_WIDTH-1:0] a,
  input  wire [BY_WIDTH-1:0]       by,
  output reg  signed [WIDTH-1:0]   y
);
  // Extended (or cut) to the result's width first, so that a shift loses no bit of the result.
  /* verilator lint_off WIDTH */
  wire signed [WIDTH-1:0] wide = a;
  /* verilator lint_on WIDTH */
  always @(posedge clk) if (en) y <= wide <<< by;
  wire unused = &{1'b0, a};  // where the result has fewer bits
endmodule
`default_nettype wire
