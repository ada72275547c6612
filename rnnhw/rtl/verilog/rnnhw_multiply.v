// SPDX-License-Identifier: MIT
// Product of two signed numbers, exact where WIDTH is at least A_WIDTH + B_WIDTH, else modulo
// 2^WIDTH.
// Latency 2: the operands load on `en[0]`, `y` loads on `en[1]` in the next cycle (the registers
// that a multiplier block has inside).
`default_nettype none
module rnnhw_multiply #(
  parameter integer A_WIDTH = 8,
  parameter integer B_WIDTH = 8,
  parameter integer WIDTH = 16
)(
  input  wire                      clk,
  input  wire [1:0]                en,
  input  wire signed [A_WIDTH-1:0] a,
  input  wire signed [B_WIDTH-1:0] b,
  output reg  signed [WIDTH-1:0]   y
);
  reg signed [A_WIDTH-1:0] a_held;
  reg signed [B_WIDTH-1:0] b_held;
  wire signed [A_WIDTH+B_WIDTH-1:0] product = a_held * b_held;
  wire unused = &{1'b0, product};  // where the result has fewer bits
  always @(posedge clk) begin
    if (en[0]) begin a_held <= a; b_held <= b; end
    /* verilator lint_off WIDTH */
    if (en[1]) y <= product;             // sign extension, or the low bits
    /* verilator lint_on WIDTH */
  end
endmodule
`default_nettype wire
