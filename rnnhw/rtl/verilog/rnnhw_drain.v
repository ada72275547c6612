// SPDX-License-Identifier: MIT
// The way out of the lanes: a group's accumulators are copied to a shift register and leave one a
// cycle, in the order of the rows, with the row's bias added. The next group accumulates meanwhile.
//
// `load` with the sums, `count` of them; `valid` with the first one two cycles later. `gate` counts
// the rows of a unit.
`default_nettype none
module rnnhw_drain #(
  parameter integer LANES = 4,
  parameter integer WIDTH = 24,
  parameter integer ROW_BITS = 3,                   // of a number of rows, 0 .. LANES
  parameter integer GATE_BITS = 1,
  parameter integer BIAS = 1,
  parameter integer BIAS_WIDTH = 8,
  parameter integer BIAS_SHIFT = 0,
  parameter integer DEPTH = 16,                     // rows of a step
  parameter integer ADDRESS_BITS = 4,
  parameter FILE = ""
)(
  input  wire                     clk, rst,
  input  wire                     load,
  input  wire [ROW_BITS-1:0]      count,
  input  wire [GATE_BITS-1:0]     last_gate,        // rows of a unit, less one
  input  wire                     counted,          // the rows have biases
  input  wire [LANES*WIDTH-1:0]   sums,
  output wire                     shift,            // a row leaves the register
  output reg                      valid,
  output reg  [GATE_BITS-1:0]     gate,
  output reg  signed [WIDTH-1:0]  value
);
  reg [LANES*WIDTH-1:0] row;
  reg [ROW_BITS-1:0] left;
  reg [GATE_BITS-1:0] next_gate;
  wire signed [WIDTH-1:0] bias;
  wire signed [WIDTH-1:0] head = row[WIDTH-1:0];

  assign shift = left != 0;
  always @(posedge clk) begin
    if (load) row <= sums;
    else if (shift) row <= row >> WIDTH;
    if (rst) left <= 0;
    else if (load) left <= count;
    else if (shift) left <= left - 1'b1;
    if (rst) next_gate <= 0;
    else if (shift) next_gate <= next_gate == last_gate ? {GATE_BITS{1'b0}} : next_gate + 1'b1;
    valid <= shift & ~rst;
    if (shift) begin
      value <= head + bias;
      gate <= next_gate;
    end
  end

  rnnhw_bias #(.WIDTH(WIDTH), .BIAS(BIAS), .BIAS_WIDTH(BIAS_WIDTH), .BIAS_SHIFT(BIAS_SHIFT),
               .DEPTH(DEPTH), .ADDRESS_BITS(ADDRESS_BITS), .FILE(FILE))
    biases (.clk(clk), .rst(rst), .next(shift & counted), .bias(bias));
endmodule
`default_nettype wire
