// SPDX-License-Identifier: MIT
// `y` is `a` of CYCLES cycles before.
`default_nettype none
module rnnhw_delay_word #(
  parameter integer WIDTH = 16,
  parameter integer CYCLES = 1
)(
  input  wire             clk,
  input  wire [WIDTH-1:0] a,
  output wire [WIDTH-1:0] y
);
  reg [CYCLES*WIDTH-1:0] kept;
  assign y = kept[(CYCLES-1)*WIDTH +: WIDTH];
  generate if (CYCLES == 1) begin : once
    always @(posedge clk) kept <= a;
  end else begin : several
    always @(posedge clk) kept <= {kept[(CYCLES-1)*WIDTH-1:0], a};
  end endgenerate
endmodule
`default_nettype wire
