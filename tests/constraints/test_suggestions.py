from __future__ import annotations

from constraints.suggestions import nearest


def test_the_nearest_names_are_suggested_and_those_far_behind_are_not() -> None:
    assert nearest("trails", ["trials", "metrics", "constraints"]) == "did you mean trials?"
    assert nearest("stage", ["stages", "starts", "macs"]) == "did you mean stages?"


def test_where_none_is_near_the_known_ones_are_named_or_what_else_is_to_be_done() -> None:
    assert nearest("zzz", ["params", "macs"]) == "use one of params, macs"
    assert nearest("zzz", ["params"], "give a file") == "give a file"
