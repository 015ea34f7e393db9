from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from constraints.collection import without_collection


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
