// SPDX-License-Identifier: MIT
// One constant word a unit, read once a step in the order of the units from block RAM. `q` is the
// current unit's word, from the cycle behind `next` (or the release of `rst`) to the next `next`;
// behind the last unit comes the first one.
// UNSIGNED 1: the words are unsigned and `q` has a zero above them.
`default_nettype none
module rnnhw_unit_rom #(
  parameter integer UNITS = 16,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter FILE = ""
)(
  input  wire                             clk, rst,
  input  wire                             next,
  output wire signed [WIDTH-1+UNSIGNED:0] q
);
  localparam integer INDEX_BITS = UNITS > 1 ? $clog2(UNITS) : 1;
  localparam integer LAST_UNIT = UNITS - 1;
  localparam [INDEX_BITS-1:0] LAST = LAST_UNIT[INDEX_BITS-1:0];
  localparam [INDEX_BITS-1:0] FIRST = 0;

  (* ram_style = "block" *) reg [WIDTH-1:0] words [0:UNITS-1];
  generate if (FILE != "") begin : filled
    initial $readmemh(FILE, words);
  end endgenerate
  reg [WIDTH-1:0] word;
  reg [INDEX_BITS-1:0] index;
  // The memory is read where `next` leads, so that its output register holds the current word.
  wire [INDEX_BITS-1:0] following =
    rst ? FIRST : ~next ? index : index == LAST ? FIRST : index + 1'b1;

  always @(posedge clk) begin
    index <= following;
    word <= words[following];
  end

  generate if (UNSIGNED != 0) begin : unsigned_word
    assign q = {1'b0, word};
  end else begin : signed_word
    assign q = word;
  end endgenerate
endmodule
`default_nettype wire
