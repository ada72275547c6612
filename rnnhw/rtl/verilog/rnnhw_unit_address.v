// SPDX-License-Identifier: MIT
// The address of the element that the current unit reads, where units read the elements of a vector
// in any order or several times: a memory with a register behind it has the current unit's element
// from the cycle behind `next` on; behind the last unit comes the first one. The address of the unit
// behind the current one is read ahead.
`default_nettype none
module rnnhw_unit_address #(
  parameter integer UNITS = 16,
  parameter integer WIDTH = 4,                    // of an address
  parameter integer FIRST = 0,                    // the address of unit 0
  parameter FILE = ""
)(
  input  wire             clk, rst,
  input  wire             next,
  output wire [WIDTH-1:0] index
);
  localparam integer UNIT_BITS = UNITS > 1 ? $clog2(UNITS) : 1;
  localparam integer LAST_UNIT = UNITS - 1;
  localparam integer SECOND = UNITS > 1 ? 1 : 0;

  (* ram_style = "block" *) reg [WIDTH-1:0] words [0:UNITS-1];
  generate if (FILE != "") begin : filled
    initial $readmemh(FILE, words);
  end endgenerate
  reg [UNIT_BITS-1:0] unit;                       // the one behind the current one
  reg [WIDTH-1:0] ahead, current;                 // its address, and that of the current one
  wire [UNIT_BITS-1:0] following = rst ? SECOND[UNIT_BITS-1:0]
                                 : ~next ? unit
                                 : unit == LAST_UNIT[UNIT_BITS-1:0] ? {UNIT_BITS{1'b0}} : unit + 1'b1;
  assign index = rst ? FIRST[WIDTH-1:0] : next ? ahead : current;
  always @(posedge clk) begin
    unit <= following;
    ahead <= words[following];
    current <= index;
  end
endmodule
`default_nettype wire
