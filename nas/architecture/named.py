"""Architectures that have a name."""

from __future__ import annotations

from nas.architecture.spec import Architecture, parse

SEED = parse(
    "RB/c16-pw16-c32-c32s2"
    "/dw64-pw32-c64g16-pw48-c64s2g16"
    "/pw32-dw64-pw128g16-pw64-c96g32-pw64-c64s2d2p3"
    "/c96g32:BR-pw64:BR-dw:N-pw32:BR-c48p0g8-pw10/gap"
)
"""The network that the assignment's author made by hand: 94,116 parameters, 84.03 % after 250 epochs."""

NAMED: dict[str, Architecture] = {"seed": SEED}
