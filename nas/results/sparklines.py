"""Learning curves as characters of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_SPARKS = _EIGHTHS[1:]


def sparkline(values: Sequence[float], width: int = 8) -> str:
    """A curve in ``width`` characters or fewer, from 0 to 1."""
    step = max(1, -(-len(values) // width))
    return "".join(_SPARKS[min(7, max(0, int(v * 8)))] for v in values[step - 1 :: step])


def chart(values: Sequence[float], *, width: int, height: int = 8) -> list[str]:
    """Lines, top first, that draw ``values`` as bars between their least and greatest, with both named in percent.

    Where there are more values than fit into ``width`` characters, a bar shows the last of several.
    """
    if not values:
        return []
    step = max(1, -(-len(values) // max(1, width)))
    shown = values[step - 1 :: step]
    low, high = min(shown), max(shown)
    thick = max(1, min(4, width // len(shown)))
    eighths = [1 + round((v - low) / (high - low or 1) * (8 * height - 1)) for v in shown]
    lines = []
    for line in range(height - 1, -1, -1):
        label = {height - 1: f"{high:7.2%} ", 0: f"{low:7.2%} "}.get(line, " " * 8)
        lines.append(label + "".join(_EIGHTHS[min(8, max(0, e - 8 * line))] * thick for e in eighths).rstrip())
    return lines
