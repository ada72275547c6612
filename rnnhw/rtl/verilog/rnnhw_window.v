// SPDX-License-Identifier: MIT
// Feed of a banded matrix: the vector slides past the lanes one element a cycle, so that in column
// k of the segment the rows of unit i get element i - LOWER + k. The SPAN units on the lanes keep
// the SPAN - 1 elements before the one that is read; the columns before FIRST fill them.
//
// CYCLIC 1: the index wraps around; else elements beyond the vector's ends are zero.
`default_nettype none
module rnnhw_window #(
  parameter integer UNITS = 16,
  parameter integer LOWER = 1,
  parameter integer COLUMNS = 3,                  // LOWER + upper + 1
  parameter integer SPAN = 4,
  parameter integer FIRST = 8,                    // the segment's first column, at least SPAN
  parameter integer CYCLIC = 0,
  parameter integer WIDTH = 8,
  parameter integer COLUMN_BITS = 4,
  parameter integer INDEX_BITS = 4,
  parameter integer POSITION_BITS = 8             // of -LOWER .. UNITS + SPAN + upper, signed
)(
  input  wire                    clk,
  input  wire                    begins, group_ends,
  input  wire                    run,
  input  wire [COLUMN_BITS-1:0]  column,
  input  wire signed [WIDTH-1:0] element,         // one cycle behind `index`
  output wire                    active,          // this column is one of the segment's
  output wire [INDEX_BITS-1:0]   index,           // of the element to read
  output wire [SPAN*WIDTH-1:0]   window           // one cycle behind `column`: unit 0 lowest
);
  reg signed [POSITION_BITS-1:0] start, position;
  localparam [COLUMN_BITS-1:0] START = FIRST[COLUMN_BITS-1:0];
  localparam integer BEHIND = FIRST + COLUMNS;
  localparam [COLUMN_BITS-1:0] END = BEHIND[COLUMN_BITS-1:0];
  assign active = run & (column >= START) & (column < END);
  assign index = position[INDEX_BITS-1:0];

  // Where reading starts in this group: LOWER before its first unit, modulo UNITS if cyclic.
  localparam integer FROM = CYCLIC != 0 ? (UNITS - LOWER % UNITS) % UNITS : -LOWER;
  localparam signed [POSITION_BITS-1:0] ORIGIN = FROM[POSITION_BITS-1:0];
  localparam signed [POSITION_BITS-1:0] LENGTH = UNITS[POSITION_BITS-1:0];
  localparam signed [POSITION_BITS-1:0] GROUP = SPAN[POSITION_BITS-1:0];
  localparam signed [POSITION_BITS-1:0] ONE = 1;
  wire signed [POSITION_BITS-1:0] ahead = start + GROUP;
  wire signed [POSITION_BITS-1:0] after = position + ONE;
  always @(posedge clk) begin
    if (begins) start <= ORIGIN;
    else if (group_ends) start <= CYCLIC != 0 && ahead >= LENGTH ? ahead - LENGTH : ahead;
    if ({{(32-COLUMN_BITS){1'b0}}, column} == FIRST - SPAN) position <= start;
    else position <= CYCLIC != 0 && after == LENGTH ? {POSITION_BITS{1'b0}} : after;
  end

  wire signed [WIDTH-1:0] next;
  generate if (CYCLIC != 0) begin : wrapped
    assign next = element;
  end else begin : ended
    reg outside;
    always @(posedge clk) outside <= position[POSITION_BITS-1] || position >= LENGTH;
    assign next = outside ? $signed({WIDTH{1'b0}}) : element;
  end endgenerate

  generate if (SPAN == 1) begin : single
    assign window = next;
  end else begin : sliding
    reg [(SPAN-1)*WIDTH-1:0] kept;
    assign window = {next, kept};
    always @(posedge clk) kept <= window[SPAN*WIDTH-1:WIDTH];
  end endgenerate
endmodule
`default_nettype wire
