"""What to do about a syntax error, by the error that Python itself raises."""

from __future__ import annotations

import sys

import pytest

from constraints.sandbox.syntax_errors import remedy_of

PYTHON_2 = "try:\n    pass\nexcept {}, e:\n    pass"


def remedy(text: str) -> str:
    with pytest.raises(SyntaxError) as raised:
        compile(text, "net.py", "exec")
    return remedy_of(raised.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x = 1\n<<<<<<< HEAD\nx = 2\n=======\n", "git left a conflict there: keep one side of it"),
        ("print(\N{LEFT DOUBLE QUOTATION MARK}x\N{RIGHT DOUBLE QUOTATION MARK})", 'write straight quotes, as in "x"'),
        ("x =\N{NO-BREAK SPACE}1", "write a space in its place"),
        (">>> x = 1", "it is copied from a session of Python: take the prompts out"),
        ("if 1:\n\tx = 1\n        y = 2", "indent with spaces alone"),
        ("print 'a'", "the file is for Python 2: write it for Python 3"),
        (PYTHON_2.format("ValueError"), "the file is for Python 2: write except ... as ..."),
        (PYTHON_2.format("(ValueError, os.error)"), "the file is for Python 2: write except ... as ..."),
        ("open('C:\\Users')", "write that path with /, or as r'...'"),
        ("<!DOCTYPE html>\n<html>", "it is a web page: download the file itself, on GitHub by Raw"),
        ("x = (", "fix that line"),
        ("print(\"can't)", "fix that line"),
    ],
)
def test_a_known_error_has_its_remedy(text: str, wanted: str) -> None:
    assert remedy(text) == wanted


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python accepts it")
@pytest.mark.parametrize(
    "text",
    [
        "class Net[T]:\n    pass",
        "async def f[T](): pass",
        "type Row = int",
        "try:\n    pass\nexcept ValueError, TypeError:\n    pass",
        "x = t'{y}'",
        "f'{x['a']}'",
    ],
)
def test_what_a_later_python_reads_says_so(text: str) -> None:
    assert remedy(text) == "fix that line, or run a later Python: uv run --python 3.14 search.py ..."


def test_an_error_without_a_line_has_a_remedy() -> None:
    assert (
        remedy_of(SyntaxError()) == remedy_of(SyntaxError("source code cannot contain null bytes")) == "fix that line"
    )
