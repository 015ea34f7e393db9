"""The report's section on where a study's results are from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nas.search.provenance import launches
from nas.search.study import Described

UNKNOWN = "not kept"
"""What is said of a study that an earlier release made."""
_OF_LAUNCH = ("date", "command", "version", "machine")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What all trials share, and each launch that the study keeps."""

    shared: Mapping[str, str]
    launches: tuple[Mapping[str, str], ...]
    configuration: str = ""
    """Of the last launch, as ``--config`` reads it."""


def provenance(study: Described, identity: Mapping[str, Any]) -> Provenance:
    """Where the results of a study are from; what it does not keep is UNKNOWN."""
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
    """``2026-11-28 09:00 UTC`` of a date in ISO 8601; any other text as it is."""
    return text[:16].replace("T", " ") + " UTC" if key == "date" and text.endswith("+00:00") else text


def _text(value: Any) -> str:
    return UNKNOWN if value is None else str(value)


def _named(table: Any) -> str:
    """A table's name, with the first digits of its content's hash where it has one."""
    if not isinstance(table, Mapping):
        return UNKNOWN
    digest = str(table.get("hash", ""))[:12]
    return f"{_text(table.get('name'))}{f' ({digest})' if digest else ''}"


def _augmentation(table: Any) -> str:
    """Its name and how often each step is done."""
    if not isinstance(table, Mapping) or not isinstance(often := table.get("probabilities"), Mapping):
        return _named(table)
    steps = ", ".join(f"{name} {value}" for name, value in often.items())
    return f"{_named(table)}{f' ({steps})' if steps else ''}"
