"""What to do about the syntax errors that people's files have; no torch."""

from __future__ import annotations

import re
import sys

_LATER = re.compile(
    r"""\s*(?:(?:class|(?:async\s+)?def)\s+\w+\s*\[|type\s+\w+\s*[=\[]|except\s+[\w.]+\s*,|.*\bt["'])"""
)
"""Syntax of Python 3.12 to 3.14: type parameters and aliases, exceptions without brackets, template strings."""
_LATEST = (3, 14)
_REMEDIES = {
    r"\n(<{7}|={7}|>{7})": "git left a conflict there: keep one side of it",
    r"^invalid character '[\u2018\u2019\u201c\u201d]'": 'write straight quotes, as in "x"',
    r"^invalid non-printable character": "write a space in its place",
    r"\n(>>>|\.\.\.|In \[\d+\]:) ": "it is copied from a session of Python: take the prompts out",
    r"(?i)\n\s*<(!doctype|html)": "it is a web page: download the file itself, on GitHub by Raw",
    r"^inconsistent use of tabs": "indent with spaces alone",
    r"^Missing parentheses in call to 'print'": "the file is for Python 2: write it for Python 3",
    r"\n\s*except\b[^:]+,\s*[a-z_]\w*\s*:": "the file is for Python 2: write except ... as ...",
    r"^\(unicode error\) 'unicodeescape'": "write that path with /, or as r'...'",
}
"""Message and line of a syntax error -> what to do."""


def remedy_of(error: SyntaxError) -> str:
    """What to do about a syntax error."""
    if known := next(
        (remedy for mark, remedy in _REMEDIES.items() if re.search(mark, f"{error.msg}\n{error.text}")), ""
    ):
        return known
    later = ", or run a later Python: uv run --python 3.14 search.py ..." if _is_later(error) else ""
    return f"fix that line{later}"


def _is_later(error: SyntaxError) -> bool:
    """Whether a later version of Python may accept the line."""
    is_known = sys.version_info >= _LATEST
    return not is_known and bool(_LATER.match(error.text or "") or str(error.msg).startswith("f-string"))
