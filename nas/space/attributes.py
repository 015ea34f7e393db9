"""Names under which trials keep what the space gives them; apart, so that a reader of a study loads no more."""

from __future__ import annotations

ARCHITECTURE = "architecture"
"""The trial's user attribute that holds its network's text form."""

ORIGIN = "origin"
"""The trial's user attribute that says where a network is from that a person gave; proposed ones have none."""

PROPOSED = "nas:proposed"
"""The trial's system attribute that holds it from the moment it is proposed, for the other workers of the study."""
