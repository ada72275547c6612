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

  wire [31:0] columns   = COLUMNS[phase*32 +: 32];
  wire [31:0] period    = PERIOD[phase*32 +: 32];
  wire [31:0] groups    = GROUPS[phase*32 +: 32];
  wire        last_group = {{(32-GROUP_BITS){1'b0}}, group} == groups - 1;
  /* verilator lint_off UNUSED */
  wire [31:0] row_count = last_group ? LAST_ROWS[phase*32 +: 32] : ROWS[phase*32 +: 32];
  wire [31:0] transform = TRANSFORM[phase*32 +: 32];
  wire [31:0] ordinal   = {{(32-COLUMN_BITS){1'b0}}, column};
  wire        last_phase = {{(32-PHASE_BITS){1'b0}}, phase} == PHASES - 1;

  assign take        = ~busy & go;
  assign idle        = ~busy;
  assign begins      = take | next;
  assign finish      = done & last_phase;
  assign last_column = run & (ordinal == columns - 1);
  assign group_ends  = run & (ordinal == (last_group ? columns : period) - 1);
  assign rows        = row_count[ROW_BITS-1:0];

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
        waiting <= transform[TRANSFORM_BITS-1:0];
      end else if (waiting != 0) begin
        waiting <= waiting - 1'b1;
        run <= waiting == 1;
      end else if (group_ends) begin
        column <= 0; group <= group + 1'b1;
        run <= ~last_group;
      end else if (run) column <= column + 1'b1;
    end
endmodule
`default_nettype wire
