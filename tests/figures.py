"""What a measured figure is on a page of the documentation, and what a section must name with it.

A figure is a number with a unit of measure (``3.4 ms``, ``2.47 times``, ``86.18%``, ``21m29s``), one in a column of a
table whose heading names a unit or a quantity (``s an epoch``, ``correlation``), or one behind ``ratio`` or
``correlation`` in a sentence. Text between backticks, code and commands are none; what commands printed is. A section,
from one heading to the next, that holds a figure names the commit it was measured at, as seven hex digits in backticks;
or a section around it does. Where a figure is a time or a speed, it names the class of the processor too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

COMMIT = re.compile(r"`([0-9a-f]{7})`")
CPU_CLASS = re.compile(r"AVX2|AVX-512 with bfloat16|CPU class \w+")
_NUMBER = r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?"
_TIME = (
    r"(?:ms|s|min)\b|(?:processor )?(?:milli)?(?:second|minute|hour)s?\b|(?:million)?/s\b|images?(?:/| a )s|GFLOPS\b"
)
_SHARE = r"%|times\b|points?\b|[kMGT]i?B\b"
_MEASURED = re.compile(rf"{_NUMBER} ?(?:(?P<time>{_TIME})|(?:{_SHARE}))|(?P<clock>\b\d+m\d\ds\b)")
_IN_SENTENCE = re.compile(r"\b(?:ratio|correlation)\b[^.;|]{0,40}?\b\d+\.\d+")
_TIME_HEADING = re.compile(r"(?<!')\b(?:ms|s|time|(?:milli)?seconds?|images/s)\b|million/s")
_SHARE_HEADING = re.compile(r"%|\b(?:ratio|over|correlation|share)\b")
_COMMAND = re.compile(r"^\s*(?:\$ |#|(?:uv|pip|python|ray|nas|srun)\b)")
_FENCE = re.compile(r"^```(\w*)$")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured figure as the page writes it; ``is_time`` where it depends on the processor."""

    text: str
    is_time: bool


@dataclass(kw_only=True)
class Section:
    """A heading, the lines of prose and of tables below it, and those that commands printed."""

    heading: str
    level: int = 1
    around: Section | None = None
    lines: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def figures(self) -> Iterator[Figure]:
        """The measured figures, in prose first."""
        columns: list[str] = []
        for line in self.lines:
            bare = re.sub(r"`[^`]*`", "", line)
            if line.startswith("|"):
                cells = [cell.strip() for cell in bare.strip("|").split("|")]
                columns = columns or cells
                yield from _in_columns(columns, cells)
            else:
                columns = []
            yield from _in_text(bare)
        prose = re.sub(r"`[^`]*`", "", " ".join(line for line in self.lines if not line.startswith("|")))
        yield from (Figure(text=found[0], is_time=False) for found in _IN_SENTENCE.finditer(prose))
        for line in self.printed:
            yield from _in_text(line)

    def text(self) -> str:
        """The prose and tables of this section and of those around it, without those beside it, in one line."""
        return " ".join([self.around.text() if self.around else "", *self.lines])

    def faults(self, stated: Collection[str] = ()) -> Iterator[str]:
        """What is missing beside the figures; those ``stated`` (limits, defaults, exact counts) were not measured."""
        text = self.text()
        measured = [figure for figure in self.figures() if figure.text not in stated]
        if measured and not COMMIT.search(text):
            yield f"{measured[0].text!r} names no commit"
        if (times := [figure for figure in measured if figure.is_time]) and not CPU_CLASS.search(text):
            yield f"{times[0].text!r} names no class of the processor"


def sections(page: str) -> Iterator[Section]:
    """The sections of a page of Markdown, its code blocks sorted by what they hold."""
    section, fence = Section(heading="the beginning"), ""
    for line in page.splitlines():
        if found := _FENCE.match(line):
            fence = "" if fence else found[1] or "printed"
        elif fence or line.startswith("    "):
            if fence in {"", "printed"} and not _COMMAND.match(line):
                section.printed.append(line)
        elif line.startswith("#"):
            yield section
            section = _below(section, line)
        else:
            section.lines.append(line)
    yield section


def _below(last: Section, heading: str) -> Section:
    """The section that a heading opens, within the last one of a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    around: Section | None = last
    while around is not None and around.level >= level:
        around = around.around
    return Section(heading=heading.lstrip("# "), level=level, around=around)


def _in_text(text: str) -> Iterator[Figure]:
    for found in _MEASURED.finditer(text):
        yield Figure(text=found[0], is_time=bool(found["time"] or found["clock"]))


def _in_columns(headings: list[str], cells: list[str]) -> Iterator[Figure]:
    for heading, cell in zip(headings, cells, strict=False):
        is_time = bool(_TIME_HEADING.search(heading))
        if cell != heading and re.search(r"\d", cell) and (is_time or _SHARE_HEADING.search(heading)):
            yield Figure(text=cell, is_time=is_time)
