"""Errors in a network that a user asks for, found without running it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas.search.wanted import Wanted

NET = """
raise SystemExit("this file is not run")
class Net(nn.Module):
    def __init__(self, width, depth=2): ...
class Any(nn.Module):
    def __init__(self, **more): ...
"""


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("net.py:Net", {}, "'Net' needs arguments: width: give --arg width=..."),
        ("net.py:Net", {"width": 3, "widht": 3}, "'Net' takes no argument 'widht': --arg widht: it takes width, depth"),
        ("net.py:Nett", {}, "no such name in net.py: 'Nett': did you mean Net?"),
        ("net:Nett", {}, "no such name in net: 'Nett': did you mean Net?"),
        ("net.sub:Net", {}, "no such module: 'net.sub': "),
        ("BR/c8/fc", {"width": 3}, "an architecture takes no arguments: --arg width: leave it out"),
        ("net.py:Net", {"width": 3}, ""),
        ("net.py:Any", {"width": 3}, ""),
    ],
)
def test_what_is_wrong_is_found_before_anything_runs(
    target: str, arguments: Mapping[str, int], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    wanted = Wanted(target=target, arguments=arguments)
    if message:
        with pytest.raises(UnusableInputError, match=f"^{re.escape(message)}"):
            wanted.check()
    else:
        wanted.check()
