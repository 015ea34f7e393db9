from __future__ import annotations

from benchmarks.pictures import FOLDER, MOST_BYTES, terminal_picture


def test_a_terminal_is_drawn_with_its_colours_and_asks_for_nothing() -> None:
    picture = terminal_picture("\x1b[31mred\x1b[0m <b>plain</b>\n")
    assert "red" in picture
    assert "&lt;b&gt;plain" in picture
    assert "@font-face" not in picture
    assert "url(http" not in picture


def test_the_pictures_of_the_documentation_are_small() -> None:
    sizes = {place.name: place.stat().st_size for place in FOLDER.iterdir()}
    assert {"report.png", "fields.png"} <= sizes.keys()
    assert max(sizes.values()) < MOST_BYTES
