"""Expressions inserted into a file follow its layout and have the same value."""

from __future__ import annotations

import ast

import pytest

from constraints.code_layout import WIDTH, CodePlace, is_bracketed, laid_out, place_in

LONG = "first_convolution_of_the_block(16, 32, 3, padding=1)"


def test_what_fits_in_its_line_stays_in_it() -> None:
    room = WIDTH - len("x = f(a, b)")
    assert laid_out("f(a, b)", CodePlace(before="x = ", behind=" " * room)) == "f(a, b)"
    assert laid_out("f(a, b)", CodePlace(before="x = ", behind=" " * (room + 1))) == "f(\n    a,\n    b,\n)"


@pytest.mark.parametrize(("unit", "end"), [("  ", "\n"), ("\t", "\r\n")])
def test_the_files_own_indentation_and_line_ends(unit: str, end: str) -> None:
    source = end.join(["def f():", f"{unit}return CALL, 1", ""])
    start = source.index("CALL")
    place = place_in(source, start, start + 4)
    assert (place.before, place.behind, place.unit, place.end) == (f"{unit}return ", ", 1", unit, end)
    expected = ["seq(", f"{unit * 2}{LONG},", f"{unit * 2}{LONG},", f"{unit})"]
    assert laid_out(f"seq({LONG}, {LONG})", place) == end.join(expected)


def test_a_choice_and_calls_within_it() -> None:
    text = f"(seq({LONG}, {LONG}) if is_changed else {LONG})"
    expected = f"""(
    seq(
        {LONG},
        {LONG},
    )
    if is_changed
    else {LONG}
)"""
    got = laid_out(text, CodePlace(before="", behind=""))
    assert got == expected
    assert ast.dump(ast.parse(got)) == ast.dump(ast.parse(text))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("f(a,  # one\n  b)", "f(a,  # one\n      b)"),
        ("f('''a\n''')", "f('''a\n''')"),
    ],
)
def test_lines_of_the_users_keep_their_comments_and_strings(call: str, expected: str) -> None:
    place = CodePlace(before="", behind="")
    assert laid_out(f"seq({call}, g)", place) == f"seq(\n    {expected},\n    g,\n)"
    assert laid_out(call, place) == call


@pytest.mark.parametrize(("text", "expected"), [("(a, b)", True), ("(a), (b)", False), ("((a), (b))", True)])
def test_brackets_around_the_whole(text: str, *, expected: bool) -> None:
    assert is_bracketed(text) == expected
