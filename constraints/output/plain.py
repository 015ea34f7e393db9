"""Replace characters that a stream's encoding lacks, or that have an effect in a terminal or a browser."""

from __future__ import annotations

import codecs
import io
import unicodedata
from html import escape
from typing import IO

_HANDLER = "constraints.plain"
_PLAIN = {
    "│": "|", "├": "+", "└": "+", "─": "-", "→": ">", "◄": "<", "±": "+-",
    "\N{MULTIPLICATION SIGN}": "x", "…": "...", "\N{EN DASH}": "-", "\N{EM DASH}": "-",
    "≤": "<=", "≥": ">=", "·": "-", "•": "*", "✅": "yes", "❌": "no",
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
}  # fmt: skip

_OBEYED = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories of invisible characters: controls, writing directions, line ends."""
_LONGEST_WORD, _LONGEST_SENTENCE = 240, 2400
"""Maximum length of an error message."""
_PICTURES = 0x2400
"""First of Unicode's visible symbols for the control characters below space, in the same order."""


def visible(text: str) -> str:
    """The text with visible symbols for control characters: ESC becomes ``␛``; line ends and tabs are kept.

    For names and reasons, which may come from another person's file or study. The length does not change.
    """
    return text if text.isprintable() else "".join(map(_sign, text))


def one_line(text: str) -> str:
    """As ``visible``, for a name inside a line: line ends and tabs become symbols too."""
    return visible(text).translate({number: chr(_PICTURES + number) for number in map(ord, "\n\t")})


def html_text(text: str) -> str:
    """The text escaped for HTML, without characters that change the writing direction of the text after it."""
    return escape(visible(text))


def _sign(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _OBEYED:
        return character
    number = ord(character)
    return chr(_PICTURES + number) if number < ord(" ") else "\N{REPLACEMENT CHARACTER}"


def sentence(message: str) -> str:
    """An error's message as one readable line, whatever values it quotes.

    Very long words, such as a name of a thousand letters, are shortened to their beginning and end, and so is a message
    longer than a screen.
    """
    words = (_shortened(word, _LONGEST_WORD) for word in message.split())
    return _shortened(" ".join(words), _LONGEST_SENTENCE)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 3 :]}"


def say(line: str, file: IO[str] | None = None, *, flush: bool = False) -> None:
    """Print a line without control characters, by default to stdout."""
    print(visible(line), file=file, flush=flush)


def fall_back(*streams: IO[str]) -> None:
    """Make streams replace each character that they cannot encode by a plain one or its number.

    Without it, printing a table raises an error if the output is cp1252, Latin-1 or ASCII, or contains a file name that
    is not valid Unicode.
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
