// SPDX-License-Identifier: MIT
// Elements that come in order as words of ELEMENTS, the first one lowest: `full` with the last
// element of a word, whose `q` holds it already.
`default_nettype none
module rnnhw_gather #(
  parameter integer ELEMENTS = 4,
  parameter integer ELEMENT_BITS = 2,
  parameter integer WIDTH = 8
)(
  input  wire                        clk, we,
  input  wire [ELEMENT_BITS-1:0]     element,   // number of the element in its word
  input  wire [WIDTH-1:0]            d,
  output wire                        full,
  output wire [ELEMENTS*WIDTH-1:0]   q
);
  generate if (ELEMENTS == 1) begin : single
    wire unused = &{1'b0, clk, element};
    assign full = we;
    assign q = d;
  end else begin : several
    reg [(ELEMENTS-1)*WIDTH-1:0] kept;
    assign full = we & (&element);
    assign q = {d, kept};
    always @(posedge clk) if (we) kept <= q[ELEMENTS*WIDTH-1:WIDTH];
  end endgenerate
endmodule
`default_nettype wire
