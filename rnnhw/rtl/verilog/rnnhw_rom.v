// SPDX-License-Identifier: MIT
// Read-only memory in block RAM; `q` follows `address` by one cycle.
`default_nettype none
module rnnhw_rom #(
  parameter integer WIDTH = 8,
  parameter integer DEPTH = 16,
  parameter integer ADDRESS_BITS = 4,
  parameter FILE = ""
)(
  input  wire                    clk,
  input  wire [ADDRESS_BITS-1:0] address,
  output reg  [WIDTH-1:0]        q
);
  (* ram_style = "block" *) reg [WIDTH-1:0] words [0:DEPTH-1];
  generate if (FILE != "") begin : filled
    initial $readmemh(FILE, words);
  end endgenerate
  always @(posedge clk) q <= words[address];
endmodule
`default_nettype wire
