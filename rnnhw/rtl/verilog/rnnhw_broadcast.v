// SPDX-License-Identifier: MIT
// Feed of a dense matrix: every lane gets the same element, one a column.
`default_nettype none
module rnnhw_broadcast #(
  parameter integer COLUMNS = 8,
  parameter integer FIRST = 0,                    // the segment's first column
  parameter integer COLUMN_BITS = 4,
  parameter integer INDEX_BITS = 3
)(
  input  wire                   run,
  input  wire [COLUMN_BITS-1:0] column,
  output wire                   active,           // this column is one of the segment's
  output wire [INDEX_BITS-1:0]  index             // of the element to read
);
  wire [31:0] offset = {{(32-COLUMN_BITS){1'b0}}, column} - FIRST;
  assign active = run & (offset < COLUMNS);
  assign index = offset[INDEX_BITS-1:0];
endmodule
`default_nettype wire
