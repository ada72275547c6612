"""Errors: exit codes, places and hints."""

from rnnhw.errors import DesignError, RnnhwError, UsageError, unknown_name


def test_exit_codes():
    assert [kind.exit_code for kind in (RnnhwError, UsageError, DesignError)] == [1, 2, 3]


def test_a_place_comes_before_the_message_and_keeps_kind_and_hint():
    error = DesignError("too wide", "cast it").at("layer 0").at("x.py")
    assert isinstance(error, DesignError)
    assert str(error) == "x.py: layer 0: too wide"
    assert (error.message, error.hint) == ("x.py: layer 0: too wide", "cast it")


def test_an_unknown_name_lists_the_known_and_the_nearest():
    assert unknown_name("layer", "rn", ["rnn", "head"]) == (
        "unknown layer 'rn'",
        "did you mean 'rnn'? known: head, rnn",
    )
    assert unknown_name("layer", "zzz", []) == ("unknown layer 'zzz'", "known: none")
