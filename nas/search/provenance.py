"""The launches of a study: the command of each, with its time, version and machine.

A launch by ``nas.launch`` has no command, since its process runs another program's command line.
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
from nas.words import counted

if TYPE_CHECKING:
    import optuna

MOST_LAUNCHES = 20
"""Most launches that a study stores: the first one, and the latest."""


def launches(study: Described) -> tuple[Mapping[str, Any], ...]:
    """The stored launches of a study, in order; empty for a study made by an earlier release."""
    known = study.user_attrs.get(LAUNCHES, ())
    return tuple(one for one in known if isinstance(one, Mapping)) if isinstance(known, (list, tuple)) else ()


def keep_launch(study: optuna.Study, config: LaunchConfig) -> None:
    """Add the current launch to those that a study stores, without database passwords."""
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
        "machine": f"{machine_name(config)}, {counted(cores(), 'core')}, {platform.system()}",
    }
