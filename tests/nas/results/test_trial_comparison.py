"""Sentences and standard errors by hand."""

from __future__ import annotations

from math import sqrt
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nas.results.trial_card import Card
from nas.results.trial_comparison import explanation

FIRST = "BR/c16-c16-c32s2/c32-c32-c64s2/c64-c64-c64/fc"
SECOND = FIRST.replace("/c32-c32-", "/c32-dw-pw32-")


def card(network: str, accuracy: float | None, images: int = 5000, epochs: int = 4) -> Card:
    row: Any = SimpleNamespace(architecture=network, score=accuracy, epochs=epochs)
    return cast("Card", SimpleNamespace(row=row, images=images))


def test_a_difference_that_images_can_tell() -> None:
    found = explanation(card(FIRST, 0.70), card(SECOND, 0.75))
    error = sqrt((0.7 * 0.3 + 0.75 * 0.25) / 5000)  # 0.0089
    assert found.standard_error == pytest.approx(error)
    assert found.may_be_chance is False
    assert found.sentence == (
        "+5.00 points (standard error 0.89 over 5,000 images, one training each): sep3 instead of c3 in C2"
    )
    assert found.as_dict()["edits"][0]["text"] == "sep3 instead of c3 in C2"


def test_a_difference_within_two_standard_errors_may_be_chance() -> None:
    found = explanation(card(FIRST, 0.75), card(SECOND, 0.74))
    assert found.may_be_chance is True
    assert found.sentence.startswith(
        "-1.00 points (standard error 0.87 over 5,000 images, which chance alone may give)"
    )


def test_what_is_not_known_is_said() -> None:
    assert explanation(card(FIRST, None), card(FIRST, 0.5)).sentence == (
        "the same network (an accuracy is not known yet)"
    )
    assert (
        "how many images an accuracy is over is not known"
        in explanation(card(FIRST, 0.5, images=0), card(SECOND, 0.6, images=0)).sentence
    )
    assert "after 8 epochs and not 4" in explanation(card(FIRST, 0.5), card(SECOND, 0.6, epochs=8)).sentence
    assert "after 1 epoch and not 4" in explanation(card(FIRST, 0.5), card(SECOND, 0.6, epochs=1)).sentence


def test_an_edit_that_is_made_several_times_is_listed_once() -> None:
    before, after = "BR/c16-c16-c16s2/c32-c32-c32s2/fc", "BR/c16-c16-c16s2/dw-pw32-dw-pw32-c32s2/fc"
    found = explanation(card(before, 0.5), card(after, 0.6))
    assert found.sentence.endswith("sep3 instead of c3 in C2 (2 times)")
    assert [edit["text"] for edit in found.as_dict()["edits"]] == ["sep3 instead of c3 in C2"] * 2
