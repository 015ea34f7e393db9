from __future__ import annotations

import gc

import pytest

from constraints.collection import without_collection


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_rests_and_is_as_it_was_afterwards(was_enabled: bool) -> None:
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(ValueError, match="as asked"), without_collection():
            assert not gc.isenabled()
            raise ValueError("as asked")
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
