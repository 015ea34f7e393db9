from __future__ import annotations

import pytest

from benchmarks import pictures
from benchmarks.pictures import FOLDER, MOST_BYTES, terminal_picture


def test_a_terminal_is_drawn_with_its_colours_and_asks_for_nothing() -> None:
    picture = terminal_picture("\x1b[31mred\x1b[0m <b>plain</b>\n")
    assert "red" in picture
    assert "&lt;b&gt;plain" in picture
    assert "@font-face" not in picture
    assert "url(http" not in picture


def test_the_pictures_of_the_documentation_are_small() -> None:
    sizes = {place.name: place.stat().st_size for place in FOLDER.iterdir()}
    assert {"live.svg", "report.png", "fields.png"} <= sizes.keys()
    assert max(sizes.values()) < MOST_BYTES


def test_the_live_view_of_most_lines_is_drawn_and_of_several_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    live = "Ctrl-C ends the search"
    screens = ["", f"a\n{live}", f"a\nb\n{live}", f"c\nd\n{live}", f"e\n\n{live}", f"idle      1\nd\n{live}"]

    def screen(*, with_history: bool = False) -> str:
        """The next one, at the end of which the line that says so has left it at the top."""
        if with_history:
            return "" if screens else "a\nb\nc\nd\nsearch ended: done"
        return screens.pop(0)

    monkeypatch.setattr(pictures, "_screen", screen)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert pictures._fullest() == f"c\nd\n{live}"
