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
  // Columns from one group to the next fit COLUMN_BITS: so does where the segment ends.
  localparam [COLUMN_BITS-1:0] START = FIRST[COLUMN_BITS-1:0];
  localparam integer BEHIND = FIRST + COLUMNS;
  localparam [COLUMN_BITS-1:0] END = BEHIND[COLUMN_BITS-1:0];
  localparam [COLUMN_BITS-1:0] ZERO = 0;
  /* verilator lint_off UNUSED */
  wire [COLUMN_BITS-1:0] offset = column - START;
  /* verilator lint_on UNUSED */
  /* verilator lint_off UNSIGNED */
  assign active = run & (START == ZERO | column >= START) & (column < END);
  /* verilator lint_on UNSIGNED */
  /* verilator lint_off WIDTH */
  assign index = offset;
  /* verilator lint_on WIDTH */
endmodule
`default_nettype wire
