// SPDX-License-Identifier: MIT
// The sum over the steps of a sequence, element by element as they pass; the sums leave one cycle
// behind the elements of the last step.
`default_nettype none
module rnnhw_total #(
  parameter integer UNITS = 8,
  parameter integer INPUT_WIDTH = 8,
  parameter integer WIDTH = 16,
  parameter integer INDEX_BITS = 3
)(
  input  wire                          clk, rst,
  input  wire                          x_valid, x_first, x_last,
  input  wire signed [INPUT_WIDTH-1:0] x_data,
  output reg                           y_valid,
  output wire signed [WIDTH-1:0]       y_data
);
  // The sum that is read is never the one that is written (`no_rw_check`); see `old`.
  (* no_rw_check *) reg signed [WIDTH-1:0] sums [0:(1 << INDEX_BITS)-1];
  reg signed [WIDTH-1:0] held, sum;
  reg [INDEX_BITS-1:0] index;
  wire wraps = {{(32-INDEX_BITS){1'b0}}, index} == UNITS - 1;
  wire [INDEX_BITS-1:0] next =
    rst ? {INDEX_BITS{1'b0}} : ~x_valid ? index : wraps ? {INDEX_BITS{1'b0}} : index + 1'b1;
  // A vector of one element reads a sum in the cycle in which it is written.
  wire signed [WIDTH-1:0] old = x_first ? $signed({WIDTH{1'b0}}) : UNITS == 1 ? sum : held;
  wire signed [WIDTH-1:0] grown = old + {{(WIDTH-INPUT_WIDTH){x_data[INPUT_WIDTH-1]}}, x_data};
  assign y_data = sum;
  always @(posedge clk) begin
    index <= next;
    held <= sums[next];
    if (x_valid) begin
      sums[index] <= grown;
      sum <= grown;
    end
    y_valid <= x_valid & x_last & ~rst;
  end
endmodule
`default_nettype wire
