"""Names under which trials keep what the space gives them; apart, so that a reader of a study loads no more."""

from __future__ import annotations

ARCHITECTURE = "architecture"
"""The trial's user attribute that holds its network's text form."""

ORIGIN = "origin"
"""The trial's user attribute that says where its network is from: a start, the queue, or a file of the user."""

GIVEN = "given"
"""The trial's user attribute that holds a given network: its source, and how it is made (``nas.search.given``)."""

BROKEN = "broken"
"""The trial's user attribute that lists the rules that a given network breaks; what is proposed breaks none."""

SEED = "seed"
"""The trial's user attribute that holds the seed of a training by ``train``, which alone sets it."""

FINISHED = "finished"
"""The trial's user attribute that holds ``epochs`` and ``threads`` of the confirmation that trained its network to the
end: it is complete, and its accuracy is that of the few epochs before."""

PROPOSED = "nas:proposed"
"""The trial's system attribute that holds it from the moment it is proposed, for the other workers of the study."""
