// SPDX-License-Identifier: MIT
// TABLES functions of a number as tables of WIDTH-bit words in one block RAM, one behind the other.
//   y = table[select][a], where the bits of `a` are an unsigned index
// UNSIGNED 1: the words are unsigned and `y` has a zero above them.
// Latency 1: the memory is read on `en`.
`default_nettype none
module rnnhw_lookup #(
  parameter integer ADDRESS_WIDTH = 8,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter integer TABLES = 1,
  parameter integer SELECT_WIDTH = 1,
  parameter FILE = ""
)(
  input  wire                             clk, en,
  input  wire [SELECT_WIDTH-1:0]          select,
  input  wire [ADDRESS_WIDTH-1:0]         a,
  output wire signed [WIDTH-1+UNSIGNED:0] y
);
  (* ram_style = "block" *) reg [WIDTH-1:0] words [0:(TABLES << ADDRESS_WIDTH)-1];
  generate if (FILE != "") begin : filled
    initial $readmemh(FILE, words);
  end endgenerate
  reg [WIDTH-1:0] word;
  generate if (TABLES > 1) begin : several
    always @(posedge clk) if (en) word <= words[{select, a}];
  end else begin : single
    wire unused = &{1'b0, select};
    always @(posedge clk) if (en) word <= words[a];
  end endgenerate
  generate if (UNSIGNED != 0) begin : unsigned_word
    assign y = {1'b0, word};
  end else begin : signed_word
    assign y = word;
  end endgenerate
endmodule
`default_nettype wire
