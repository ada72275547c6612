// SPDX-License-Identifier: MIT
// Arrival of vectors of EACH elements of which the last STEPS together are the input of a layer.
// They lie in a ring of STEPS + 1 places: one vector arrives while a step reads the others. The
// first STEPS - 1 vectors of a sequence start no step; with LAST 1 only its last vector does.
`default_nettype none
module rnnhw_window_input #(
  parameter integer EACH = 4,
  parameter integer STEPS = 3,
  parameter integer LAST = 0,
  parameter integer FILL_BITS = 2,              // of 0 .. STEPS
  parameter integer ADDRESS_BITS = 4            // of EACH * (STEPS + 1) elements
)(
  input  wire                    clk, rst,
  input  wire                    valid, first, last,
  input  wire                    take,          // a step begins on the window that is pending
  input  wire                    idle,          // no step reads the ring
  output wire                    ready,         // a whole vector may be sent
  output reg                     pending,       // a window is complete
  output reg  [ADDRESS_BITS-1:0] write_address,
  output reg  [ADDRESS_BITS-1:0] base,          // of the oldest vector of the window that was taken
  output reg                     is_first, is_last
);
  localparam integer DEPTH = EACH * (STEPS + 1);
  reg [FILL_BITS-1:0] filled;                   // vectors of this sequence, up to STEPS
  reg [ADDRESS_BITS-1:0] offset;                // elements of this vector that have arrived
  reg [ADDRESS_BITS-1:0] oldest;                // of the window that is pending
  reg held, arrived_first, arrived_last;

  wire full = valid & ({{(32-ADDRESS_BITS){1'b0}}, offset} == EACH - 1);
  wire wraps = {{(32-ADDRESS_BITS){1'b0}}, write_address} == DEPTH - 1;
  wire [ADDRESS_BITS-1:0] following = wraps ? {ADDRESS_BITS{1'b0}} : write_address + 1'b1;
  localparam [FILL_BITS:0] ALL = STEPS[FILL_BITS:0];
  wire [FILL_BITS:0] count = (first ? {(FILL_BITS+1){1'b0}} : {1'b0, filled}) + 1'b1;
  wire complete = count >= ALL;
  wire starts = complete & (LAST == 0 | last);
  // The window that ends with this vector begins behind the one place that is not its own.
  localparam [ADDRESS_BITS:0] SIZE = DEPTH[ADDRESS_BITS:0];
  wire [ADDRESS_BITS:0] behind = {1'b0, following} + EACH[ADDRESS_BITS:0];
  /* verilator lint_off UNUSED */
  wire [ADDRESS_BITS:0] start = behind >= SIZE ? behind - SIZE : behind;
  /* verilator lint_on UNUSED */
  wire release_place = pending ? take : idle;

  assign ready = ~held | release_place;

  always @(posedge clk) begin
    if (rst) begin
      pending <= 0; held <= 0; write_address <= 0; offset <= 0; filled <= 0;
    end else begin
      if (valid) begin
        write_address <= following;
        offset <= full ? {ADDRESS_BITS{1'b0}} : offset + 1'b1;
      end
      if (full) filled <= complete ? STEPS[FILL_BITS-1:0] : count[FILL_BITS-1:0];
      pending <= (full & starts) | (pending & ~take);
      held <= full | (held & ~release_place);
    end
    if (full) begin
      oldest <= start[ADDRESS_BITS-1:0];
      arrived_first <= LAST != 0 | count == ALL;
      arrived_last <= last;
    end
    if (take) begin base <= oldest; is_first <= arrived_first; is_last <= arrived_last; end
  end
endmodule
`default_nettype wire
