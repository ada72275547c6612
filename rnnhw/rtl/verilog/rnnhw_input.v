// SPDX-License-Identifier: MIT
// Arrival of one input vector of UNITS elements, one element a cycle with any gaps, into a double
// buffer: the next vector arrives while the step that took the last one is at work.
`default_nettype none
module rnnhw_input #(
  parameter integer UNITS = 8,
  parameter integer INDEX_BITS = 3
)(
  input  wire                  clk, rst,
  input  wire                  valid, first, last,  // of the sequence, with every element
  input  wire                  take,          // a step begins on the vector that is pending
  output wire                  ready,         // a whole vector may be sent
  output reg                   pending,       // a whole vector has arrived
  output reg                   write_bank, read_bank,
  output reg  [INDEX_BITS-1:0] index,         // of the element that arrives
  output reg                   is_first, is_last  // of the vector that was taken
);
  reg arrived_first, arrived_last;
  wire full = valid & ({{(32-INDEX_BITS){1'b0}}, index} == UNITS - 1);

  assign ready = ~pending | take;

  always @(posedge clk) begin
    if (rst) begin
      pending <= 0; write_bank <= 0; read_bank <= 1; index <= 0;
    end else begin
      if (valid) index <= full ? {INDEX_BITS{1'b0}} : index + 1'b1;
      if (full) write_bank <= ~write_bank;
      pending <= full | (pending & ~take);
      if (take) read_bank <= ~read_bank;
    end
    if (full) begin arrived_first <= first; arrived_last <= last; end
    if (take) begin is_first <= arrived_first; is_last <= arrived_last; end
  end
endmodule
`default_nettype wire
