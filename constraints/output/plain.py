"""Plain characters in place of those that an output stream's encoding lacks."""

from __future__ import annotations

import codecs
import io
from typing import IO

_HANDLER = "constraints.plain"
_PLAIN = {
    "│": "|", "├": "+", "└": "+", "─": "-", "→": "->", "◄": "<", "±": "+-",
    "\N{MULTIPLICATION SIGN}": "x", "…": "...", "\N{EN DASH}": "-", "\N{EM DASH}": "-",
    "≤": "<=", "≥": ">=", "·": "-", "•": "*", "✅": "yes", "❌": "no",
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
}  # fmt: skip


def fall_back(*streams: IO[str]) -> None:
    """Let streams write, in place of each character that they cannot encode, a plain one or its number.

    Without that a table ends in a traceback where the output is cp1252, Latin-1 or ASCII, or holds a file's name that
    is no Unicode.
    """
    codecs.register_error(_HANDLER, _replaced)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end
