// SPDX-License-Identifier: MIT
// Multiply-accumulate lanes, output stationary: every lane adds the columns of one row.
//
//   stage 0  the column is issued: valid, first, last, snapshot
//   stage 1  operands and weights are read
//   stage 2  operand and weight registers
//   stage 3  product
//   stage 4  sums; sums_valid behind the last column, snapshot_valid behind the marked one
`default_nettype none
module rnnhw_lanes #(
  parameter integer LANES = 4,
  parameter integer OPERAND_WIDTH = 8,
  parameter integer WEIGHT_WIDTH = 8,
  parameter integer WIDTH = 24                      // of the accumulators
)(
  input  wire                            clk, rst,
  input  wire                            valid,     // the column has weights
  input  wire                            first,     // it starts the row from zero
  input  wire                            last, snapshot,
  input  wire [LANES*OPERAND_WIDTH-1:0]  operands,
  input  wire [LANES*WEIGHT_WIDTH-1:0]   weights,
  output wire [LANES*WIDTH-1:0]          sums,
  output wire                            sums_valid, snapshot_valid
);
  reg [3:1] v, f;
  reg [4:1] l, s;
  always @(posedge clk) begin
    v <= {v[2:1], valid};
    f <= {f[2:1], first};
    l <= rst ? 4'b0 : {l[3:1], last};
    s <= rst ? 4'b0 : {s[3:1], snapshot};
  end
  assign sums_valid = l[4];
  assign snapshot_valid = s[4];

  genvar lane;
  generate for (lane = 0; lane < LANES; lane = lane + 1) begin : mac
    reg signed [OPERAND_WIDTH-1:0] operand;
    reg signed [WEIGHT_WIDTH-1:0] weight;
    reg signed [OPERAND_WIDTH+WEIGHT_WIDTH-1:0] product;
    reg signed [WIDTH-1:0] sum;
    // Sign extension or truncation to the accumulator: its sums are exact modulo 2^WIDTH.
    /* verilator lint_off WIDTH */
    wire signed [WIDTH-1:0] term = product;
    /* verilator lint_on WIDTH */
    wire unused = &{1'b0, product};
    always @(posedge clk) begin
      operand <= operands[lane*OPERAND_WIDTH +: OPERAND_WIDTH];
      weight <= weights[lane*WEIGHT_WIDTH +: WEIGHT_WIDTH];
      product <= operand * weight;
      if (v[3]) sum <= (f[3] ? $signed({WIDTH{1'b0}}) : sum) + term;
    end
    assign sums[lane*WIDTH +: WIDTH] = sum;
  end endgenerate
endmodule
`default_nettype wire
