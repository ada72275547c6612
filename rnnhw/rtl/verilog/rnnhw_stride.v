// SPDX-License-Identifier: MIT
// Feed of interleaved blocks: in column k of the segment the rows of unit u get element u modulo
// UNITS of the k-th UNITS elements of the vector, which all SPAN units on the lanes read together
// as one word of ELEMENTS: their own elements (ELEMENTS = SPAN), or all UNITS.
//
// OFFSETS 1: a group of rows starts somewhere within its word, which is turned until it starts there.
`default_nettype none
module rnnhw_stride #(
  parameter integer COLUMNS = 4,
  parameter integer FIRST = 0,                    // the segment's first column
  parameter integer UNITS = 4,
  parameter integer SPAN = 2,
  parameter integer ELEMENTS = 2,                 // divides UNITS
  parameter integer WORD_BITS = 3,                // of COLUMNS * UNITS / ELEMENTS words
  parameter integer OFFSETS = 0,
  parameter integer OFFSET_BITS = 1,              // of 0 .. UNITS - 1
  parameter integer GROUPS = 1,                   // row groups of the same units
  parameter integer GROUP_BITS = 1,
  parameter integer WIDTH = 8,
  parameter integer COLUMN_BITS = 4
)(
  input  wire                      clk,
  input  wire                      begins, group_ends,
  input  wire                      run,
  input  wire [COLUMN_BITS-1:0]    column,
  input  wire [ELEMENTS*WIDTH-1:0] q,             // one cycle behind `word`
  output wire                      active,        // this column is one of the segment's
  output wire [WORD_BITS-1:0]      word,          // to read
  output wire [SPAN*WIDTH-1:0]     window         // one cycle behind `column`: unit 0 lowest
);
  localparam [COLUMN_BITS-1:0] START = FIRST[COLUMN_BITS-1:0];
  localparam integer BEHIND = FIRST + COLUMNS;
  localparam [COLUMN_BITS-1:0] END = BEHIND[COLUMN_BITS-1:0];
  localparam [COLUMN_BITS-1:0] ZERO = 0;
  /* verilator lint_off UNSIGNED */
  assign active = run & (START == ZERO | column >= START) & (column < END);
  /* verilator lint_on UNSIGNED */

  // Row groups of the same units, one behind the other.
  wire moves;
  generate if (GROUPS > 1) begin : several
    reg [GROUP_BITS-1:0] group;
    assign moves = group_ends & ({{(32-GROUP_BITS){1'b0}}, group} == GROUPS - 1);
    always @(posedge clk)
      if (begins | moves) group <= 0;
      else if (group_ends) group <= group + 1'b1;
  end else begin : one
    assign moves = group_ends;
  end endgenerate

  // The word of a group's units in column FIRST; from column to column it is EACH words further.
  localparam integer EACH = UNITS / ELEMENTS;
  localparam integer LAST = EACH - 1;
  wire [WORD_BITS-1:0] base;
  generate if (EACH > 1) begin : apart
    reg [WORD_BITS-1:0] current;
    assign base = begins ? {WORD_BITS{1'b0}}
                : ~moves ? current
                : current == LAST[WORD_BITS-1:0] ? {WORD_BITS{1'b0}} : current + 1'b1;
    always @(posedge clk) current <= base;
  end else begin : whole
    assign base = {WORD_BITS{1'b0}};
  end endgenerate
  reg [WORD_BITS-1:0] address;
  assign word = address;
  always @(posedge clk)
    address <= active & ~group_ends & ~begins ? address + EACH[WORD_BITS-1:0] : base;

  wire [ELEMENTS*WIDTH-1:0] turned;
  generate if (OFFSETS != 0) begin : shifted
    // Where the group starts in its word, and where the group that the word is of did.
    reg [OFFSET_BITS-1:0] offset, skipped;
    localparam integer STEP = SPAN % UNITS;
    localparam integer BACK = UNITS - STEP;
    wire [OFFSET_BITS-1:0] following = {{(32-OFFSET_BITS){1'b0}}, offset} >= BACK
      ? offset - BACK[OFFSET_BITS-1:0] : offset + STEP[OFFSET_BITS-1:0];
    always @(posedge clk) begin
      if (begins) offset <= 0;
      else if (moves) offset <= following;
      skipped <= offset;
    end
    // By a power of two a bit of the number: a distance times WIDTH would become a multiplier.
    reg [2*ELEMENTS*WIDTH-1:0] twice;
    integer place;
    always @* begin
      twice = {q, q};
      for (place = 0; place < OFFSET_BITS; place = place + 1)
        twice = skipped[place] ? twice >> (WIDTH << place) : twice;
    end
    assign turned = twice[ELEMENTS*WIDTH-1:0];
    wire unused = &{1'b0, twice};
  end else begin : straight
    assign turned = q;
  end endgenerate
  wire unused_elements = &{1'b0, turned, begins, moves};

  genvar k;
  generate for (k = 0; k < SPAN; k = k + 1) begin : unit
    assign window[k*WIDTH +: WIDTH] = turned[(k % ELEMENTS)*WIDTH +: WIDTH];
  end endgenerate
endmodule
`default_nettype wire
