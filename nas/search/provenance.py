"""What began a study's trials: the command of each launch, with its moment, version and machine.

A launch by ``nas.launch`` has no command: the command line of the program that called it is none of this tool's.
"""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nas import command_line
from nas.config import LaunchConfig
from nas.passwords import masked
from nas.search.engines import machine_name
from nas.search.resources import cores
from nas.search.study import LAUNCHES, Described
from nas.version import version

if TYPE_CHECKING:
    import optuna

MOST_LAUNCHES = 20
"""Launches that a study keeps: the first one, and the last ones."""


def launches(study: Described) -> tuple[Mapping[str, Any], ...]:
    """The launches that a study keeps, the first one first; none of a study that an earlier release made."""
    known = study.user_attrs.get(LAUNCHES, ())
    return tuple(one for one in known if isinstance(one, Mapping)) if isinstance(known, (list, tuple)) else ()


def keep_launch(study: optuna.Study, config: LaunchConfig) -> None:
    """Add the present launch to those that a study keeps, without the passwords of databases."""
    known = [dict(one) for one in launches(study)]
    kept = known[:1] + known[1:][-(MOST_LAUNCHES - 2) :]
    study.set_user_attr(LAUNCHES, [*kept, _launch(config)])


def _launch(config: LaunchConfig) -> dict[str, Any]:
    words = command_line.present()
    return {
        **({"command": masked(shlex.join(words))} if words else {}),
        "configuration": masked(config.to_toml()),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version(),
        "machine": f"{machine_name(config)}, {cores()} cores, {platform.system()}",
    }
