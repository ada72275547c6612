"""A module that is built statement by statement."""

from rnnhw.rtl.netlist import Constant, Operation
from rnnhw.rtl.verilog_text import Module


def test_a_net_that_only_a_comment_names_is_unread():
    module = Module("m")
    module.comment("the weights, and what is read of them")
    weights, sums = module.declare("weights", 8), module.declare("sums", 8)
    module.assign(weights, Operation((sums, Constant(1)), "+"))
    module.assign(sums, Operation((sums, Constant(2)), "+"))
    module.ignore_unread()
    assert "wire unused = &{1'b0, weights};" in module.text()
