"""A study as one self-contained page: tables, charts, and every trial's network drawn on demand."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from functools import partial
from importlib import resources
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from constraints.errors import UnusableInputError
from constraints.rules import Constraint
from nas.objective_text import ACCURACY
from nas.results.board_table import spread, weighed
from nas.results.files import write_text
from nas.results.leaderboard import Leaderboard, front, leaderboard
from nas.results.numbers import duration, millions, number
from nas.results.report.charts import importance, parallel
from nas.results.report.diagram import drawing
from nas.results.report.space_section import space_section
from nas.results.rows import Row
from nas.search.measures import counted
from nas.search.study import shared

MOST_BYTES = 6_000_000
"""Of a page; the least accurate trials are left out where it would grow beyond."""
_ROW_BYTES = 520
"""Of a trial's row in the table, beside the texts of its network and its reason."""
_FRAME_BYTES = 100_000
"""Of all else than trials and charts."""


_UNDRAWN = "it is no architecture but a person's own code: search.py show lists its layers"
_SEPARATORS = (",", ":")


class Column(NamedTuple):
    """A column of the leaderboard: the field of a row that it sorts by, and its heading."""

    key: str
    title: str
    hint: str = ""


COLUMNS = (
    Column("rank", "#", "rank by the accuracy that the study judges by"),
    Column("trial", "trial"),
    Column("state", "state"),
    Column("val_accuracy", "val %", "validation accuracy"),
    Column("test_accuracy", "test %", "test accuracy after confirming"),
    Column("params", "params", "parameters"),
    Column("macs", "MMACs", "million multiply-accumulates of one sample"),
    Column("receptive_field", "RF", "receptive field in input pixels"),
    Column("epochs", "epochs"),
    Column("seconds", "time", "time of training"),
    Column("architecture", "architecture"),
)


def write_page(study: optuna.Study, place: Path, *, is_live: bool | None = None) -> None:
    """Write the page of a study; ``is_live`` says whether a launch works on it.

    Raises UnusableInputError for a name that is no page's, or that cannot be written.
    """
    if place.suffix.lower() not in {".html", ".htm"}:
        raise UnusableInputError(f"the report is a page: {str(place)!r}: give a file name that ends with .html")
    write_text(place, render(study, is_live=is_live))


def render(study: optuna.Study, *, is_live: bool | None = None) -> str:
    """The page, of at most MOST_BYTES."""
    board = leaderboard(study, top=None, is_live=is_live)
    trials = study.get_trials(deepcopy=False)
    identity = shared(study)
    constraints = counted(identity.get("constraints", ()))
    name = f"validation {board.measure.replace('_', ' ')}"
    charts = {"importance": importance(trials, name), "parallel": parallel(trials, name)}
    plots = {name: chart.plot for name, chart in charts.items()}
    plotly = _packed(get_plotlyjs())
    room = MOST_BYTES - _FRAME_BYTES - len(plotly) - _size(plots)
    rows, shown = _records(board.rows, room)
    page: str = _template().render(
        weighed=partial(weighed, measure=board.measure),
        measure=board.measure.replace("_", " "),
        board=board,
        identity=identity,
        rows=rows,
        columns=columns(board),
        cells=cells,
        rejected=sorted(board.rejected.items(), key=lambda item: -item[1]),
        constraints=constraints,
        notes={name: chart.note for name, chart in charts.items()},
        space=space_section(identity, constraints, board.rows),
        data={**_marks(board, rows, constraints), "rows": shown, "figures": plots},
        plotly=plotly,
        style=_source("report.css"),
        script=_source("report.js"),
    )
    return page


def columns(board: Leaderboard) -> tuple[Column, ...]:
    """COLUMNS, with those of the study's measured metrics, and of its accuracy where it is not the plain one."""
    found = []
    for column in COLUMNS:
        if board.measure != ACCURACY and column.key in {"val_accuracy", "test_accuracy"}:
            key = column.key.replace("_", "_balanced_")
            found.append(Column(key, f"balanced {column.title}", f"balanced {column.hint}"))
        found.append(column)
        if column.key == "receptive_field":
            found += [Column(name, name) for name in board.measured]
    return tuple(found)


def cells(row: Row) -> dict[str, str]:
    """What each of ``columns`` shows of a row."""
    return {
        **{name: number(value) for name, value in row.measured.items()},
        "val_balanced_accuracy": _percent(row.val_balanced_accuracy),
        "test_balanced_accuracy": _percent(row.test_balanced_accuracy) + spread(row),
        "rank": f"{row.rank}{'!' if row.broken else '*' if row.pareto else ''}",
        "trial": str(row.trial),
        "state": row.state,
        "val_accuracy": _percent(row.val_accuracy),
        "test_accuracy": _percent(row.test_accuracy) + (spread(row) if row.measure == ACCURACY else ""),
        "params": f"{row.params:,}",
        "macs": millions(row.macs),
        "receptive_field": "?" if row.receptive_field is None else f"{row.receptive_field:,}",
        "epochs": str(row.epochs),
        "seconds": duration(row.seconds),
        "architecture": row.network,
    }


def _records(rows: Sequence[Row], room: int) -> tuple[list[Row], list[dict[str, Any]]]:
    """The rows that fit into ``room`` bytes, best first, and what the page draws of each."""
    kept: list[Row] = []
    records = []
    for row in rows:
        record = {
            "trial": row.trial,
            "state": row.state,
            "accuracy": _finite(row.score),
            "params": row.params,
            "macs": row.macs,
            "curve": [_finite(value) for value in row.scores],
            **(drawing(row.architecture) if row.architecture else {"error": _UNDRAWN}),
        }
        texts = escape(row.network + row.reason)
        room -= _size(record) + len(texts.encode()) + _ROW_BYTES
        if room < 0:
            break
        kept.append(row)
        records.append(record)
    return kept, records


def _finite(value: float | None) -> float | None:
    """JSON knows no other numbers; an accuracy needs no more digits."""
    return round(value, 6) if value is not None and isfinite(value) else None


def _size(value: object) -> int:
    """Bytes of a value in the page."""
    return len(htmlsafe_json_dumps(value, separators=_SEPARATORS))


def _marks(board: Leaderboard, shown: Sequence[Row], constraints: Sequence[Constraint]) -> dict[str, Any]:
    """What is drawn beside the trials: the target, the limits, and the shown part of the front for each cost."""
    costs, numbers = ("params", "macs"), {row.trial for row in shown}
    return {
        "target": board.target,
        "accuracy": f"validation {board.measure.replace('_', ' ')}",
        "limits": {
            cost: [{"at": float(c.limit), "text": c.expr} for c in constraints if c.metric == cost] for cost in costs
        },
        "fronts": {cost: [row.trial for row in front(board.rows, (cost,)) if row.trial in numbers] for cost in costs},
    }


def _template() -> Template:
    loader = PackageLoader("nas.results.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"separators": _SEPARATORS}
    return environment.get_template("template.html.jinja")


def _packed(script: str) -> str:
    """A script in two fifths of its size, which leaves room for trials; the page's own script unpacks it."""
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _source(name: str) -> Markup:
    return Markup((resources.files("nas.results.report") / name).read_text(encoding="utf-8"))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
