"""The class of tables in written files behaves as the one of the check."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from constraints.sandbox.argument_tables import ArgumentTable
from nas.table_source import table_source


def written() -> Any:
    space: dict[str, Any] = {}
    exec("\n".join(table_source("Table")), space)
    return space["Table"]


@pytest.mark.parametrize("kind", [ArgumentTable, written()], ids=["check", "file"])
def test_both_classes_behave_alike(kind: Any) -> None:
    table = kind({"width": 8, "items": 4, "net": {"x": 1}})
    assert (table.width, table["width"], table.items, table.net.x, getattr(table, "depth", 2)) == (8, 8, 4, 1, 2)
    assert not hasattr(table, "act")
    assert vars(table) == {"width": 8, "items": 4, "net": {"x": 1}}
    table.more = {"y": {"z": 5}}
    assert (table.more.y.z, table["more"], [*table.keys()]) == (5, {"y": {"z": 5}}, ["width", "items", "net", "more"])
    del table.more
    with pytest.raises(AttributeError, match="more"):
        del table.more
    with pytest.raises(AttributeError, match="more"):
        _ = table.more
    assert copy.deepcopy(table).net.x == 1
    assert {**table} == dict(table) == table
