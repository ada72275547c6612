// SPDX-License-Identifier: MIT
// A number held: latency 1, `q` loads on `en`.
`default_nettype none
module rnnhw_register #(
  parameter integer WIDTH = 8
)(
  input  wire                    clk, en,
  input  wire signed [WIDTH-1:0] d,
  output reg  signed [WIDTH-1:0] q
);
  always @(posedge clk) if (en) q <= d;
endmodule
`default_nettype wire
