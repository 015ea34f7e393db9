"""Names under which trials keep what the space gives them; apart, so that a reader of a study loads no more."""

from __future__ import annotations

ARCHITECTURE = "architecture"
"""The trial's user attribute that holds its network's text form."""

ORIGIN = "origin"
"""The trial's user attribute that says where a network is from that a person gave; proposed ones have none."""

GIVEN = "given"
"""The trial's user attribute that holds a given network: its source, and how it is made (``nas.search.given``)."""

BROKEN = "broken"
"""The trial's user attribute that lists the rules that a given network breaks; what is proposed breaks none."""

SEED = "seed"
"""The trial's user attribute that holds the seed of a given network's training; candidates have the study's."""

PROPOSED = "nas:proposed"
"""The trial's system attribute that holds it from the moment it is proposed, for the other workers of the study."""
