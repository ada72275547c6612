// SPDX-License-Identifier: MIT
// A vector in memory that is written element by element, all in order, and read by words of any
// number of ELEMENTS: BANKS copies of it; `q` follows `word` by one cycle.
//
// FIRST_VALUE says what is read instead while `first`: 0 nothing else, 1 zero, 2 the words of FILE.
// Reset starts the writing again at the first element.
`default_nettype none
module rnnhw_row #(
  parameter integer WORDS = 6,
  parameter integer WORD_BITS = 3,
  parameter integer ELEMENTS = 3,
  parameter integer ELEMENT_BITS = 2,               // of the number of an element in its word
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,                   // `d` has a zero above the element
  parameter integer BANKS = 2,
  parameter integer FIRST_VALUE = 0,
  parameter FILE = ""
)(
  input  wire                       clk, rst,
  input  wire                       first,
  input  wire                       we, write_bank,
  input  wire [WIDTH+UNSIGNED-1:0]  d,
  input  wire                       read_bank,
  input  wire [WORD_BITS-1:0]       word,
  output wire [ELEMENTS*WIDTH-1:0]  q
);
  localparam integer LAST_WORD = WORDS - 1;
  localparam integer LAST_ELEMENT = ELEMENTS - 1;
  wire [ELEMENTS*WIDTH-1:0] gathered;
  wire full;
  generate if (ELEMENTS == 1) begin : single
    assign full = we;
    assign gathered = d[WIDTH-1:0];
  end else begin : several
    reg [(ELEMENTS-1)*WIDTH-1:0] kept;
    reg [ELEMENT_BITS-1:0] element;
    wire last = element == LAST_ELEMENT[ELEMENT_BITS-1:0];
    assign full = we & last;
    assign gathered = {d[WIDTH-1:0], kept};
    always @(posedge clk) begin
      if (we) kept <= gathered[ELEMENTS*WIDTH-1:WIDTH];
      if (rst | full) element <= 0;
      else if (we) element <= element + 1'b1;
    end
  end endgenerate
  wire unused_sign = &{1'b0, d};

  reg [WORD_BITS-1:0] write_word;
  always @(posedge clk)
    if (rst) write_word <= 0;
    else if (full)
      write_word <= write_word == LAST_WORD[WORD_BITS-1:0] ? {WORD_BITS{1'b0}} : write_word + 1'b1;

  // No word is read for use in the cycle in which it is written (`no_rw_check`).
  (* no_rw_check *) reg [ELEMENTS*WIDTH-1:0] words [0:(BANKS << WORD_BITS)-1];
  reg [ELEMENTS*WIDTH-1:0] read;
  generate if (BANKS == 2) begin : double
    always @(posedge clk) begin
      if (full) words[{write_bank, write_word}] <= gathered;
      read <= words[{read_bank, word}];
    end
  end else begin : alone
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
