// SPDX-License-Identifier: MIT
// An input vector that is read unit by unit: `q` is the current unit's element until `next`. It is
// written as it arrives, into the half of the buffer that no step reads.
`default_nettype none
module rnnhw_unit_input #(
  parameter integer UNITS = 8,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter integer INDEX_BITS = 3
)(
  input  wire                             clk, rst,
  input  wire                             we, write_bank,
  input  wire [INDEX_BITS-1:0]            write_index,
  input  wire [WIDTH+UNSIGNED-1:0]        d,
  input  wire                             read_bank,
  input  wire                             next,
  output wire signed [WIDTH+UNSIGNED-1:0] q
);
  reg [INDEX_BITS-1:0] index;
  wire wraps = {{(32-INDEX_BITS){1'b0}}, index} == UNITS - 1;
  wire [INDEX_BITS-1:0] following =
    rst ? {INDEX_BITS{1'b0}} : ~next ? index : wraps ? {INDEX_BITS{1'b0}} : index + 1'b1;
  always @(posedge clk) index <= following;
  rnnhw_vector #(.UNITS(UNITS), .WIDTH(WIDTH), .UNSIGNED(UNSIGNED), .INDEX_BITS(INDEX_BITS))
    memory (.clk(clk), .first(1'b0), .we(we), .write_bank(write_bank), .write_index(write_index),
           .d(d), .read_bank(read_bank), .read_index(following), .q(q));
endmodule
`default_nettype wire
