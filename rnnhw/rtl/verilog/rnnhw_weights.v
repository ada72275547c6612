// SPDX-License-Identifier: MIT
// The weights in the order of use: one word with a weight for every lane on each `next`, from the
// first word at the start of a step. `q` follows `next` by one cycle.
`default_nettype none
module rnnhw_weights #(
  parameter integer WIDTH = 32,
  parameter integer DEPTH = 16,
  parameter integer ADDRESS_BITS = 4,
  parameter FILE = ""
)(
  input  wire             clk, rewind, next,
  output wire [WIDTH-1:0] q
);
  reg [ADDRESS_BITS-1:0] address;
  always @(posedge clk)
    if (rewind) address <= 0;
    else if (next) address <= address + 1'b1;
  rnnhw_rom #(.WIDTH(WIDTH), .DEPTH(DEPTH), .ADDRESS_BITS(ADDRESS_BITS), .FILE(FILE))
    rom (.clk(clk), .address(address), .q(q));
endmodule
`default_nettype wire
