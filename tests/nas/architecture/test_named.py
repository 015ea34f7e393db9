from __future__ import annotations

import pytest

from nas.architecture.named import SEED, is_network, read
from nas.architecture.spec import ArchitectureError


def test_a_network_is_read_by_its_name_or_its_text() -> None:
    assert read("seed") == read(str(SEED)) == SEED


def test_a_number_is_no_network() -> None:
    assert is_network("seed")
    assert is_network("BR/c16/fc")
    assert not is_network("12")
    assert not is_network("best")


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(ArchitectureError, match=r"^not an architecture: 'sed'"):
        read("sed")
