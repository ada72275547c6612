// SPDX-License-Identifier: MIT
// Lets the last step of a sequence pass: a sequence of one step.
`default_nettype none
module rnnhw_last (
  input  wire x_valid, x_last,
  output wire y_valid
);
  assign y_valid = x_valid & x_last;
endmodule
`default_nettype wire
