// SPDX-License-Identifier: MIT
// The number of steps of a sequence, one cycle behind the last element of its last vector.
`default_nettype none
module rnnhw_steps #(
  parameter integer UNITS = 8,                      // elements of a vector
  parameter integer WIDTH = 8,
  parameter integer INDEX_BITS = 3
)(
  input  wire                    clk, rst,
  input  wire                    x_valid, x_first, x_last,
  output reg                     y_valid,
  output reg  signed [WIDTH-1:0] y_data
);
  wire done;
  /* verilator lint_off UNUSED */
  wire [INDEX_BITS-1:0] index;
  /* verilator lint_on UNUSED */
  rnnhw_result #(.UNITS(UNITS), .INDEX_BITS(INDEX_BITS))
    elements (.clk(clk), .rst(rst), .valid(x_valid), .index(index), .done(done));
  always @(posedge clk) begin
    y_valid <= done & x_last & ~rst;
    if (done) y_data <= x_first ? {{(WIDTH-1){1'b0}}, 1'b1} : y_data + 1'b1;
  end
endmodule
`default_nettype wire
