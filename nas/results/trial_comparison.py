"""Compares two trials: the edits from one network to the other, and the difference of their accuracies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Any

from nas.architecture.spec import parse
from nas.results.trial_card import Card
from nas.space.edit_alignment import NetworkEdit, edits
from nas.words import counted

SURE = 2.0
"""Number of standard errors within which a difference may be chance: about 95 % of a normal distribution."""

_UNKNOWN = "their edits are not known, since a network made by your own code may not be an architecture"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The edits between two trials' networks, and the change in accuracy as far as it is known."""

    edits: tuple[NetworkEdit, ...] | None
    """The fewest edits; None where one of the networks is not an architecture."""
    difference: float | None
    """Validation accuracy of the second minus that of the first; None where one is unknown."""
    standard_error: float | None
    """Standard error of the difference; None where the number of images is unknown."""
    images: int
    epochs: tuple[int, int]

    @property
    def sentence(self) -> str:
        """One line: ``+2.10 points (standard error 0.80): sep3 instead of c3 in C2``."""
        words = _UNKNOWN if self.edits is None else _listed(map(str, self.edits)) or "the same network"
        if self.difference is None:
            return f"{words} (an accuracy is not known yet)"
        points = f"{100 * self.difference:+.2f} points"
        if self.standard_error is None:
            return f"{points}{self._unequal}: {words} (how many images an accuracy is over is not known)"
        error = f"standard error {100 * self.standard_error:.2f} over {self.images:,} images"
        return f"{points} ({error}{self._doubt}{self._unequal}): {words}"

    @property
    def may_be_chance(self) -> bool | None:
        """Whether the difference is within SURE standard errors; None where that is not known."""
        if self.difference is None or self.standard_error is None:
            return None
        return abs(self.difference) <= SURE * self.standard_error

    @property
    def _doubt(self) -> str:
        return ", which chance alone may give" if self.may_be_chance else ", one training each"

    @property
    def _unequal(self) -> str:
        first, second = self.epochs
        return "" if first == second else f", after {counted(second, 'epoch')} and not {first:,}"

    def as_dict(self) -> dict[str, Any]:
        """The fields that it adds to ``compare --format json``."""
        return {
            "edits": None if self.edits is None else [edit.as_dict() for edit in self.edits],
            "accuracy": {
                "difference": self.difference,
                "standard_error": self.standard_error,
                "images": self.images,
                "may_be_chance": self.may_be_chance,
                "epochs": list(self.epochs),
            },
            "sentence": self.sentence,
        }


def explanation(left: Card, right: Card) -> Explanation:
    """Explain the difference between ``left`` and ``right``.

    The standard error is that of two independent shares of the images, sqrt(p (1 - p) / n + q (1 - q) / n). Both are
    measured on the same images, so the true error is smaller where networks fail on the same ones; the variation
    between seeds is not included.
    """
    a, b, n = left.row.score, right.row.score, left.images
    error = sqrt((a * (1 - a) + b * (1 - b)) / n) if a is not None and b is not None and n else None
    return Explanation(
        edits=_between(left.row.architecture, right.row.architecture),
        difference=b - a if a is not None and b is not None else None,
        standard_error=error,
        images=n,
        epochs=(left.row.epochs, right.row.epochs),
    )


def _between(left: str | None, right: str | None) -> tuple[NetworkEdit, ...] | None:
    return None if left is None or right is None else edits(parse(left), parse(right))


def _listed(texts: Iterable[str]) -> str:
    """The texts in one line; those that occur several times once, with their number."""
    return ", ".join(text if times == 1 else f"{text} ({times} times)" for text, times in Counter(texts).items())
