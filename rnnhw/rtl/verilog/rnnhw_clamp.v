// SPDX-License-Identifier: MIT
// A number limited from below and above; WIDTH must hold both limits.
//   y = min(max(a, LOW), HIGH)
// Latency 1: `y` loads on `en`.
`default_nettype none
module rnnhw_clamp #(
  parameter integer A_WIDTH = 8,
  parameter signed [A_WIDTH-1:0] LOW = 0,
  parameter signed [A_WIDTH-1:0] HIGH = 0,
  parameter integer WIDTH = 8
)(
  input  wire                      clk, en,
  input  wire signed [A_WIDTH-1:0] a,
  output reg  signed [WIDTH-1:0]   y
);
  wire signed [A_WIDTH-1:0] limited = a < LOW ? LOW : a > HIGH ? HIGH : a;
  wire unused = &{1'b0, limited};  // where the limits need fewer bits
  /* verilator lint_off WIDTH */
  always @(posedge clk) if (en) y <= limited;  // sign extension, or bits that only repeat the sign
  /* verilator lint_on WIDTH */
endmodule
`default_nettype wire
