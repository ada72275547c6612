// SPDX-License-Identifier: MIT
// The number of the unit whose element is to be read, so that a memory with a register behind it
// has the current unit's element from the cycle behind `next` on; behind the last comes the first.
`default_nettype none
module rnnhw_unit_index #(
  parameter integer UNITS = 16,
  parameter integer INDEX_BITS = 4
)(
  input  wire                  clk, rst,
  input  wire                  next,
  output wire [INDEX_BITS-1:0] index
);
  localparam integer LAST = UNITS - 1;
  localparam [INDEX_BITS-1:0] ZERO = 0;
  reg [INDEX_BITS-1:0] current;
  assign index = rst ? ZERO
               : ~next ? current
               : current == LAST[INDEX_BITS-1:0] ? ZERO : current + 1'b1;
  always @(posedge clk) current <= index;
endmodule
`default_nettype wire
