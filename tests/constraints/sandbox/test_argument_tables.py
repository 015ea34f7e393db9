"""Tables as arguments: entries are items and attributes."""

from __future__ import annotations

import copy

import pytest

from constraints.faults import is_ours
from constraints.sandbox.argument_tables import ArgumentTable, with_attributes


def test_entries_are_attributes_at_every_depth() -> None:
    given = with_attributes({"model": {"widths": [8, {"last": 16}]}, "lr": 0.1})
    assert (given.lr, given["lr"], given.model.widths[0], given.model.widths[1].last) == (0.1, 0.1, 8, 16)
    assert vars(given.model) == {"widths": [8, {"last": 16}]}
    assert with_attributes("text") == "text"


def test_a_copy_has_them_and_what_is_missing_is_named() -> None:
    table = copy.deepcopy(ArgumentTable(width=8))
    table.depth = 3
    assert (table.width, table["depth"], {**table}) == (8, 3, {"width": 8, "depth": 3})
    assert not hasattr(table, "padding")
    with pytest.raises(AttributeError, match="has no 'padding', only width, depth: give that entry too"):
        table.padding  # noqa: B018 (reading it is what is tested)


def test_an_entry_hides_the_method_of_its_name() -> None:
    table = with_attributes({"items": 8, "update": {"keys": 3}})
    assert (table.items, table.update.keys, dict(table)) == (8, 3, {"items": 8, "update": {"keys": 3}})
    assert copy.deepcopy(table).update.keys == copy.copy(table).update.keys == 3
    assert [*with_attributes({"width": 8}).items()] == [("width", 8)]


def test_entries_are_set_and_deleted_as_attributes() -> None:
    table = ArgumentTable(width=8)
    rows = [8]
    table.extra, table.rows, table.net = 3, rows, {"x": {"y": 1}}
    rows.append(16)
    assert (table.net.x.y, table["net"], table.rows) == (1, {"x": {"y": 1}}, [8, 16])
    del table.extra
    assert not hasattr(table, "extra")
    with pytest.raises(AttributeError, match="has no 'extra', only width, rows, net: give that entry too") as error:
        del table.extra
    assert not is_ours(error.value)


def test_a_method_that_is_misspelt_is_a_fault_of_the_code() -> None:
    with pytest.raises(AttributeError, match="has no 'itens', only 3: give") as error:
        ArgumentTable({3: 1}).itens  # noqa: B018 (reading it is what is tested)
    assert not is_ours(error.value)
