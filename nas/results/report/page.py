"""A study as one self-contained page: tables, charts, and every trial's network drawn on demand."""

from __future__ import annotations

import base64
import gzip
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import Any

import optuna
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from constraints.errors import UnusableInputError
from constraints.output.field_drawing import CAPTION
from constraints.output.plain import visible
from constraints.rules import Constraint, parse_all
from nas.results.board import Leaderboard, front, leaderboard
from nas.results.board_lines import weighed
from nas.results.files import check_folder, write_text
from nas.results.report.charts import importance, parallel
from nas.results.report.provenance_section import provenance
from nas.results.report.records import Figures, is_whole
from nas.results.report.space_section import space_section
from nas.results.report.table_columns import cells, columns, least, tracks, widths
from nas.results.rows import Row
from nas.search.measure import objective_of
from nas.search.measures import counted
from nas.search.stored_values import check_parameters
from nas.search.study import shared

MOST_BYTES = 6_000_000
"""Largest page; the least accurate trials are left out where it would be larger."""
_ROW_BYTES = 560
"""Bytes of a trial's row in the table, without the texts of its network and its reason."""
_FRAME_BYTES = 120_000
"""Bytes of everything except trials and charts."""
_SLICE = 25
"""Rows in one body of the table: a browser lays out only the bodies near its window, since thousands take seconds."""
_PRINTED = 50
"""Number of printed rows: a multiple of those in one body."""
_SCRIPTS = ("elements.js", "table.js", "network.js", "chosen.js", "figures.js", "start.js")
_SEPARATORS = (",", ":")


def write_page(study: optuna.Study, place: Path, *, is_live: bool | None = None) -> None:
    """Write the page of a study; ``is_live`` says whether a launch is running on it.

    Raises UnusableInputError for a file name that does not end with .html, or a file that cannot be written.
    """
    if place.suffix.lower() not in {".html", ".htm"}:
        raise UnusableInputError(f"the report is an HTML page: {str(place)!r}: give a file name that ends with .html")
    check_folder(place)
    write_text(place, render(study, is_live=is_live))


def render(study: optuna.Study, *, is_live: bool | None = None) -> str:
    """The page, of at most MOST_BYTES."""
    board = leaderboard(study, top=None, is_live=is_live)
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        check_parameters(study, trial)
    identity = shared(study)
    rules = parse_all(identity.get("constraints", ()), None)
    name = f"validation {board.measure.replace('_', ' ')}"
    charts = {"importance": importance(trials, name), "parallel": parallel(trials, name)}
    plots = {name: chart.plot for name, chart in charts.items()}
    plotly = _plotly()
    figures = Figures.of(board, {trial.number: trial for trial in trials}, rules, identity)
    records = [figures.record(row, trials[row.trial]) for row in board.rows]
    rows = board.rows[: _fitting(board.rows, records, MOST_BYTES - _FRAME_BYTES - len(plotly) - _size(plots))]
    constraints = counted(identity.get("constraints", ()))
    maximised = frozenset(aim.name for aim in objective_of(study)[1] if aim.is_maximised)
    best = {row.trial for row in front(filter(is_whole, board.rows), board.costs, maximised)}
    texts, shown = {row.trial: cells(row, is_best=row.trial in best) for row in rows}, columns(board)
    sizes = {"slice": _SLICE, "printed": _PRINTED}
    page: str = _template().render(
        weighed=partial(weighed, measure=board.measure),
        measure=board.measure.replace("_", " "),
        board=board,
        identity=identity,
        provenance=provenance(study, identity),
        rows=rows,
        **sizes,
        columns=shown,
        cells=texts,
        widths=widths(shown, texts.values()),
        tracks=tracks,
        least=least,
        rejected=sorted(board.rejected.items(), key=lambda item: -item[1]),
        notes={name: chart.note for name, chart in charts.items()},
        space=space_section(identity, constraints, board.rows),
        data={**_marks(board, figures, maximised), **sizes, "figures": plots, "caption": CAPTION},
        packed=_packed(_json(records[: len(rows)])),
        plotly=plotly,
        style=_source("report.css"),
        script=Markup("\n").join(map(_source, _SCRIPTS)),
    )
    return page


def _fitting(rows: Sequence[Row], records: Sequence[Mapping[str, Any]], room: int) -> int:
    """How many of the rows, best first, fit into ``room`` bytes."""
    texts = list(accumulate(len(escape(row.network + row.reason).encode()) + _ROW_BYTES for row in rows))

    def size(number: int) -> int:
        """Bytes of the first ``number`` rows in the page."""
        return texts[number - 1] + len(_packed(_json(records[:number]))) if number else 0

    if size(len(rows)) <= room:
        return len(rows)
    return max(0, bisect_left(range(len(rows) + 1), True, key=lambda number: size(number) > room) - 1)


def _marks(board: Leaderboard, figures: Figures, maximised: frozenset[str]) -> dict[str, Any]:
    """The figures besides the trials, and the names of their values."""
    costs = [name for name in board.costs if name in figures.names]
    drawn = list(dict.fromkeys([*costs, "params", "macs"]))[:2]
    return {
        "study": board.study,
        "target": board.target,
        "best": board.best_complete.trial if board.best_complete else None,
        "accuracy": f"validation {board.measure.replace('_', ' ')}",
        "names": figures.names,
        "maximised": [*figures.names[: figures.names.index("params")], "receptive_field", *sorted(maximised)],
        "drawn": drawn,
        "rules": [_rule(rule) for rule in figures.rules],
        "began": figures.began.isoformat(timespec="seconds") if figures.began else None,
        "levels": list(figures.levels),
    }


def _rule(rule: Constraint) -> dict[str, Any]:
    return {"metric": rule.metric, "limit": float(rule.limit), "text": rule.expr}


def _json(value: object) -> str:
    return str(htmlsafe_json_dumps(value, separators=_SEPARATORS))


def _size(value: object) -> int:
    """Bytes that a value takes in the page."""
    return len(_json(value))


def _template() -> Template:
    loader = PackageLoader("nas.results.report", ".")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": _SEPARATORS}
    return environment.get_template("template.html.jinja")


@cache
def _plotly() -> str:
    """Plotly's script, compressed once per process, since that takes a quarter of a second."""
    return _packed(get_plotlyjs())


def _shown(value: Any) -> Any:
    """A value of the page; control characters in the study's texts are replaced by visible signs."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _packed(text: str) -> str:
    """A text compressed to two fifths of its size or less, to leave room for trials; the page's script unpacks it."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _source(name: str) -> Markup:
    return Markup((resources.files("nas.results.report") / name).read_text(encoding="utf-8"))
