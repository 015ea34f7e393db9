"""Names of the trial attributes that the space writes, in a small module that readers of a study can import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ARCHITECTURE = "architecture"
"""The trial's user attribute that holds its network's text form."""

ORIGIN = "origin"
"""The trial's user attribute that says where its network is from: a start, the queue, or a file of the user."""

GIVEN = "given"
"""The trial's user attribute that holds a given network: its source, and how it is made (``nas.search.given``)."""

BROKEN = "broken"
"""The trial's user attribute that lists the constraints that a given network breaks; proposals break none."""

SEED = "seed"
"""The trial's user attribute that holds the seed of a training; only ``train`` sets it."""

FINISHED = "finished"
"""The trial's user attribute that holds ``epochs`` and ``threads`` of the confirmation that trained its network to the
end; the trial is complete, with the accuracy of its own few epochs."""

PROPOSED = "nas:proposed"
"""The trial's system attribute that holds its network from the proposal on, for other workers of the study."""


def given_key(attributes: Mapping[str, Any]) -> str:
    """The identity of a trial's network of user code; empty for any other network, or where it is not stored."""
    given = attributes.get(GIVEN)
    return str(given.get("key", "")) if isinstance(given, Mapping) else ""
