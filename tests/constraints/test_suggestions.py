from __future__ import annotations

from constraints.suggestions import nearest


def test_the_nearest_names_are_suggested_and_those_far_behind_are_not() -> None:
    assert nearest("trails", ["trials", "metrics", "constraints"]) == "did you mean trials?"
    assert nearest("stage", ["stages", "starts", "macs"]) == "did you mean stages?"


def test_where_none_is_near_the_known_ones_are_named_or_what_else_is_to_be_done() -> None:
    assert nearest("zzz", ["params", "macs"]) == "use one of params, macs"
    assert nearest("zzz", ["params"], "give a file") == "give a file"


def test_a_higher_cutoff_leaves_out_what_is_less_similar() -> None:
    assert nearest("--port", ["--format"], "leave it out") == "did you mean --format?"
    assert nearest("--port", ["--format"], "leave it out", cutoff=0.75) == "leave it out"
