"""docs/troubleshooting.md quotes errors as the program words them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^### `(.+)`$", PAGE, re.M)


@cache
def texts() -> str:
    """The program's source, each text on one line; what is filled in is ``…``."""
    files = [*ROOT.glob("nas/**/*.py"), *ROOT.glob("constraints/**/*.py"), ROOT / "search.py"]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return re.sub(r"\{[^{}]*\}", "…", re.sub(r'"\s*\n\s*f?"', "", source))


@pytest.mark.parametrize("quoted", QUOTED)
def test_what_is_quoted_is_what_the_program_says(quoted: str) -> None:
    for part in filter(None, (part.strip(" :") for part in quoted.split("…"))):
        assert part in texts(), part


def test_every_heading_of_an_error_is_read() -> None:
    assert len(QUOTED) == len(re.findall(r"^### ", PAGE, re.M)) >= 15
