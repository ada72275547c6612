// SPDX-License-Identifier: MIT
// The memory behind a window over time that is read by words of ELEMENTS: a ring of WORDS, read
// from the one of the element at `base` on; `q` follows `word` by one cycle. Elements come in order,
// and every step begins with a word.
`default_nettype none
module rnnhw_ring_words #(
  parameter integer WORDS = 12,
  parameter integer WORD_BITS = 3,                  // of `word`
  parameter integer ELEMENTS = 2,                   // a power of two
  parameter integer ELEMENT_BITS = 1,               // of the number of an element, 0 for one
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,                   // `d` has a zero above the element
  parameter integer ADDRESS_BITS = 5                // of an element
)(
  input  wire                         clk,
  input  wire                         we,
  input  wire [ADDRESS_BITS-1:0]      write_address,
  input  wire [WIDTH+UNSIGNED-1:0]    d,
  input  wire [ADDRESS_BITS-1:0]      base,
  input  wire [WORD_BITS-1:0]         word,
  output reg  [ELEMENTS*WIDTH-1:0]    q
);
  localparam integer NUMBER_BITS = ELEMENT_BITS > 0 ? ELEMENT_BITS : 1;
  localparam integer BITS = ADDRESS_BITS - ELEMENT_BITS;
  wire [ELEMENTS*WIDTH-1:0] gathered;
  wire full;
  rnnhw_gather #(.ELEMENTS(ELEMENTS), .ELEMENT_BITS(NUMBER_BITS), .WIDTH(WIDTH))
    gather (.clk(clk), .we(we), .element(write_address[NUMBER_BITS-1:0]), .d(d[WIDTH-1:0]), .full(full),
            .q(gathered));

  // No word is read for use in the cycle in which it is written (`no_rw_check`).
  (* no_rw_check *) reg [ELEMENTS*WIDTH-1:0] words [0:WORDS-1];
  localparam [BITS:0] SIZE = WORDS[BITS:0];
  wire [BITS:0] sum = {1'b0, base[ADDRESS_BITS-1:ELEMENT_BITS]} + {{(BITS+1-WORD_BITS){1'b0}}, word};
  wire [BITS:0] address = sum >= SIZE ? sum - SIZE : sum;
  wire unused = &{1'b0, base, address, d};
  always @(posedge clk) begin
    if (full) words[write_address[ADDRESS_BITS-1:ELEMENT_BITS]] <= gathered;
    q <= words[address[BITS-1:0]];
  end
endmodule
`default_nettype wire
