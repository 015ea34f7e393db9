"""Tables as arguments: entries are items and attributes."""

from __future__ import annotations

import copy

import pytest

from constraints.sandbox.argument_tables import ArgumentTable, with_attributes


def test_entries_are_attributes_at_every_depth() -> None:
    given = with_attributes({"model": {"widths": [8, {"last": 16}]}, "lr": 0.1})
    assert (given.lr, given["lr"], given.model.widths[0], given.model.widths[1].last) == (0.1, 0.1, 8, 16)
    assert vars(given.model) == {"widths": [8, {"last": 16}]}
    assert with_attributes("text") == "text"


def test_a_copy_has_them_and_what_is_missing_is_named() -> None:
    table = copy.deepcopy(ArgumentTable(width=8))
    table.depth = 3  # type: ignore[attr-defined]
    assert (table.width, table["depth"], {**table}) == (8, 3, {"width": 8, "depth": 3})
    assert not hasattr(table, "padding")
    with pytest.raises(AttributeError, match="has no 'padding', only width, depth: give that entry too"):
        table.padding  # noqa: B018 (reading it is what is tested)
