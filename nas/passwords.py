"""Passwords in the URLs of databases and servers, which no message shows."""

from __future__ import annotations

import re

_AFTER_USER = re.compile(r"(://[^:/@\s]*):[^@\s]*@(?:[^@?#\s]*@)*")
_TOKEN = re.compile(r"(https?://)[^:/@\s]+@")
_IN_QUERY = re.compile(r"([?&]password=)[^&#\s]*")


def masked(text: str) -> str:
    """``text`` without the passwords in its URLs; a user name without a password in a web URL may be a token."""
    without = _TOKEN.sub(r"\1***@", _AFTER_USER.sub(r"\1:***@", text))
    return _IN_QUERY.sub(r"\1***", without)
