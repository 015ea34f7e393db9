"""Unified diffs that ``patch`` takes."""

import pytest

from constraints.cli.patch import diff


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("a\nb\n", "a\nc\n", [" a\n", "-b\n", "+c\n"]),
        ("a\nb", "a\nc", [" a\n", "-b\n\\ No newline at end of file\n", "+c\n\\ No newline at end of file\n"]),
        ("a\r\n", "b\r\n", ["-a\r\n", "+b\r\n"]),
        ("a\x0cb\n", "a\x0cc\n", ["-a\x0cb\n", "+a\x0cc\n"]),  # a form feed ends no line
    ],
)
def test_lines_and_their_ends(old: str, new: str, lines: list[str]) -> None:
    first, second, _, *found = diff(old, new, "net.py")
    assert (first, second) == ("--- net.py\n", "+++ net.py\n")
    assert found == lines
