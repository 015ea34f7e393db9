"""A study's trials as a ranked table; reads only the study, and loads no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

from constraints.errors import UnusableInputError
from constraints.output.json_documents import json_text
from constraints.rules import Constraint, parse_all
from constraints.suggestions import nearest
from nas.objective_text import ACCURACY, MEASURES
from nas.pareto import front as front_of
from nas.results.board_reading import Study, costs, images_of, left, maximised_of, rejected_of, rows_of, target_of
from nas.results.rows import METRICS, SORT_KEYS, STATES, Row
from nas.search.expected_accuracy import Expectation, expectation
from nas.search.measure import measure_of
from nas.search.stored_values import check_study
from nas.search.study import DATA
from nas.search.trial_order import order

_DESCENDING = frozenset(
    {
        "val_accuracy", "test_accuracy", "val_balanced_accuracy", "test_balanced_accuracy", "receptive_field", "epochs",
        "meets_target", "pareto",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """What ``search.py leaderboard`` shows; ``rejected`` counts proposals by the rule that rejected them."""

    study: str
    data: str
    target: float | None
    counts: Mapping[str, int]
    rejected: Mapping[str, int]
    rows: tuple[Row, ...]
    best_complete: Row | None
    """The best complete trial of the whole study, whatever rows are shown."""
    expected: Expectation | None
    """The best complete trial's expected accuracy on new images; None where the validation images were not counted."""
    costs: tuple[str, ...]
    """The metrics that form the Pareto front together with accuracy."""
    measure: str = ACCURACY
    """The accuracy that the study maximises: one of nas.objective_text.MEASURES."""
    measured: tuple[str, ...] = ()
    """Metrics of the rows that not every study has."""
    images: int = 0
    """Number of images of each validation accuracy; 0 where unknown."""

    @property
    def best(self) -> Row:
        """The best complete trial; UnusableInputError, naming what there is instead, if none is complete."""
        if self.best_complete is None:
            kept = " that keeps the rules" if any(row.broken for row in self.rows) else ""
            held = ", ".join(f"{self.counts[state]:,} {state}" for state in STATES if self.counts[state])
            is_left = self.counts["unfinished"] and not self.counts["running"]
            remedy = "launch again, which continues them" if is_left else "let the search continue"
            remedy = f"give a trial's number, or {remedy}" if self.counts["complete"] else remedy
            raise UnusableInputError(
                f"no trial{kept} is complete: study {self.study} holds {held or 'no trials'}: {remedy}"
            )
        return self.best_complete

    def to_json(self) -> str:
        """``as_dict`` as one JSON document."""
        return json_text(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of the contract."""
        return {
            "study": self.study,
            "data": self.data,
            "target": self.target,
            "measure": self.measure,
            "validation_images": self.images or None,
            "counts": dict(self.counts),
            "rejected": dict(self.rejected),
            "rows": [row.as_dict() for row in self.rows],
            "expected": self.expected.as_dict() if self.expected else None,
        }


def leaderboard(
    study: Study,
    *,
    top: int | None = 20,
    sort: str | None = None,
    states: Iterable[str] = (),
    where: Iterable[str] = (),
    pareto: bool = False,
    storage: str | None = None,
    is_live: bool | None = None,
) -> Leaderboard:
    """The best ``top`` trials in ``states`` (all where none is given), ranked by ``sort``, accuracies best first.

    ``sort`` None means the validation accuracy that the study maximises.

    ``where`` are comparisons such as ``params < 100k``, all of which a row's METRICS must satisfy; an unknown metric
    satisfies none. ``is_live`` says whether a launch is running on the study: without one, trials that have not ended
    are ``unfinished``; the state ``running`` selects these too. ``pareto`` keeps the complete trials that no other one
    dominates in accuracy and ``costs``. Rows record ``storage`` as their study's. Raises UnusableInputError for an
    unknown sort key, state or metric, and for a study that this tool did not make.
    """
    if top is not None and top < 0:
        raise UnusableInputError(f"top is out of range: {top}: give how many rows, 0 or more")
    check_study(study)
    measure, maximised, weighed = measure_of(study), maximised_of(study), costs(study)
    rows = [left(row, is_live) for row in rows_of(study, storage, measure)]
    measured = tuple(dict.fromkeys(name for row in rows for name in row.measured))
    wanted = ([states] if isinstance(states, str) else list(states)) or STATES
    if "running" in wanted:
        wanted = [*wanted, "unfinished"]
    rules = parse_all(where, (*METRICS, *measured))
    _known("state", wanted, STATES)
    _known("sort key", [by := MEASURES[measure] if sort is None else sort], (*SORT_KEYS, *measured))
    _known("metric", [rule.metric for rule in rules], (*METRICS, *measured))
    shown = [row for row in rows if row.state in wanted and all(_holds(rule, row) for rule in rules)]
    best = {row.trial for row in front((row for row in shown if row.state == "complete"), weighed, maximised)}
    chosen = [row for row in shown if row.trial in best] if pareto else shown
    ranked = sorted(chosen, key=lambda row: _order(row, by, maximised))[:top]
    counts = Counter(row.state for row in rows)
    rejected = rejected_of(study)
    placed = tuple(replace(row, rank=i, pareto=row.trial in best) for i, row in enumerate(ranked, start=1))
    return Leaderboard(
        study=study.study_name,
        data=str(study.user_attrs.get(DATA, "")),
        target=target_of(study),
        counts={"proposed": len(rows) + sum(rejected.values()), **{s: counts[s] for s in STATES}},
        rejected=rejected,
        rows=placed,
        best_complete=_best_complete(placed, rows),
        expected=_expected(study, rows),
        costs=weighed,
        measure=measure,
        measured=measured,
        images=images_of(study),
    )


def _best_complete(shown: Iterable[Row], rows: Iterable[Row]) -> Row | None:
    """The best complete one of all ``rows``, as it is ``shown`` where it is."""
    complete = (row for row in rows if row.state == "complete" and not row.broken)
    best = min(complete, key=lambda row: order(row.won, row.score, row.trial), default=None)
    return None if best is None else next((row for row in shown if row.trial == best.trial), replace(best, rank=1))


def _expected(study: Study, rows: Sequence[Row]) -> Expectation | None:
    kept = [row for row in rows if not row.broken and not row.finished]
    measured = {r.trial: r.score for r in kept if r.state == "complete" and r.score is not None}
    images = images_of(study)
    if not images or not measured:
        return None
    best = max(measured, key=lambda trial: (measured[trial], -trial))
    others = [accuracy for trial, accuracy in measured.items() if trial != best]
    return expectation(best, measured[best], others, images=images, target=target_of(study), measure=measure_of(study))


def _holds(rule: Constraint, row: Row) -> bool:
    value = row.value(rule.metric)
    return value is not None and rule.holds(value)


def _order(row: Row, key: str, maximised: Set[str] = frozenset()) -> tuple[bool, Any, int]:
    value = row.value(key)
    if value is None:
        return True, 0, row.trial
    return False, -value if key in _DESCENDING | maximised else value, row.trial


def front(rows: Iterable[Row], costs: Sequence[str] = ("params",), maximised: Set[str] = frozenset()) -> list[Row]:
    """The Pareto front of accuracy and ``costs``: the rows that no other dominates, the most accurate first.

    The accuracy is the study's; costs in ``maximised`` are better when greater. A row with an unknown value, an
    accuracy that is not a number or a broken constraint is not on the front.
    """
    signs = [-1 if cost in maximised else 1 for cost in costs]
    known = ((row, row.score, [row.value(cost) for cost in costs]) for row in rows)
    values = [
        ((-score, *(sign * value for sign, value in zip(signs, others, strict=True))), row)
        for row, score, others in known
        if score is not None and not isnan(score) and None not in others and not row.broken
    ]
    kept = front_of([loss for loss, _ in values])
    best = [value for value, is_best in zip(values, kept, strict=True) if is_best]
    return [row for _, row in sorted(best, key=lambda value: value[0])]


def _known(what: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    for value in given:
        if value not in allowed:
            hint = nearest(value, allowed, f"use {', '.join(allowed)}")
            raise UnusableInputError(f"unknown {what}: {value!r}: {hint}")
