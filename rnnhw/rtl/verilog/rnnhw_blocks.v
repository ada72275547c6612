// SPDX-License-Identifier: MIT
// Feed of a block-diagonal matrix whose row groups may lie in several blocks: every lane gets the
// same element, one a column, of a run of neighbouring blocks that holds those of the group's rows.
// A run is equally long in every group and ends with the vector at the latest.
`default_nettype none
module rnnhw_blocks #(
  parameter integer UNITS = 32,                   // of the vector
  parameter integer COLUMNS = 16,                 // of a run
  parameter integer INPUTS = 8,                   // columns of a block
  parameter integer ROWS = 4,                     // rows of a block
  parameter integer ROW_BITS = 2,                 // of 0 .. ROWS - 1
  parameter integer LANES = 6,                    // rows of a group
  parameter integer FIRST = 0,                    // the segment's first column
  parameter integer COLUMN_BITS = 5,
  parameter integer INDEX_BITS = 5
)(
  input  wire                   clk,
  input  wire                   begins, group_ends,
  input  wire                   run,
  input  wire [COLUMN_BITS-1:0] column,
  output wire                   active,           // this column is one of the segment's
  output wire [INDEX_BITS-1:0]  index             // of the element to read
);
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

  // From one group to the next the rows move on by whole blocks and by REST rows.
  localparam integer REST = LANES % ROWS;
  wire further;                                   // the rest leads into one more block
  generate if (REST != 0) begin : rest
    localparam integer BACK = ROWS - REST;
    reg [ROW_BITS-1:0] row;                       // of its block: the first one of the group
    assign further = {{(32-ROW_BITS){1'b0}}, row} >= BACK;
    always @(posedge clk)
      if (begins) row <= 0;
      else if (group_ends) row <= further ? row - BACK[ROW_BITS-1:0] : row + REST[ROW_BITS-1:0];
  end else begin : aligned
    assign further = 1'b0;
  end endgenerate

  localparam integer STEP = LANES / ROWS * INPUTS;
  localparam integer LONGER = STEP + INPUTS;
  localparam integer LATEST = UNITS - COLUMNS;
  reg [INDEX_BITS-1:0] base, start;               // of the first row's block, and of the run
  wire [INDEX_BITS-1:0] following = base + (further ? LONGER[INDEX_BITS-1:0] : STEP[INDEX_BITS-1:0]);
  wire late = {{(32-INDEX_BITS){1'b0}}, following} > LATEST;
  /* verilator lint_off WIDTH */
  wire [INDEX_BITS-1:0] ahead = offset;
  /* verilator lint_on WIDTH */
  assign index = start + ahead;
  always @(posedge clk)
    if (begins) begin
      base <= 0; start <= 0;
    end else if (group_ends) begin
      base <= following;
      start <= late ? LATEST[INDEX_BITS-1:0] : following;
    end
endmodule
`default_nettype wire
