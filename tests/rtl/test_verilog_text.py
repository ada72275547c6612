"""A module that is written line by line."""

from rnnhw.rtl.verilog_text import Module


def test_a_net_that_only_a_comment_names_is_unread():
    module = Module("m")
    module.comment("the weights, and what is read of them")
    module.declare("weights", 8)
    module.declare("sums", 8)
    module.add("assign weights = sums + 1;", "assign sums = sums + 2;")
    module.ignore_unread()
    assert "wire unused = &{1'b0, weights};" in module.text()
