"""The published definitions of the metrics are those of the code."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.published import PAGE, SCHEMA, page, schema


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "write it again: python -m tests.published"
    assert "| `receptive_field` | the smaller side of receptive_field_hw (px) |" in text


def test_the_schema_is_that_of_the_code() -> None:
    text = SCHEMA.read_text()
    assert schema(text) == text, "write it again: python -m tests.published"
    Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("params", [0, 12, None], [-1, 1.5, [1], "1", True]),
        ("global_context", [True, False, None], [1, "true", [True]]),
        ("receptive_field_hw", [[3, 5], [], None], [3, [3.5], [-1]]),
        ("downsampled_by", [[8, 0.5], None], [8, ["8"]]),
    ],
)
def test_each_metric_has_the_type_of_its_field(name: str, right: list[object], wrong: list[object]) -> None:
    one = Draft202012Validator(json.loads(SCHEMA.read_text())["properties"]["metrics"]["properties"][name])
    for value in right:
        one.validate(value)
    for value in wrong:
        with pytest.raises(ValidationError):
            one.validate(value)
