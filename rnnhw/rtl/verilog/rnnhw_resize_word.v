// SPDX-License-Identifier: MIT
// Every element of a word in another width: extended, or its low bits; moved left by SHIFT bits
// before. UNSIGNED: elements have no sign, so that zeros extend them.
`default_nettype none
module rnnhw_resize_word #(
  parameter integer ELEMENTS = 2,
  parameter integer A_WIDTH = 8,
  parameter integer SHIFT = 0,
  parameter integer UNSIGNED = 0,
  parameter integer WIDTH = 8
)(
  input  wire [ELEMENTS*A_WIDTH-1:0] a,
  output wire [ELEMENTS*WIDTH-1:0]   y
);
  genvar k;
  generate for (k = 0; k < ELEMENTS; k = k + 1) begin : element
    wire sign = UNSIGNED == 0 & a[(k+1)*A_WIDTH-1];
    wire signed [A_WIDTH+SHIFT:0] moved;
    if (SHIFT == 0) begin : still
      assign moved = {sign, a[k*A_WIDTH +: A_WIDTH]};
    end else begin : left
      assign moved = {sign, a[k*A_WIDTH +: A_WIDTH], {SHIFT{1'b0}}};
    end
    wire unused = &{1'b0, moved};
    /* verilator lint_off WIDTH */
    assign y[k*WIDTH +: WIDTH] = moved;
    /* verilator lint_on WIDTH */
  end endgenerate
endmodule
`default_nettype wire
