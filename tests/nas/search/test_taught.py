"""The teacher that a study stores."""

from __future__ import annotations

from typing import Any

import pytest

from nas.search.study import MALFORMED
from nas.search.taught import Taught, kept_teacher


def test_a_teacher_is_read_as_it_is_stored() -> None:
    stored = Taught(name="champion-wide-110", hash="abc")
    assert kept_teacher(vars(stored)) == stored
    assert kept_teacher({"name": "7", "hash": 12}) == Taught(name="7", hash="12")


def test_a_password_that_an_earlier_release_stored_is_not_shown() -> None:
    found = kept_teacher({"name": "postgresql://me:secret@host/db#study:3", "hash": "abc"})
    assert found.name == "postgresql://me:***@host/db#study:3"


@pytest.mark.parametrize("table", [{}, {"name": "x"}, {"hash": "x"}, None, "teacher", 7, ["name", "hash"]])
def test_what_is_no_teacher_is_malformed(table: Any) -> None:
    with pytest.raises(MALFORMED):
        kept_teacher(table)
