"""Finds a trial by its number, ``best``, its network's text, or a known network's name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from constraints.errors import UnusableInputError
from constraints.suggestions import nearest
from nas.architecture import named
from nas.results.board import leaderboard
from nas.results.board_reading import Study
from nas.results.rows import Row
from nas.search.trial_order import best_trials

_FIGURES = ("architecture", "params", "macs", "receptive_field")


class NoSuchTrialError(UnusableInputError):
    """The study has no such trial."""


def find(study: Study, trial: str | int, *, is_live: bool | None) -> Row:
    """The row of a trial by its number, ``best`` (the best complete trial), or its network's text, name or origin.

    For several trials of a network, the most accurate one. ``is_live`` says whether a launch is running on the study,
    None where that is unknown.

    Raises UnusableInputError where the study holds no such trial, ArchitectureError for a text that is not a network.
    """
    wanted = str(trial)
    if wanted == "best":
        return leaderboard(study, is_live=is_live).best
    rows = leaderboard(study, top=None, is_live=is_live).rows
    is_network = named.is_network(wanted) and wanted not in {row.origin for row in rows}
    network = str(named.architecture(wanted)) if is_network else wanted
    _check_origin(wanted, rows)
    for row in rows:
        if wanted in {str(row.trial), row.origin} or (row.architecture and row.architecture in {wanted, network}):
            return row
    known = f"trials 0 to {max(r.trial for r in rows)}" if rows else "no trials yet"
    remedy = "; " + nearest(wanted, ("best",), "give a number, best or an architecture")
    if is_network:
        remedy = ", none of that network; give a number or best, or train it: search.py train"
    raise NoSuchTrialError(f"no such trial: {wanted!r}: the study holds {known}{remedy}")


def _check_origin(wanted: str, rows: Sequence[Row]) -> None:
    """Raise UnusableInputError where an origin gave several networks: its file or the arguments have changed."""
    mine = sorted((row for row in rows if row.origin == wanted), key=lambda row: row.trial)
    if any(_differ(one, other) for one, other in combinations(mine, 2)):
        trials = ", ".join(str(row.trial) for row in mine)
        raise UnusableInputError(f"several networks came from {wanted!r}: trials {trials}: give the number of one")


def _differ(one: Row, other: Row) -> bool:
    """Whether two rows of an origin are of different networks.

    Their stored identities decide; without these, the figures that both know, since a release may know more of them.
    """
    if one.key and other.key:
        return one.key != other.key
    pairs = ((getattr(one, name), getattr(other, name)) for name in _FIGURES)
    return any(a != b for a, b in pairs if a is not None and b is not None)


def best(study: Study, count: int = 1, *, is_live: bool | None) -> tuple[Row, ...]:
    """The ``count`` best complete trials; UnusableInputError, naming what there is instead, if none is complete.

    ``is_live`` as for ``find``.
    """
    board = leaderboard(study, top=None, states=["complete"], is_live=is_live)
    rows = {row.trial: row for row in board.rows}
    ranked = [rows[t.number] for t in best_trials(study, study.get_trials(deepcopy=False)) if t.number in rows]
    return tuple(ranked[:count]) or (board.best,)
