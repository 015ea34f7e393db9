"""The live view's place in a notebook; tests/test_notebook.py runs a real one."""

from __future__ import annotations

from typing import Any

import pytest
from rich.table import Table
from rich.text import Text

from nas.results.notebook import NotebookDisplay, as_html


def test_colours_stay_and_texts_are_escaped() -> None:
    page = as_html(Text("a < b & c", style="bold red"))
    assert page.startswith("<pre")
    assert "a &lt; b &amp; c" in page
    assert "font-weight: bold" in page


class Handle:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data["text/html"])


def test_one_thing_is_shown_at_a_time_and_nothing_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = Handle()

    def display(*_: Any, **__: Any) -> Handle:
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    place = NotebookDisplay()
    place.start()
    place.update(Table("trial"), refresh=True)
    place.stop()
    assert [("trial" in text, text == "") for text in handle.shown] == [(True, False), (False, True)]
