"""The texts of a leaderboard: title, headings, the cells of a row, and the lines below the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.text import Text

from constraints.output.plain import one_line
from nas.objective_text import ACCURACY
from nas.results.board import Leaderboard
from nas.results.numbers import duration, millions, number, percent
from nas.results.rows import STATES, Row
from nas.search.expected_accuracy import standard_error
from nas.words import counted

_FRONT = "*"
_BROKEN = "!"
_COST_NAMES = {"params": "parameters", "macs": "MACs"}


def rejections(rejected: Mapping[str, int]) -> str:
    """The rules that rejected proposals, most frequent first, in one line."""
    ordered = sorted(rejected.items(), key=lambda item: -item[1])
    return ", ".join(f"{rule} ({count:,})" for rule, count in ordered) or "none"


def headings(board: Leaderboard) -> tuple[str, ...]:
    """The column headings; accuracies are called balanced where the study maximises a balanced one."""
    names = ("val %", "test %") if board.measure == ACCURACY else ("balanced val %", "val %", "balanced test %")
    return ("#", "trial", "state", *names, "params", "MMACs", "RF", *board.measured, "ep", "time", "curve")


def weighed(costs: Sequence[str], measure: str = ACCURACY) -> str:
    """``both accuracy and parameters``: the objectives in which no other complete row beats a starred one."""
    names = [measure.replace("_", " "), *(_COST_NAMES.get(cost, cost) for cost in costs)]
    return f"{'both' if len(names) == 2 else 'all of'} {', '.join(names[:-1])} and {names[-1]}"


def title(board: Leaderboard) -> str:
    """The study, its data and its target."""
    what = "" if board.measure == ACCURACY else f" {board.measure.replace('_', ' ')}"
    target = f", target over {board.target:.2%}{what}" if board.target is not None else ""
    return f"study {one_line(board.study)} on {one_line(board.data)}{target}"


def footer(board: Leaderboard, *, wide: bool, has_marks: bool = True) -> list[Text]:
    """The lines below the table: proposals, states, legend; more where the table is not ``wide``.

    ``has_marks``: whether the table shows the star of the front and the standard errors.
    """
    counts, rejected = board.counts, sum(board.rejected.values())
    states = ", ".join(f"{counts[s]:,} {s}" for s in STATES if counts[s])
    lines = [Text(f"{counts['proposed']:,} proposed, {rejected:,} rejected; trials: {states or 'none'}")]
    if counts["unfinished"]:
        lines.append(Text("unfinished: no launch works on this study now; the next one continues them"))
    if rejected:
        lines.append(Text(f"rejected by: {rejections(board.rejected)}"))
    pruned = Counter(row.reason for row in board.rows if row.state == "pruned" and row.reason)
    if pruned:
        lines.append(
            Text("pruned: " + ", ".join(f"{pruned[reason]} {reason}" for reason in sorted(pruned, key=_natural)))
        )
    if has_marks and any(row.pareto for row in board.rows):
        lines.append(
            Text(
                f"{_FRONT} no other complete trial shown beats it in {weighed(board.costs, board.measure)}", style="dim"
            )
        )
    lines += [Text(line) for line in _confirmed(board)]
    if board.expected is not None:
        lines.append(Text(board.expected.sentence(board.target)))
    for row in board.rows:
        if row.broken:
            lines.append(Text(f"{_BROKEN} trial {row.trial} breaks {', '.join(row.broken)}", style="yellow"))
        if row.state == "failed" and row.reason:
            lines.append(Text(f"trial {row.trial} failed: {row.reason}", style="red"))
        if row.test_std and not wide:
            kind = "" if row.measure == ACCURACY else "balanced "
            lines.append(Text(f"trial {row.trial} confirmed: {kind}test {_test(row, deviation=True)} %"))
    if has_marks and board.images:
        error = "± in val % is" if wide else _error_of_first(board)
        lines.append(Text(f"{error} the standard error of a share of {board.images:,} images", style="dim"))
    return lines


def _natural(text: str) -> list[tuple[int, str]]:
    """A sort key that puts ``epoch 3`` before ``epoch 12``."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", text)]


def _confirmed(board: Leaderboard) -> list[str]:
    """The confirmed network that ended the search, and the rows whose training a confirmation finished."""
    best, lines = board.best_complete, list[str]()
    if best is not None and best.won and board.target is not None:
        lines.append(
            f"best: trial {best.trial}, confirmed over {board.target:.2%}: test {_test(best, deviation=True)} %"
        )
    for row in board.rows:
        if row.finished:
            length = f"{counted(row.finished, 'epoch')} on all images"
            tested = _test(row, deviation=True)
            lines.append(f"trial {row.trial}, at epoch {row.epochs}, was confirmed by {length}: test {tested} %")
    return lines


def _error_of_first(board: Leaderboard) -> str:
    if not board.rows or board.rows[0].score is None:
        return "val % has"
    return f"val % of trial {board.rows[0].trial} has ± {_error(board.rows[0].score, board)}:"


def _error(score: float, board: Leaderboard) -> str:
    return f"{100 * standard_error(score, board.images):.2f}"


def _val(row: Row, board: Leaderboard, *, deviation: bool) -> str:
    """The validation accuracy that the study maximises, with its standard error where there is room."""
    known = f" ± {_error(row.score, board)}" if deviation and board.images and row.score is not None else ""
    return percent(row.score) + known


def cells(row: Row, board: Leaderboard, *, deviation: bool) -> list[str]:
    """A row's cells under ``headings``, except the curve; ``deviation`` adds that of the test accuracy."""
    plain = [] if row.measure == ACCURACY else [percent(row.val_accuracy)]
    return [
        f"{row.rank}{_BROKEN if row.broken else _FRONT if row.pareto else ' '}",
        str(row.trial),
        row.state,
        _val(row, board, deviation=deviation),
        *plain,
        _test(row, deviation=deviation),
        f"{row.params:,}",
        millions(row.macs),
        "?" if row.receptive_field is None else str(row.receptive_field),
        *(number(row.measured.get(name)) for name in board.measured),
        str(row.epochs),
        duration(row.seconds),
    ]


def _test(row: Row, *, deviation: bool) -> str:
    return percent(row.test_score) + (spread(row) if deviation else "")


def spread(row: Row) -> str:
    """Standard deviation and number of the trainings behind a test accuracy; for one training only the number."""
    known = f" ± {100 * row.test_std:.2f}" if row.test_std else ""
    return known + (f" (n={row.test_seeds})" if row.test_seeds else "")
