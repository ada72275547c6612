// SPDX-License-Identifier: MIT
// Order of the passes over vectors in front of the columns: one behind the other from the cycle
// behind `begins`, each for its PERIOD, up to the LAST one of the phase. PERIOD has a field of 32
// bits and LAST a bit for each pass, the first one lowest. A step runs through all passes once.
`default_nettype none
module rnnhw_passes #(
  parameter integer PASSES = 2,
  parameter integer PASS_BITS = 1,
  parameter integer CYCLE_BITS = 4,
  parameter [PASSES*32-1:0] PERIOD = 0,
  parameter [PASSES-1:0] LAST = 0
)(
  input  wire                   clk, rst,
  input  wire                   begins,         // a phase with passes begins
  output reg                    run,
  output reg  [PASS_BITS-1:0]   pass,           // at work, or the next one
  output reg  [CYCLE_BITS-1:0]  cycle           // of the pass
);
  /* verilator lint_off UNUSED */
  wire [31:0] period = PERIOD[pass*32 +: 32];
  /* verilator lint_on UNUSED */
  wire ends = run & (cycle == period[CYCLE_BITS-1:0] - 1'b1);
  wire last_pass = {{(32-PASS_BITS){1'b0}}, pass} == PASSES - 1;
  always @(posedge clk)
    if (rst) begin
      run <= 0; pass <= 0; cycle <= 0;
    end else if (begins) begin
      run <= 1; cycle <= 0;
    end else if (run) begin
      cycle <= ends ? {CYCLE_BITS{1'b0}} : cycle + 1'b1;
      if (ends) begin
        run <= ~LAST[pass];
        pass <= last_pass ? {PASS_BITS{1'b0}} : pass + 1'b1;
      end
    end
endmodule
`default_nettype wire
