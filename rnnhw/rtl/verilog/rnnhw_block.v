// SPDX-License-Identifier: MIT
// Feed of a block-diagonal matrix whose row groups lie in one block each: every lane gets the same
// element, one a column, of the block in which the rows on the lanes lie.
`default_nettype none
module rnnhw_block #(
  parameter integer COLUMNS = 8,                  // of a block
  parameter integer FIRST = 0,                    // the segment's first column
  parameter integer GROUPS = 2,                   // row groups of a block
  parameter integer GROUP_BITS = 1,
  parameter integer COLUMN_BITS = 4,
  parameter integer INDEX_BITS = 3
)(
  input  wire                   clk,
  input  wire                   begins, group_ends,
  input  wire                   run,
  input  wire [COLUMN_BITS-1:0] column,
  output wire                   active,           // this column is one of the segment's
  output wire [INDEX_BITS-1:0]  index             // of the element to read
);
  reg [INDEX_BITS-1:0] base;
  reg [GROUP_BITS-1:0] group;
  wire block_ends = {{(32-GROUP_BITS){1'b0}}, group} == GROUPS - 1;
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
  wire [INDEX_BITS-1:0] ahead = offset;
  /* verilator lint_on WIDTH */
  assign index = base + ahead;
  always @(posedge clk)
    if (begins) begin
      base <= 0; group <= 0;
    end else if (group_ends) begin
      group <= block_ends ? {GROUP_BITS{1'b0}} : group + 1'b1;
      if (block_ends) base <= base + COLUMNS[INDEX_BITS-1:0];
    end
endmodule
`default_nettype wire
