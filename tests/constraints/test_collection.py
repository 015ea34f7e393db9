from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from constraints.collection import rare_collection, without_collection


@pytest.mark.parametrize("enabled", [True, False])
def test_the_search_for_cycles_is_as_it_was_afterwards(*, enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with suppress(ValueError), without_collection():
            assert not gc.isenabled()
            raise ValueError("as a command may end")
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(("threshold", "inside"), [(700, 20_000), (50_000, 50_000), (0, 0)])
def test_cycles_are_searched_for_more_rarely_unless_that_is_so_or_it_is_off(threshold: int, inside: int) -> None:
    before = gc.get_threshold()
    gc.set_threshold(threshold, 9, 8)
    try:
        with suppress(ValueError), rare_collection():
            assert gc.get_threshold()[0] == inside
            raise ValueError("as a model may")
        assert gc.get_threshold()[:2] == (threshold, 9)
    finally:
        gc.set_threshold(*before)
