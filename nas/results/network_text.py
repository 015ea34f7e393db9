"""Breaks the text of a network into lines after its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.text import Text

_PART = re.compile(r"[^-/ ]*(?:[-/ ]|$)")


def pieces(network: str) -> list[str]:
    """The parts (layers, stages) of a network's text, each with the ``-`` or ``/`` after it."""
    return [piece for piece in _PART.findall(network) if piece]


def lines(network: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` characters, broken after a ``-`` or ``/``; longer parts are cut."""
    found = [""]
    for piece in pieces(network):
        if found[-1] and len(found[-1]) + len(piece.rstrip()) > width:
            found.append("")
        found[-1] += piece
    return [line[start : start + width] for line in found for start in range(0, max(len(line.rstrip()), 1), width)]


class NetworkText:
    """A network's text as a rich renderable for a cell or a line of a terminal."""

    def __init__(self, text: str, before: str = "", style: str = "") -> None:
        """``before`` is text in front of it, which is broken at spaces."""
        self._text, self._before, self._style = text, before, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines."""
        for line in lines(self._before + self._text, max(options.max_width, 1)):
            yield Text(line.rstrip(), style=self._style, no_wrap=True, overflow="crop")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """The width is at least that of the longest part."""
        longest = max(map(len, pieces(self._before + self._text)), default=1)
        whole = max(len(self._before + self._text), 1)
        return Measurement(min(longest, options.max_width), min(whole, options.max_width))
