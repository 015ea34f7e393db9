"""Formats numbers, in the same way in every table."""

from __future__ import annotations

from math import isfinite


def percent(share: float | None) -> str:
    """``85.04`` for 0.8504, for a column of percentages; a dash if unknown."""
    return "-" if share is None or not isfinite(share) else f"{100 * share:.2f}"


def millions(count: int | None) -> str:
    """A count in millions; a question mark if unknown."""
    return "?" if count is None else f"{count / 1e6:.1f}"


def number(value: float | None) -> str:
    """A measured metric: a whole number in full, any other with four digits; a dash if unknown."""
    if value is None or not isfinite(value):
        return "-"
    return f"{int(value):,}" if value == int(value) else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """``42s``, ``3m07s``, ``2h05m``; a dash if unknown."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def seconds_text(seconds: float) -> str:
    """``0.32s``, ``9.4s``, ``1m26s``."""
    return duration(seconds) if seconds >= 10 else f"{seconds:.2g}s"
