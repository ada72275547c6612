// SPDX-License-Identifier: MIT
// Sums and differences of neighbours in two words that follow one another: in the cycle behind the
// second word `y` has the ELEMENTS sums, in the next one the differences. One adder an element.
`default_nettype none
module rnnhw_sums #(
  parameter integer ELEMENTS = 2,
  parameter integer WIDTH = 8
)(
  input  wire                            clk,
  input  wire                            second,   // the next cycle brings the second word
  input  wire [ELEMENTS*WIDTH-1:0]       q,
  output wire [ELEMENTS*(WIDTH+1)-1:0]   y
);
  reg here, difference;
  reg [ELEMENTS*WIDTH-1:0] kept;
  reg [2*ELEMENTS*WIDTH-1:0] pairs;
  always @(posedge clk) begin
    here <= second;
    difference <= ~here;
    if (here) pairs <= {q, kept};
    else kept <= q;
  end
  genvar k;
  generate for (k = 0; k < ELEMENTS; k = k + 1) begin : pair
    wire signed [WIDTH-1:0] a = pairs[2*k*WIDTH +: WIDTH];
    wire signed [WIDTH-1:0] b = pairs[(2*k+1)*WIDTH +: WIDTH];
    wire signed [WIDTH:0] wide = {b[WIDTH-1], b};
    wire signed [WIDTH:0] sum = {a[WIDTH-1], a} + (difference ? -wide : wide);
    assign y[k*(WIDTH+1) +: WIDTH+1] = sum;
  end endgenerate
endmodule
`default_nettype wire
