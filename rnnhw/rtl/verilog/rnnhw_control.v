// SPDX-License-Identifier: MIT
// Order of one layer's work: a step is a sequence of phases, a phase is a number of row groups, a
// group is a number of columns, one a cycle.
//
// A step begins (`take`) once `go` says that all it needs is there. Each phase may spend TRANSFORM
// cycles before its first column, and ends with `done`, when its last result is written. Every
// table has a field of 32 bits for each phase, the first one lowest.
//
//   cycle   t      t+1 ...            t+1+TRANSFORM          ...
//           begins transform          column 0, group 0      column 1 ...
`default_nettype none
module rnnhw_control #(
  parameter integer PHASES = 1,
  parameter integer PHASE_BITS = 1,
  parameter integer COLUMN_BITS = 4,
  parameter integer GROUP_BITS = 4,
  parameter integer ROW_BITS = 4,               // of a number of rows, 0 .. lanes
  parameter integer TRANSFORM_BITS = 1,
  parameter [PHASES*32-1:0] COLUMNS = 8,        // cycles of a group
  parameter [PHASES*32-1:0] PERIOD = 8,         // cycles from one group to the next
  parameter [PHASES*32-1:0] GROUPS = 4,
  parameter [PHASES*32-1:0] ROWS = 4,           // rows of every group but the last
  parameter [PHASES*32-1:0] LAST_ROWS = 4,      // rows of the last group
  parameter [PHASES*32-1:0] TRANSFORM = 0       // cycles before the first column
)(
  input  wire                   clk, rst,
  input  wire                   go,
  input  wire                   done,           // the phase's last result is being written
  output wire                   take,           // a step begins
  output wire                   idle,           // no step is at work
  output wire                   begins,         // a phase begins
  output wire                   finish,         // the step's last result is being written
  output reg                    bank,           // which half of a double buffer holds the states
  output reg                    run,            // `column` and `group` are at work
  output reg  [PHASE_BITS-1:0]  phase,
  output reg  [COLUMN_BITS-1:0] column,
  output wire                   last_column,
  output wire                   group_ends,     // last cycle of a group's period
  output wire [ROW_BITS-1:0]    rows            // rows of this group
);
  reg                      busy, next;
  reg [GROUP_BITS-1:0]     group;
  reg [TRANSFORM_BITS-1:0] waiting;

  // A counter ends at its count less one. The tables are taken in as many bits as the counters
  // have; with one phase they are constants.
  function [PHASES*32-1:0] less_one(input [PHASES*32-1:0] fields);
    integer field;
    for (field = 0; field < PHASES; field = field + 1)
      less_one[field*32 +: 32] = fields[field*32 +: 32] - 1;
  endfunction
  localparam [PHASES*32-1:0] LAST_COLUMN = less_one(COLUMNS);
  localparam [PHASES*32-1:0] LAST_CYCLE = less_one(PERIOD);
  localparam [PHASES*32-1:0] LAST_GROUP = less_one(GROUPS);
  localparam integer FINAL = PHASES - 1;

  wire [PHASE_BITS-1:0] at = PHASES > 1 ? phase : {PHASE_BITS{1'b0}};
  wire [COLUMN_BITS-1:0] end_of_columns = LAST_COLUMN[at*32 +: COLUMN_BITS];
  wire [COLUMN_BITS-1:0] end_of_period  = LAST_CYCLE[at*32 +: COLUMN_BITS];
  wire last_group = group == LAST_GROUP[at*32 +: GROUP_BITS];
  wire last_phase = PHASES == 1 | phase == FINAL[PHASE_BITS-1:0];
  wire [TRANSFORM_BITS-1:0] transform = TRANSFORM[at*32 +: TRANSFORM_BITS];
  wire transforms = TRANSFORM != 0 & waiting != 0;

  assign take        = ~busy & go;
  assign idle        = ~busy;
  assign begins      = take | next;
  assign finish      = done & last_phase;
  assign last_column = run & (column == end_of_columns);
  assign group_ends  = run & (column == (last_group ? end_of_columns : end_of_period));
  assign rows        = last_group ? LAST_ROWS[at*32 +: ROW_BITS] : ROWS[at*32 +: ROW_BITS];

  always @(posedge clk)
    if (rst) begin
      busy <= 0; next <= 0; bank <= 0; run <= 0;
      phase <= 0; column <= 0; group <= 0; waiting <= 0;
    end else begin
      next <= done & ~last_phase;
      if (take) busy <= 1;
      else if (finish) busy <= 0;
      if (finish) bank <= ~bank;
      if (done) phase <= last_phase ? {PHASE_BITS{1'b0}} : phase + 1'b1;
      if (begins) begin
        column <= 0; group <= 0;
        run <= transform == 0;
        waiting <= transform;
      end else if (transforms) begin
        waiting <= waiting - 1'b1;
        run <= waiting == 1;
      end else if (group_ends) begin
        column <= 0; group <= group + 1'b1;
        run <= ~last_group;
      end else if (run) column <= column + 1'b1;
    end
endmodule
`default_nettype wire
