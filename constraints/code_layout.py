"""Format expressions for insertion into a user's source, over several lines where they are too long for one."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

WIDTH = 100
"""Length of a line beyond which an expression is broken."""
_INDENT = re.compile(r"[ \t]*")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class CodePlace:
    """Where an expression is in a source: the text before and after it on its lines, and the file's layout.

    ``before`` and ``behind`` reach to the ends of the line; ``unit`` is one level of indentation.
    """

    before: str
    behind: str
    unit: str = "    "
    end: str = "\n"

    @property
    def indent(self) -> str:
        """The indentation of the line on which the expression begins."""
        found = _INDENT.match(self.before)
        return found.group() if found else ""


def place_in(source: str, start: int, stop: int) -> CodePlace:
    """The place of the characters from ``start`` up to ``stop`` of a source, with line ends of any kind."""
    first = max(source.rfind("\n", 0, start), source.rfind("\r", 0, start)) + 1
    last = min((i for i in (source.find("\r", stop), source.find("\n", stop)) if i >= 0), default=len(source))
    end = _LINE_END.search(source)
    indents = [line.group() for line in re.finditer(r"(?m)^(?: +|\t+)(?=\S)", source)]
    unit = min(indents, key=len, default=" " * 4)
    unit = "\t" if unit.startswith("\t") else unit if len(unit) in {2, 3, 4} else " " * 4
    return CodePlace(before=source[first:start], behind=source[stop:last], unit=unit, end=end.group() if end else "\n")


def laid_out(text: str, place: CodePlace) -> str:
    """An expression, with each argument of its calls on its own line where the line would be too long.

    Text of several lines, such as a call that the user formatted, keeps its line breaks; only its indentation changes.
    """
    if not _lines(text) and _fits(place.before + text + place.behind):
        return text
    return _broken(text, place.indent, place) or text


def _fits(line: str) -> bool:
    return len(line.expandtabs(4)) <= WIDTH


def _broken(text: str, indent: str, place: CodePlace) -> str:
    """The expression over several lines; empty if it is no call, dictionary or conditional expression."""
    bare = text[1:-1] if is_bracketed(text) else text
    node = _parsed(bare)
    inner, back = place.end + indent + place.unit, place.end + indent
    if isinstance(node, ast.IfExp):
        first, condition, other = (_segment(bare, n) for n in (node.body, node.test, node.orelse))
        first, other = (_within(part, indent + place.unit, place) for part in (first, other))
        return f"({inner}{first}{inner}if {condition}{inner}else {other}{back})"
    if isinstance(node, ast.Dict):
        starts = [f"{_segment(bare, key)}: " if key else "**" for key in node.keys]
        entries = [f"{start}{_segment(bare, value)}" for start, value in zip(starts, node.values, strict=True)]
        return f"{{{''.join(f'{inner}{entry},' for entry in entries)}{back}}}"
    if isinstance(node, ast.Call) and not node.keywords and len(node.args) > 1:
        given = [_segment(bare, argument) for argument in node.args]
        if _lines(bare) != sum(map(_lines, given)):  # the user's own lines between them, with comments
            return ""
        parts = [_within(part, indent + place.unit, place) for part in given]
        return f"{_segment(bare, node.func)}({''.join(f'{inner}{part},' for part in parts)}{back})"
    return ""


def _within(text: str, indent: str, place: CodePlace) -> str:
    """A part that starts on its own line."""
    if not _lines(text) and _fits(f"{indent}{text},"):
        return text
    return _broken(text, indent, place) or _moved(text, indent.removeprefix(place.indent))


def _moved(text: str, indent: str) -> str:
    """The text with its further lines indented by ``indent``, except inside strings."""
    node = _parsed(text)
    strings = [n for n in ast.walk(node) if isinstance(n, (ast.Constant, ast.JoinedStr))] if node else []
    is_movable = node is not None and all(n.lineno == n.end_lineno for n in strings)
    return _LINE_END.sub(lambda end: end.group() + indent, text) if is_movable else text


def _lines(text: str) -> int:
    """The number of line ends."""
    return len(_LINE_END.findall(text))


def is_bracketed(text: str) -> bool:
    """Whether one pair of parentheses encloses a whole expression."""
    try:
        ast.parse(f"[{text[1:-1]}\n]")  # fails for ``(a), (b)``, whose first and last bracket are no pair
    except SyntaxError:
        return False
    return text.startswith("(") and text.endswith(")")


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(f"({text}\n)", mode="eval").body
    except SyntaxError:
        return None


def _segment(text: str, node: ast.expr) -> str:
    """The source of a node from ``_parsed``, with the parentheses around it."""
    return ast.get_source_segment(f"({text}\n)", node) or ast.unparse(node)
