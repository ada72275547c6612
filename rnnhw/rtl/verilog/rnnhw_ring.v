// SPDX-License-Identifier: MIT
// The memory behind a window over time: a ring of DEPTH elements, read from `base` on; `q` follows
// `index` by one cycle.
`default_nettype none
module rnnhw_ring #(
  parameter integer DEPTH = 16,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter integer ADDRESS_BITS = 4,
  parameter integer INDEX_BITS = 4
)(
  input  wire                             clk,
  input  wire                             we,
  input  wire [ADDRESS_BITS-1:0]          write_address,
  input  wire [WIDTH+UNSIGNED-1:0]        d,
  input  wire [ADDRESS_BITS-1:0]          base,
  input  wire [INDEX_BITS-1:0]            index,
  output wire signed [WIDTH+UNSIGNED-1:0] q
);
  // No element is read for use in the cycle in which it is written (`no_rw_check`).
  (* no_rw_check *) reg [WIDTH-1:0] words [0:DEPTH-1];
  reg [WIDTH-1:0] read;
  localparam [ADDRESS_BITS:0] SIZE = DEPTH[ADDRESS_BITS:0];
  wire [ADDRESS_BITS:0] sum = {1'b0, base} + {{(ADDRESS_BITS+1-INDEX_BITS){1'b0}}, index};
  /* verilator lint_off UNUSED */
  wire [ADDRESS_BITS:0] address = sum >= SIZE ? sum - SIZE : sum;
  /* verilator lint_on UNUSED */
  always @(posedge clk) begin
    if (we) words[write_address] <= d[WIDTH-1:0];
    read <= words[address[ADDRESS_BITS-1:0]];
  end
  generate if (UNSIGNED != 0) begin : extended
    wire unused = &{1'b0, d[WIDTH]};
    assign q = {1'b0, read};
  end else begin : whole
    assign q = read;
  end endgenerate
endmodule
`default_nettype wire
