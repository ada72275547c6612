"""Fronts by the definition, and which way objectives go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnhw import UsageError
from rnnhw.study.sweep.front import Objective, front, objective_of

VALUES = st.one_of(st.none(), st.integers(0, 3), st.floats(0, 2))
POINTS = st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES, "c": VALUES}), max_size=8)
SENSES = st.sampled_from(["more", "less"])


@given(POINTS, SENSES, SENSES, st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
def test_a_point_is_on_the_front_if_no_other_beats_it(points, one, two, names):
    senses = (one, two, "more")
    objectives = [Objective(name, sense) for name, sense in zip(names, senses, strict=False)]

    def beats(other, point):
        gains = [
            (other[o.name] - point[o.name]) * (1 if o.sense == "more" else -1) for o in objectives
        ]
        return min(gains) >= 0 and max(gains) > 0

    known = [each for each in points if all(each[name] is not None for name in names)]
    expected = [
        index
        for index, each in enumerate(points)
        if each in known and not any(beats(other, each) for other in known)
    ]
    assert front(points, objectives) == expected


def test_the_table_of_figures_says_which_way_is_better():
    assert objective_of("accuracy") == Objective("accuracy", "more")
    assert objective_of("nrmse") == Objective("nrmse", "less")
    assert objective_of("step_latency_us") == Objective("step_latency_us", "less")
    assert objective_of("steps_per_second") == Objective("steps_per_second", "more")
    assert objective_of("my_score:less") == Objective("my_score", "less")
    for text in ("my_score", "accuracy:best"):
        with pytest.raises(UsageError, match="more or less of it"):
            objective_of(text)
