// SPDX-License-Identifier: MIT
// Counts the elements of a vector of UNITS results that come back in order.
`default_nettype none
module rnnhw_result #(
  parameter integer UNITS = 8,
  parameter integer INDEX_BITS = 3
)(
  input  wire                  clk, rst, valid,
  output reg  [INDEX_BITS-1:0] index,        // of the element that comes
  output wire                  done          // it is the last one
);
  assign done = valid & ({{(32-INDEX_BITS){1'b0}}, index} == UNITS - 1);
  always @(posedge clk)
    if (rst | done) index <= 0;
    else if (valid) index <= index + 1'b1;
endmodule
`default_nettype wire
