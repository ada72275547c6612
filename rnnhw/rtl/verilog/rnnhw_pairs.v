// SPDX-License-Identifier: MIT
// Feed of a butterfly stage: the rows of unit u get elements 2u and 2u+1 of the vector in the two
// columns of the segment, modulo its length. The HELD words with the pairs of the SPAN units on the
// lanes are read one a cycle, the last one in the first column.
`default_nettype none
module rnnhw_pairs #(
  parameter integer SPAN = 4,
  parameter integer FIRST = 1,                    // the segment's first column, at least HELD - 1
  parameter integer HELD = 2,
  parameter integer WORD_BITS = 2,
  parameter integer ELEMENTS = 4,                 // of a word, a power of two
  parameter integer ELEMENT_BITS = 2,             // of the number of an element, 0 for one
  parameter integer OFFSETS = 0,                  // groups may start within a word
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
  localparam integer INDEX_BITS = WORD_BITS + ELEMENT_BITS;
  localparam integer STEP = 2*SPAN;
  localparam integer BRINGS = FIRST - (HELD - 1);
  localparam [COLUMN_BITS-1:0] START = FIRST[COLUMN_BITS-1:0];
  localparam [COLUMN_BITS-1:0] BRING = BRINGS[COLUMN_BITS-1:0];
  localparam [COLUMN_BITS-1:0] WORDS = HELD[COLUMN_BITS-1:0];
  wire [COLUMN_BITS-1:0] offset = column - START;
  wire [COLUMN_BITS-1:0] number = column - BRING;
  assign active = run & (offset >> 1 == 0);
  /* verilator lint_off WIDTH */
  wire [WORD_BITS-1:0] ahead = number;
  /* verilator lint_on WIDTH */

  reg [INDEX_BITS-1:0] start;                     // the group's first element
  reg bring, odd;
  assign word = start[INDEX_BITS-1:ELEMENT_BITS] + ahead;
  always @(posedge clk) begin
    if (begins) start <= 0;
    else if (group_ends) start <= start + STEP[INDEX_BITS-1:0];
    bring <= run & (number < WORDS);
    odd <= offset[0];
  end

  // The words of the group, the first one lowest.
  wire [HELD*ELEMENTS*WIDTH-1:0] words;
  generate if (HELD == 1) begin : single
    reg [ELEMENTS*WIDTH-1:0] kept;
    assign words = bring ? q : kept;
    always @(posedge clk) kept <= words;
  end else begin : several
    reg [HELD*ELEMENTS*WIDTH-1:0] kept;
    assign words = bring ? {q, kept[HELD*ELEMENTS*WIDTH-1:ELEMENTS*WIDTH]} : kept;
    always @(posedge clk) kept <= words;
  end endgenerate

  wire [HELD*ELEMENTS*WIDTH-1:0] aligned;
  generate if (OFFSETS != 0) begin : shifted
    reg [ELEMENT_BITS-1:0] skipped;
    always @(posedge clk) skipped <= start[ELEMENT_BITS-1:0];
    // By a power of two a bit of the number: a distance times WIDTH would become a multiplier.
    reg [HELD*ELEMENTS*WIDTH-1:0] moved;
    integer place;
    always @* begin
      moved = words;
      for (place = 0; place < ELEMENT_BITS; place = place + 1)
        moved = skipped[place] ? moved >> (WIDTH << place) : moved;
    end
    assign aligned = moved;
  end else begin : whole
    assign aligned = words;
  end endgenerate
  wire unused_elements = &{1'b0, aligned};

  genvar k;
  generate for (k = 0; k < SPAN; k = k + 1) begin : unit
    assign window[k*WIDTH +: WIDTH] =
      odd ? aligned[(2*k+1)*WIDTH +: WIDTH] : aligned[2*k*WIDTH +: WIDTH];
  end endgenerate
endmodule
`default_nettype wire
