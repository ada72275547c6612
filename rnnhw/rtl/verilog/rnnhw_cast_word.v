// SPDX-License-Identifier: MIT
// A word of ELEMENTS elements of A_WIDTH bits, all cast alike (see rnnhw_cast), one word a cycle:
// `y` follows `a` by LATENCY cycles.
`default_nettype none
module rnnhw_cast_word #(
  parameter integer ELEMENTS = 2,
  parameter integer A_WIDTH = 16,
  parameter integer DROP = 4,
  parameter integer ROUNDING = 0,
  parameter integer OVERFLOW = 0,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter integer LATENCY = 1
)(
  input  wire                                      clk,
  input  wire [ELEMENTS*A_WIDTH-1:0]               a,
  output wire [ELEMENTS*(WIDTH+UNSIGNED)-1:0]      y
);
  genvar k;
  generate for (k = 0; k < ELEMENTS; k = k + 1) begin : element
    rnnhw_cast #(.A_WIDTH(A_WIDTH), .DROP(DROP), .ROUNDING(ROUNDING), .OVERFLOW(OVERFLOW),
                 .WIDTH(WIDTH), .UNSIGNED(UNSIGNED), .LATENCY(LATENCY))
      cast (.clk(clk), .en(2'b11), .a(a[k*A_WIDTH +: A_WIDTH]),
            .y(y[k*(WIDTH+UNSIGNED) +: WIDTH+UNSIGNED]));
  end endgenerate
endmodule
`default_nettype wire
