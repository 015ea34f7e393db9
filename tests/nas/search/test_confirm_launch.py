"""What a confirmation refuses before it holds the study."""

from __future__ import annotations

from typing import Any

import pytest

from constraints.errors import UnusableInputError
from nas.search.confirm_launch import confirm_trials


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"seeds": range(0), "epochs": None}, "--seeds: 0: give 1 or more"),
        ({"seeds": range(1), "epochs": 0}, "--epochs: 0: give 1 or more"),
    ],
)
def test_no_seed_and_no_epoch_are_refused(counts: Any, message: str) -> None:
    nothing: Any = None
    with pytest.raises(UnusableInputError, match=f"^{message}$"):
        confirm_trials(nothing, [0], nothing, nothing, progress=nothing, **counts)
