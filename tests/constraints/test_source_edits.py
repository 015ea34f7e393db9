"""Calls are edited in place, and nothing else of the source changes."""

import ast

import pytest

from constraints.call_syntax import Position
from constraints.errors import UnusableInputError
from constraints.source_edits import CallEdit, edited

NAMES = ("inputs", "outputs", "kernel", "stride")


def position(text: str, call: str) -> Position:
    """Of the first call that is written so."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.get_source_segment(text, node) == call:
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            return Position(node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
    raise AssertionError(call)


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("conv(3, 8, 3, 1)", {"stride": 2}, "conv(3, 8, 3, 2)"),
        ("conv(3, 8, kernel=3)", {"kernel": (3, 5), "stride": 2}, "conv(3, 8, kernel=(3, 5), stride=2)"),
        ("conv(3, 8, 3)", {"stride": 2}, "conv(3, 8, 3, stride=2)"),
        ("conv(3, 8, 3,)", {"stride": 2}, "conv(3, 8, 3, stride=2)"),
        ("conv()", {"stride": 2}, "conv(stride=2)"),
        ("conv(3, (8))", {"outputs": 9, "stride": 2}, "conv(3, (9), stride=2)"),
        (
            "conv(\n    3,  # ü, a colour\n    8,  # (\n)", {"stride": 2},
            "conv(\n    3,  # ü, a colour\n    8, stride=2,  # (\n)",
        ),
        ("conv(3, (8)  # )\n)", {"stride": 2}, "conv(3, (8), stride=2  # )\n)"),
    ],
)  # fmt: skip
def test_arguments_are_changed_or_added(call: str, arguments: dict[str, int], expected: str) -> None:
    text = f"ä = 1; x = [{call}, conv(1)]  # ß\n"
    edit = CallEdit(position=position(text, call), parameters=NAMES, arguments=arguments)
    got = edited(text, [edit])
    assert ast.dump(ast.parse(got)) == ast.dump(ast.parse(text.replace(call, expected)))
    assert got.replace(" ", "").replace(",)", ")") == text.replace(call, expected).replace(" ", "").replace(",)", ")")


def test_several_calls_and_what_takes_their_place() -> None:
    text = "x = conv(1, 2)\ny = pool(2)\n"
    first = CallEdit(position=position(text, "conv(1, 2)"), parameters=NAMES, arguments={"inputs": 3})
    second = CallEdit(
        position=position(text, "pool(2)"),
        parameters=(),
        rewrites=(lambda call, _: f"[{call}]", lambda call, _: call.upper()),
    )
    assert edited(text, [second, first]) == "x = conv(3, 2)\ny = [POOL(2)]\n"


def test_a_call_within_another_is_refused() -> None:
    text = "f(g(1))\n"
    edits = [
        CallEdit(position=position(text, call), parameters=("a",), arguments={"a": 2}) for call in ("f(g(1))", "g(1)")
    ]
    with pytest.raises(UnusableInputError, match="within another"):
        edited(text, edits)


@pytest.mark.parametrize(("end", "mark"), [("\n", ""), ("\r\n", ""), ("\r", ""), ("\n", "\ufeff")])
def test_lines_end_as_python_ends_them(end: str, mark: str) -> None:
    text = f"{mark}conv(1){end}x = 1\x0c{end}conv(2){end}"
    edits = [
        CallEdit(position=Position(line, line, 0, 7), parameters=NAMES, arguments={"inputs": 9}) for line in (1, 3)
    ]
    assert edited(text, edits) == text.replace("conv(1)", "conv(9)").replace("conv(2)", "conv(9)")


def test_a_rewrite_takes_the_expressions_of_the_call() -> None:
    text = "\nx = conv(w, f(w))\n"

    def of(name: str) -> CallEdit:
        return CallEdit(
            position=position(text, "conv(w, f(w))"),
            parameters=NAMES,
            rewrites=(lambda call, written: f"[{call}, {written(name)}]",),
        )

    assert edited(text, [of("inputs")]) == "\nx = [conv(w, f(w)), w]\n"
    with pytest.raises(UnusableInputError, match=r"outputs is f\(w\) at line 2, which would be written there twice"):
        edited(text, [of("outputs")])


MAXIMUM = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
AVERAGE = ("input", "kernel_size", "stride", "padding", "ceil_mode")


@pytest.mark.parametrize(
    ("call", "kept", "arguments", "expected"),
    [
        ("F.max_pool2d(x, 2)", AVERAGE, {}, "F.avg(x, 2)"),
        ("F.max_pool2d(x, 2, 2, 0, 1, True)", AVERAGE, {}, "F.avg(x, 2, 2, 0, True)"),
        ("F.max_pool2d(x, 2, 2, 0, ceil_mode=True, dilation=1)", AVERAGE, {}, "F.avg(x, 2, 2, 0, ceil_mode=True)"),
        ("torch.max_pool2d(x, (2, 2))", AVERAGE, {}, "torch.nn.functional.avg(x, (2, 2))"),
        ("max_pool2d(x, 2)", AVERAGE, {}, "torch.nn.functional.avg(x, 2)"),
        ("F.max_pool2d(x, 2, stride=2)", ("input", "size"), {"size": 1}, "F.avg(x, size=1)"),
        ("F.max_pool2d(x, kernel_size=x.size()[2:])", ("input", "size"), {"size": 1}, "F.avg(x, size=1)"),
    ],
)
def test_another_function_takes_the_arguments_that_it_has(
    call: str, kept: tuple[str, ...], arguments: dict[str, int], expected: str
) -> None:
    edit = CallEdit(
        position=position(call, call), parameters=MAXIMUM, arguments=arguments, function="avg", kept=kept
    )  # fmt: skip
    assert edited(call, [edit]) == expected


def test_calls_within_one_another_change_where_neither_is_rewritten() -> None:
    text = "F.max(act(F.max(x, 2)), 2)"
    edits = [
        CallEdit(position=position(text, call), parameters=("x", "k"), function="avg", kept=("x", "k"))
        for call in (text, "F.max(x, 2)")
    ]
    assert edited(text, edits) == "F.avg(act(F.avg(x, 2)), 2)"
