// SPDX-License-Identifier: MIT
// A number rounded, then fitted into a word: the cast to a format of WIDTH bits.
//   y = fit(round(a * 2^-DROP))
// DROP fraction bits are dropped (negative: bits are appended, nothing is rounded). UNSIGNED 1: the
// word holds 0 .. 2^WIDTH - 1 and `y` has a zero above it. The modes have the names of AMD's
// ap_fixed (UG1399) and Siemens' ac_fixed.
// FOLDED 1: `a` holds the rounding constant of TRN, RND or RND_MIN_INF already (0, half, half less
// one unit): it is only shifted.
// LATENCY 1: `y` loads on `en[0]`. LATENCY 2: the rounded sum loads on `en[0]`, `y` on `en[1]` in
// the next cycle.
`default_nettype none
module rnnhw_cast #(
  parameter integer A_WIDTH = 16,
  parameter integer DROP = 4,
  parameter integer ROUNDING = 0,
  parameter integer OVERFLOW = 0,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter integer FOLDED = 0,
  parameter integer LATENCY = 1
)(
  input  wire                             clk,
  input  wire [1:0]                       en,
  input  wire signed [A_WIDTH-1:0]        a,
  output reg  signed [WIDTH-1+UNSIGNED:0] y
);
  localparam integer TRN = 0;           // toward minus infinity
  localparam integer TRN_ZERO = 1;      // toward zero
  localparam integer RND = 2;           // to nearest, ties toward plus infinity
  localparam integer RND_ZERO = 3;      // to nearest, ties toward zero
  localparam integer RND_INF = 4;       // to nearest, ties away from zero
  localparam integer RND_MIN_INF = 5;   // to nearest, ties toward minus infinity
  localparam integer RND_CONV = 6;      // to nearest, ties to even
  localparam integer RND_CONV_ODD = 7;  // to nearest, ties to odd

  localparam integer WRAP = 0;          // the low bits
  localparam integer SAT = 1;           // the nearest number of the word
  localparam integer SAT_ZERO = 2;      // zero
  localparam integer SAT_SYM = 3;       // the nearest, without the most negative number
  localparam integer WRAP_SM = 4;       // sign-magnitude wrap, signed words only

  localparam integer RIGHT = DROP > 0 ? DROP : 0;
  localparam integer LEFT = DROP < 0 ? -DROP : 0;
  localparam integer ROUNDS = DROP > 0 && ROUNDING != TRN && FOLDED == 0 ? 1 : 0;
  localparam integer HELD_WIDTH = A_WIDTH > RIGHT ? A_WIDTH : RIGHT + 1;
  localparam integer SUM_WIDTH = HELD_WIDTH + ROUNDS;
  localparam integer WHOLE_WIDTH = SUM_WIDTH - RIGHT + LEFT;
  localparam integer VALUE_WIDTH = WHOLE_WIDTH > WIDTH ? WHOLE_WIDTH : WIDTH + 1;

  // --- round: add, then drop bits --------------------------------------------------------------
  // To nearest: half a unit where the mode lets a tie go up, else the next number below a half.
  wire signed [SUM_WIDTH-1:0] sum;
  generate if (ROUNDS != 0) begin : rounding
    localparam [SUM_WIDTH-1:0] HALF = {{(SUM_WIDTH-1){1'b0}}, 1'b1} << (RIGHT - 1);
    localparam [SUM_WIDTH-1:0] BELOW_HALF = HALF - 1'b1;
    localparam [SUM_WIDTH-1:0] BELOW_WHOLE = HALF | BELOW_HALF;
    wire negative = a[A_WIDTH-1];
    wire odd = RIGHT < A_WIDTH ? a[RIGHT < A_WIDTH ? RIGHT : 0] : negative;
    wire up = ROUNDING == RND ? 1'b1
            : ROUNDING == RND_ZERO ? negative
            : ROUNDING == RND_INF ? ~negative
            : ROUNDING == RND_CONV ? odd
            : ROUNDING == RND_CONV_ODD ? ~odd
            : 1'b0;
    wire [SUM_WIDTH-1:0] extra =
      ROUNDING == TRN_ZERO ? (negative ? BELOW_WHOLE : {SUM_WIDTH{1'b0}}) : up ? HALF : BELOW_HALF;
    assign sum = {{(SUM_WIDTH-A_WIDTH){negative}}, a} + extra;
  end else begin : exact
    /* verilator lint_off WIDTH */
    assign sum = a;                      // sign extension where more bits are dropped than there are
    /* verilator lint_on WIDTH */
  end endgenerate

  // --- the first bit that a sign-magnitude wrap deletes, of the number before rounding ---------
  localparam integer DELETED = WIDTH + DROP;
  wire deleted;
  generate if (OVERFLOW != WRAP_SM || DELETED < 0) begin : nothing_deleted
    assign deleted = 1'b0;
  end else begin : bit_deleted
    localparam [HELD_WIDTH:0] UNIT = {{HELD_WIDTH{1'b0}}, 1'b1};
    localparam [HELD_WIDTH:0] CONSTANT =
      FOLDED == 0 || RIGHT == 0 || ROUNDING == TRN ? {(HELD_WIDTH+1){1'b0}}
      : (UNIT << (RIGHT > 0 ? RIGHT - 1 : 0)) - (ROUNDING == RND_MIN_INF ? UNIT : UNIT - UNIT);
    wire [HELD_WIDTH:0] raw = {{(HELD_WIDTH+1-A_WIDTH){a[A_WIDTH-1]}}, a} - CONSTANT;
    assign deleted = raw[DELETED < HELD_WIDTH ? DELETED : HELD_WIDTH];
    wire unused = &{1'b0, raw};
  end endgenerate

  // --- the register behind the adder -----------------------------------------------------------
  wire signed [SUM_WIDTH-1:0] rounded;
  wire first_deleted;
  generate if (LATENCY == 2) begin : staged
    reg signed [SUM_WIDTH-1:0] held;
    reg held_deleted;
    always @(posedge clk) if (en[0]) begin held <= sum; held_deleted <= deleted; end
    assign rounded = held;
    assign first_deleted = held_deleted;
  end else begin : direct
    wire unused = &{1'b0, en[1]};
    assign rounded = sum;
    assign first_deleted = deleted;
  end endgenerate

  // --- fit -------------------------------------------------------------------------------------
  /* verilator lint_off WIDTH */
  wire signed [VALUE_WIDTH-1:0] value = (rounded >>> RIGHT) <<< LEFT;
  /* verilator lint_on WIDTH */
  wire below = value[VALUE_WIDTH-1];
  wire [WIDTH-1:0] low = value[WIDTH-1:0];
  reg [WIDTH-1:0] fitted;
  wire outside;
  generate if (UNSIGNED != 0) begin : unsigned_word
    assign outside = |value[VALUE_WIDTH-1:WIDTH];
    always @* begin
      fitted = low;
      if (outside && OVERFLOW != WRAP)
        fitted = OVERFLOW == SAT_ZERO || below ? {WIDTH{1'b0}} : {WIDTH{1'b1}};
    end
    wire unused = &{1'b0, first_deleted};
    always @(posedge clk) if (en[LATENCY-1]) y <= {1'b0, fitted};
  end else begin : signed_word
    localparam [WIDTH-1:0] MOST = {WIDTH{1'b1}} >> 1;
    localparam [WIDTH-1:0] LEAST = OVERFLOW == SAT_SYM ? -MOST : ~MOST;
    wire [VALUE_WIDTH-WIDTH:0] top = value[VALUE_WIDTH-1:WIDTH-1];
    wire too_wide = ~(&top | ~|top);
    assign outside = too_wide | (OVERFLOW == SAT_SYM && low == ~MOST);
    always @* begin
      fitted = low;
      if (outside)
        case (OVERFLOW)
          SAT, SAT_SYM: fitted = below ? LEAST : MOST;
          SAT_ZERO: fitted = {WIDTH{1'b0}};
          WRAP_SM: begin
            if (first_deleted != low[WIDTH-1]) fitted = ~low;
            fitted[WIDTH-1] = first_deleted;
          end
          default: fitted = low;
        endcase
    end
    wire unused = &{1'b0, first_deleted};
    always @(posedge clk) if (en[LATENCY-1]) y <= fitted;
  end endgenerate
endmodule
`default_nettype wire
