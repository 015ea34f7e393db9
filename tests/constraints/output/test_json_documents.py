from __future__ import annotations

import json

import pytest

from constraints.output.json_documents import json_text


def test_what_is_no_number_is_null_wherever_it_is() -> None:
    document = {"a": [1.5, float("nan"), (float("inf"),)], "b": {"c": float("-inf")}, "d": "NaN", "e": True}
    known = json.loads(json_text(document), parse_constant=pytest.fail)
    assert known == {"a": [1.5, None, [None]], "b": {"c": None}, "d": "NaN", "e": True}
    assert json_text([1], indent=None) == "[1]"
