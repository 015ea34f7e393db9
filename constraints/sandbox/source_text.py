"""The text of a user's file: its encoding, and whether the text can be edited; no torch."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

from constraints.errors import UnusableInputError
from constraints.sandbox.cells import NOTEBOOK

BOM = "\ufeff"
_LONE_CR = re.compile(r"\r(?!\n)")


def decoded(file: Path) -> tuple[str, str]:
    """The text of a file and its encoding, for a ``.py`` by its coding line; a byte order mark and line ends are kept.

    Raises UnusableInputError for a wrong encoding, and for lines that end in CR alone, which a diff cannot contain.
    """
    data, is_notebook = file.read_bytes(), file.suffix == NOTEBOOK
    try:
        encoding = "utf-8" if is_notebook else tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        encoding = encoding.removesuffix("-sig")
        text = data.decode(encoding)
    except (SyntaxError, LookupError, UnicodeError) as error:
        remedy = "save it as UTF-8" if is_notebook else "correct its coding line"
        raise UnusableInputError(f"cannot decode {str(file)!r}: {error}: {remedy}") from error
    if text.encode(encoding) != data:  # as with encodings that have states or marks
        raise UnusableInputError(f"{str(file)!r} cannot be written again as {encoding}: save it as UTF-8")
    if _LONE_CR.search(text):
        raise UnusableInputError(f"lines of {str(file)!r} end in CR alone: save it with ends in LF or CRLF")
    return text, encoding


def editable(file: Path) -> tuple[str, str]:
    """As ``decoded``, for a file that is to be edited; raises UnusableInputError where its text is not Python."""
    text, encoding = decoded(file)
    try:
        if file.suffix != NOTEBOOK:
            ast.parse(text.removeprefix(BOM))
    except SyntaxError as error:
        what = f"{file}:{error.lineno} is a line of shell or magic"
        raise UnusableInputError(f"{what}: take such lines out, or save the file as a notebook") from error
    return text, encoding


def check_encoding(file: Path, data: bytes) -> None:
    """Raise UnusableInputError for bytes that Python rejects, though ``ast.parse`` accepts them in a comment."""
    if b"\0" in data:
        raise UnusableInputError(f"not UTF-8: {str(file)!r} holds null bytes, as UTF-16 does: save it as UTF-8")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError as error:
        if error.msg.startswith("unknown encoding"):
            return  # the parser reports it with its line
        encoding = "utf-8"
    try:
        data.decode(encoding)
    except LookupError:
        return  # for example a codec from text to text, which the parser reports too
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is no {encoding.removesuffix('-sig').upper()}"
        remedy = "save it as UTF-8, or say on its first line how it is encoded, as in # coding: latin-1"
        raise UnusableInputError(f"cannot decode {file}:{line}: {what}: {remedy}") from error
