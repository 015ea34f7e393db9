"""Downloads where there is no network."""

from __future__ import annotations

import os
import sys
import urllib.request

import pytest

from constraints.sandbox import no_network
from constraints.sandbox.no_network import HubOffline, is_downloading

HERE = "localhost"
NOWHERE = "nothing.invalid"  # a domain that never exists (RFC 2606)


@pytest.mark.parametrize(
    ("name", "host", "proxies", "is_set"),
    [
        ("huggingface_hub", NOWHERE, {}, True),
        ("huggingface_hub", HERE, {}, False),
        ("huggingface_hub", NOWHERE, {"https": "http://proxy"}, False),
        ("huggingface_hub.utils", NOWHERE, {}, False),
        ("timm", NOWHERE, {}, False),
    ],
)
def test_the_hub_is_offline_where_its_name_is_not_known(
    monkeypatch: pytest.MonkeyPatch, name: str, host: str, proxies: dict[str, str], is_set: bool
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(no_network, "_HOST", host)
    monkeypatch.setattr(urllib.request, "getproxies", lambda: proxies)
    finder = HubOffline()
    assert finder.find_spec(name) is None
    assert ("HF_HUB_OFFLINE" in os.environ) == is_set
    finder.undo()
    assert "HF_HUB_OFFLINE" not in os.environ


def test_what_the_caller_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(no_network, "_HOST", NOWHERE)
    finder = HubOffline()
    finder.find_spec("huggingface_hub")
    finder.undo()
    assert os.environ["HF_HUB_OFFLINE"] == "0"


def test_a_stack_with_a_package_that_downloads() -> None:
    assert not is_downloading(sys._getframe())
    assert not is_downloading(None)
    inside = {"__name__": "urllib.request", "ask": lambda: is_downloading(sys._getframe())}
    exec("def fetch():\n    return ask()", inside)
    assert inside["fetch"]()  # type: ignore[operator]
