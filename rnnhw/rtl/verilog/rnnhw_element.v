// SPDX-License-Identifier: MIT
// One element of the words of a memory: `q` follows `index` by one cycle, as the memory's word does.
// The words hold at least as many bits as an element has: the low ones are it.
`default_nettype none
module rnnhw_element #(
  parameter integer WORD_BITS = 2,
  parameter integer ELEMENTS = 2,                   // a power of two
  parameter integer ELEMENT_BITS = 1,               // of the number of an element, 0 for one
  parameter integer A_WIDTH = 8,
  parameter integer WIDTH = 8
)(
  input  wire                               clk,
  input  wire [WORD_BITS+ELEMENT_BITS-1:0]  index,
  output wire [WORD_BITS-1:0]               word,
  input  wire [ELEMENTS*A_WIDTH-1:0]        words,  // of the memory
  output wire signed [WIDTH-1:0]            q
);
  assign word = index[WORD_BITS+ELEMENT_BITS-1:ELEMENT_BITS];
  wire unused = &{1'b0, clk, words};
  generate if (ELEMENTS == 1) begin : single
    assign q = words[WIDTH-1:0];
  end else begin : several
    reg [ELEMENT_BITS-1:0] chosen;
    always @(posedge clk) chosen <= index[ELEMENT_BITS-1:0];
    // By a power of two a bit of the number: an index times A_WIDTH would become a multiplier.
    reg [ELEMENTS*A_WIDTH-1:0] moved;
    integer k;
    always @* begin
      moved = words;
      for (k = 0; k < ELEMENT_BITS; k = k + 1)
        moved = chosen[k] ? moved >> (A_WIDTH << k) : moved;
    end
    wire unused_elements = &{1'b0, moved};
    assign q = moved[WIDTH-1:0];
  end endgenerate
endmodule
`default_nettype wire
