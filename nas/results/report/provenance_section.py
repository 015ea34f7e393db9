"""The report's section on the origin of a study's results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.search.provenance import launches
from nas.search.study import Described

UNKNOWN = "not kept"
"""Text for what a study by an earlier release did not store."""
_OF_LAUNCH = ("date", "command", "version", "machine")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The settings that all trials share, and each stored launch."""

    shared: Mapping[str, str]
    launches: tuple[Mapping[str, str], ...]
    configuration: str = ""
    """The configuration of the last launch, as ``--config`` reads it."""


def provenance(study: Described, identity: Mapping[str, Any]) -> Provenance:
    """The origin of a study's results; UNKNOWN for what is not stored."""
    known = launches(study)
    last = known[-1] if known else {}
    return Provenance(
        shared={
            "seed": _text(identity.get("seed")),
            "epochs": _text(identity.get("epochs")),
            "objective": _text(identity.get("objective")),
            "recipe": _named(identity.get("recipe")),
            "augmentation": _augmentation(identity.get("augmentation")),
            "data": _named(identity.get("data")),
            "space": _named(identity.get("space")),
        },
        launches=tuple({key: _moment(key, _text(one.get(key))) for key in _OF_LAUNCH} for one in known or ({},)),
        configuration=_text(last.get("configuration", "")),
    )


def _moment(key: str, text: str) -> str:
    """``2026-11-28 09:00 UTC`` for a date in ISO 8601; any other text unchanged."""
    return text[:16].replace("T", " ") + " UTC" if key == "date" and text.endswith("+00:00") else text


def _text(value: Any) -> str:
    return UNKNOWN if value is None else str(value)


def _named(table: Any) -> str:
    """A table's name, with the first digits of its content's hash if it has one."""
    if not isinstance(table, Mapping):
        return UNKNOWN
    digest = str(table.get("hash", ""))[:12]
    return f"{_text(table.get('name'))}{f' ({digest})' if digest else ''}"


def _augmentation(table: Any) -> str:
    """An augmentation's name, and the probability of each transform."""
    if not isinstance(table, Mapping) or not isinstance(often := table.get("probabilities"), Mapping):
        return _named(table)
    steps = ", ".join(f"{name} {value}" for name, value in often.items())
    return f"{_named(table)}{f' ({steps})' if steps else ''}"
