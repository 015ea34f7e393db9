from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from nas.results.confirm_progress import ConfirmView

NAME = "confirm trial 3, seed 7"


def test_elsewhere_than_on_a_terminal_it_is_a_line_an_epoch() -> None:
    file = io.StringIO()
    with ConfirmView(Console(file=file)) as shown:
        for done in (0, 0, 1, 2):
            shown.show(3, 7, done, 2)
    assert file.getvalue().splitlines() == [f"{NAME}: {done} of 2 epochs" for done in (0, 1, 2)]


def test_on_a_terminal_it_is_a_bar_a_training() -> None:
    screen = io.StringIO()
    with ConfirmView(Console(file=screen, force_terminal=True, width=100, color_system=None)) as shown:
        shown.show(3, 7, 1, 2)
        shown.show(3, 8, 0, 2)
        shown._bars.refresh()
    assert f"{NAME} ━" in screen.getvalue()
    assert "1/2 epochs" in screen.getvalue()
    assert "confirm trial 3, seed 8" in screen.getvalue()


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_bar_has_one_line_on_any_terminal(width: int) -> None:
    screen = io.StringIO()
    with ConfirmView(Console(file=screen, force_terminal=True, width=width, color_system=None)) as shown:
        shown.show(3, 7, 11, 25)
        line = shown._bars.console.render_lines(shown._bars.get_renderable())
    assert len(line) == 1
    assert NAME in (text := "".join(segment.text for segment in line[0]))
    assert "11/25 epochs" in text


def test_before_the_first_training_it_says_what_is_waited_for() -> None:
    with ConfirmView(Console(file=io.StringIO(), force_terminal=True, width=80)) as shown:
        assert [task.description for task in shown._bars.tasks] == ["starting the workers, which load torch"]
        shown.show(3, 7, 0, 10)
        assert [task.description for task in shown._bars.tasks] == [NAME]


def test_the_time_left_follows_from_epochs_longer_than_half_a_minute() -> None:
    with ConfirmView(Console(file=io.StringIO(), force_terminal=True, width=100)) as shown:
        seconds = 0.0
        shown._bars.get_time = lambda: seconds
        for done in range(4):
            seconds = 60.0 * done
            shown.show(3, 7, done, 10)
        assert shown._bars.tasks[0].time_remaining == 7 * 60


def test_in_a_notebook_the_bars_have_a_place_that_is_empty_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            pages.append(data["text/html"])

    def display(*_: Any, **__: Any) -> Handle:
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    file = io.StringIO()
    with ConfirmView(Console(file=file, force_jupyter=True)) as shown:
        shown.show(3, 7, 1, 2)
    assert ([NAME in page for page in pages], pages[-1], file.getvalue()) == ([True, False], "", "")
