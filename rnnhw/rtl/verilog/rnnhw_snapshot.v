// SPDX-License-Identifier: MIT
// The accumulators as they were behind the input columns: copied on `load`, leaving in step with
// the rows of the drain, each with a bias of its own added.
`default_nettype none
module rnnhw_snapshot #(
  parameter integer LANES = 4,
  parameter integer WIDTH = 24,
  parameter integer BIAS = 1,
  parameter integer BIAS_WIDTH = 8,
  parameter integer BIAS_SHIFT = 0,
  parameter integer DEPTH = 16,                     // rows of a step
  parameter integer ADDRESS_BITS = 4,
  parameter FILE = ""
)(
  input  wire                     clk, rst,
  input  wire                     load,
  input  wire [LANES*WIDTH-1:0]   sums,
  input  wire                     shift,            // of the drain
  input  wire                     counted,          // the row has a bias
  output reg  signed [WIDTH-1:0]  value
);
  reg [LANES*WIDTH-1:0] row;
  wire signed [WIDTH-1:0] bias;
  wire signed [WIDTH-1:0] head = row[WIDTH-1:0];

  always @(posedge clk) begin
    if (load) row <= sums;
    else if (shift) row <= row >> WIDTH;
    if (shift) value <= head + bias;
  end

  rnnhw_bias #(.WIDTH(WIDTH), .BIAS(BIAS), .BIAS_WIDTH(BIAS_WIDTH), .BIAS_SHIFT(BIAS_SHIFT),
               .DEPTH(DEPTH), .ADDRESS_BITS(ADDRESS_BITS), .FILE(FILE))
    biases (.clk(clk), .rst(rst), .next(shift & counted), .bias(bias));
endmodule
`default_nettype wire
