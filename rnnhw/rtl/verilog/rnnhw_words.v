// SPDX-License-Identifier: MIT
// A vector in memory that is written element by element, in order, and read by words of ELEMENTS:
// BANKS copies of it; `q` follows `word` by one cycle.
//
// FIRST_VALUE says what is read instead while `first`: 0 nothing else, 1 zero, 2 the words of FILE.
`default_nettype none
module rnnhw_words #(
  parameter integer WORDS = 4,                      // a power of two
  parameter integer WORD_BITS = 2,
  parameter integer ELEMENTS = 2,                   // a power of two
  parameter integer ELEMENT_BITS = 1,               // of the number of an element, 0 for one
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,                   // `d` has a zero above the element
  parameter integer BANKS = 2,
  parameter integer FIRST_VALUE = 0,
  parameter FILE = ""
)(
  input  wire                               clk,
  input  wire                               first,
  input  wire                               we, write_bank,
  input  wire [WORD_BITS+ELEMENT_BITS-1:0]  write_index,
  input  wire [WIDTH+UNSIGNED-1:0]          d,
  input  wire                               read_bank,
  input  wire [WORD_BITS-1:0]               word,
  output wire [ELEMENTS*WIDTH-1:0]          q
);
  localparam integer NUMBER_BITS = ELEMENT_BITS > 0 ? ELEMENT_BITS : 1;
  wire [ELEMENTS*WIDTH-1:0] gathered;
  wire full;
  wire [WORD_BITS-1:0] write_word = write_index[WORD_BITS+ELEMENT_BITS-1:ELEMENT_BITS];
  rnnhw_gather #(.ELEMENTS(ELEMENTS), .ELEMENT_BITS(NUMBER_BITS), .WIDTH(WIDTH))
    gather (.clk(clk), .we(we), .element(write_index[NUMBER_BITS-1:0]), .d(d[WIDTH-1:0]), .full(full),
            .q(gathered));

  wire unused_sign = &{1'b0, d};

  // No word is read for use in the cycle in which it is written (`no_rw_check`).
  (* no_rw_check *) reg [ELEMENTS*WIDTH-1:0] words [0:(BANKS << WORD_BITS)-1];
  reg [ELEMENTS*WIDTH-1:0] read;
  generate if (BANKS == 2) begin : double
    always @(posedge clk) begin
      if (full) words[{write_bank, write_word}] <= gathered;
      read <= words[{read_bank, word}];
    end
  end else begin : single
    wire unused = &{1'b0, write_bank, read_bank};
    always @(posedge clk) begin
      if (full) words[write_word] <= gathered;
      read <= words[word];
    end
  end endgenerate

  generate if (FIRST_VALUE == 2) begin : trained
    wire [ELEMENTS*WIDTH-1:0] value;
    rnnhw_rom #(.WIDTH(ELEMENTS*WIDTH), .DEPTH(WORDS), .ADDRESS_BITS(WORD_BITS), .FILE(FILE))
      rom (.clk(clk), .address(word), .q(value));
    assign q = first ? value : read;
  end else if (FIRST_VALUE == 1) begin : zero
    assign q = first ? {(ELEMENTS*WIDTH){1'b0}} : read;
  end else begin : plain
    wire unused = &{1'b0, first};
    assign q = read;
  end endgenerate
endmodule
`default_nettype wire
