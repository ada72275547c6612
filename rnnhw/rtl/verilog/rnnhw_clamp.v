// SPDX-License-Identifier: MIT
// A number limited from below and above; WIDTH must hold both limits.
//   y = min(max(a, LOW), HIGH)
// Latency 1: `y` loads on `en`.
// Numbers are compared without a sign, the sign bit inverted: yosys 0.23 takes the constant of a
// signed comparison for one without sign where four bits or fewer are left of it (cmp2lut.v).
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
  localparam [A_WIDTH-1:0] SIGN = {1'b1, {(A_WIDTH-1){1'b0}}};
  localparam [A_WIDTH-1:0] LEAST = LOW ^ SIGN;
  localparam [A_WIDTH-1:0] GREATEST = HIGH ^ SIGN;
  localparam [A_WIDTH-1:0] LAST = {A_WIDTH{1'b1}};
  wire [A_WIDTH-1:0] place = a ^ SIGN;
  wire below, above;
  generate if (LEAST == 0) begin : no_low
    assign below = 1'b0;
  end else begin : low
    assign below = place < LEAST;
  end endgenerate
  generate if (GREATEST == LAST) begin : no_high
    assign above = 1'b0;
  end else begin : high
    assign above = place > GREATEST;
  end endgenerate
  wire signed [A_WIDTH-1:0] limited = below ? LOW : above ? HIGH : a;
  wire unused = &{1'b0, place, limited};  // without limits, and where they need fewer bits
  /* verilator lint_off WIDTH */
  always @(posedge clk) if (en) y <= limited;  // sign extension, or bits that only repeat the sign
  /* verilator lint_on WIDTH */
endmodule
`default_nettype wire
