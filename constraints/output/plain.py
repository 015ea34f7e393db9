"""Plain characters in place of those that a stream's encoding lacks, or that a terminal or a browser obeys."""

from __future__ import annotations

import codecs
import io
import unicodedata
from html import escape
from typing import IO

_HANDLER = "constraints.plain"
_PLAIN = {
    "│": "|", "├": "+", "└": "+", "─": "-", "→": "->", "◄": "<", "±": "+-",
    "\N{MULTIPLICATION SIGN}": "x", "…": "...", "\N{EN DASH}": "-", "\N{EM DASH}": "-",
    "≤": "<=", "≥": ">=", "·": "-", "•": "*", "✅": "yes", "❌": "no",
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
}  # fmt: skip

_OBEYED = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories of what is no sign: controls, directions of writing, ends of lines."""
_LONGEST_WORD, _LONGEST_SENTENCE = 240, 2400
"""Characters of an error."""
_PICTURES = 0x2400
"""Where Unicode has the signs of the controls below a space, in their order."""


def visible(text: str) -> str:
    """The text with a sign in place of each character that a terminal obeys: ESC is ``␛``; lines and tabs are kept.

    For names and reasons, which may come from a file or a study of others. It is as long as before.
    """
    return text if text.isprintable() else "".join(map(_sign, text))


def one_line(text: str) -> str:
    """The same of a name, which is in a line: with signs in place of its ends of lines and tabs too."""
    return visible(text).translate({number: chr(_PICTURES + number) for number in map(ord, "\n\t")})


def html_text(text: str) -> str:
    """The same as HTML: no tag, and no character that turns the direction of writing for what follows."""
    return escape(visible(text))


def _sign(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _OBEYED:
        return character
    number = ord(character)
    return chr(_PICTURES + number) if number < ord(" ") else "\N{REPLACEMENT CHARACTER}"


def sentence(message: str) -> str:
    """An error's message in one line that a person can read, whatever values it quotes.

    A longer word than a path or a network mostly is, such as a name of a thousand letters, keeps its beginning and its
    end, and so does what is longer than a screen as a whole.
    """
    words = (_shortened(word, _LONGEST_WORD) for word in message.split())
    return _shortened(" ".join(words), _LONGEST_SENTENCE)


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 3 :]}"


def say(line: str, file: IO[str] | None = None, *, flush: bool = False) -> None:
    """Print a line, on stdout where no ``file`` is given, in which nothing is obeyed by a terminal."""
    print(visible(line), file=file, flush=flush)


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
