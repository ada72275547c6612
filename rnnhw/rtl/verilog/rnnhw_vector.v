// SPDX-License-Identifier: MIT
// A vector in memory: BANKS copies of it (two where the next one is written while this one is
// read), written and read element by element; `q` follows `read_index` by one cycle.
//
// FIRST_VALUE says what is read instead while `first`: 0 nothing else, 1 zero, 2 the words of FILE.
// SIGNED 0: `q` has a zero above the word, so that it is a signed number everywhere.
`default_nettype none
module rnnhw_vector #(
  parameter integer UNITS = 8,
  parameter integer WIDTH = 8,
  parameter integer UNSIGNED = 0,
  parameter integer INDEX_BITS = 3,
  parameter integer BANKS = 2,
  parameter integer FIRST_VALUE = 0,
  parameter FILE = ""
)(
  input  wire                             clk,
  input  wire                             first,
  input  wire                             we, write_bank,
  input  wire [INDEX_BITS-1:0]            write_index,
  input  wire [WIDTH+UNSIGNED-1:0]        d,
  input  wire                             read_bank,
  input  wire [INDEX_BITS-1:0]            read_index,
  output wire signed [WIDTH+UNSIGNED-1:0] q
);
  // No element is read for use in the cycle in which it is written (`no_rw_check`).
  (* no_rw_check *) reg [WIDTH-1:0] words [0:(BANKS << INDEX_BITS)-1];
  reg [WIDTH-1:0] read;
  wire [WIDTH-1:0] word;

  generate if (BANKS == 2) begin : double
    always @(posedge clk) begin
      if (we) words[{write_bank, write_index}] <= d[WIDTH-1:0];
      read <= words[{read_bank, read_index}];
    end
  end else begin : single
    wire unused = &{1'b0, write_bank, read_bank};
    always @(posedge clk) begin
      if (we) words[write_index] <= d[WIDTH-1:0];
      read <= words[read_index];
    end
  end endgenerate

  generate if (FIRST_VALUE == 2) begin : trained
    wire [WIDTH-1:0] value;
    rnnhw_rom #(.WIDTH(WIDTH), .DEPTH(UNITS), .ADDRESS_BITS(INDEX_BITS), .FILE(FILE))
      rom (.clk(clk), .address(read_index), .q(value));
    assign word = first ? value : read;
  end else if (FIRST_VALUE == 1) begin : zero
    assign word = first ? {WIDTH{1'b0}} : read;
  end else begin : plain
    wire unused = &{1'b0, first};
    assign word = read;
  end endgenerate

  generate if (UNSIGNED != 0) begin : extended
    wire unused = &{1'b0, d[WIDTH]};
    assign q = {1'b0, word};
  end else begin : whole
    assign q = word;
  end endgenerate
endmodule
`default_nettype wire
