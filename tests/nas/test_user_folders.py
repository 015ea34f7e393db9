from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nas.user_folders import expanded, user_cache


@pytest.mark.skipif(sys.platform != "linux", reason="the variable is Linux's")
def test_the_cache_is_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "neural-architecture-search"
    assert not user_cache().exists()


def test_a_home_is_filled_in_and_one_that_there_is_not_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/net.py") == Path("/home/me/net.py")
    assert expanded("~nosuchuser/net.py") == Path("~nosuchuser/net.py")
