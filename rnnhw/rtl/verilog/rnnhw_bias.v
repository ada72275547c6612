// SPDX-License-Identifier: MIT
// The biases in the order of the rows: `bias` is that of the row which leaves next; `next` moves
// on, and from the last row to the first. Without a memory all rows start from the same: BIAS 0 from
// zero, BIAS 2 from a one with BIAS_SHIFT zeros below it, which rounds.
`default_nettype none
module rnnhw_bias #(
  parameter integer WIDTH = 24,
  parameter integer BIAS = 1,
  parameter integer BIAS_WIDTH = 8,              // of a word in memory
  parameter integer BIAS_SHIFT = 0,              // zeros below it
  parameter integer DEPTH = 16,
  parameter integer ADDRESS_BITS = 4,
  parameter FILE = ""
)(
  input  wire                    clk, rst,
  input  wire                    next,
  output wire signed [WIDTH-1:0] bias
);
  generate if (BIAS == 1) begin : stored
    // The memory is read one row ahead, so that its output register holds the next bias.
    reg [ADDRESS_BITS-1:0] index;
    wire wraps = {{(32-ADDRESS_BITS){1'b0}}, index} == DEPTH - 1;
    wire [ADDRESS_BITS-1:0] following =
      rst ? {ADDRESS_BITS{1'b0}} : ~next ? index : wraps ? {ADDRESS_BITS{1'b0}} : index + 1'b1;
    wire signed [BIAS_WIDTH-1:0] word;
    always @(posedge clk) index <= following;
    rnnhw_rom #(.WIDTH(BIAS_WIDTH), .DEPTH(DEPTH), .ADDRESS_BITS(ADDRESS_BITS), .FILE(FILE))
      rom (.clk(clk), .address(following), .q(word));
    /* verilator lint_off WIDTH */
    wire signed [WIDTH-1:0] extended = word;
    /* verilator lint_on WIDTH */
    assign bias = extended <<< BIAS_SHIFT;
  end else begin : common
    wire unused = &{1'b0, clk, rst, next};
    localparam [WIDTH-1:0] ONE = 1;
    assign bias = BIAS == 2 ? ONE << BIAS_SHIFT : {WIDTH{1'b0}};
  end endgenerate
endmodule
`default_nettype wire
