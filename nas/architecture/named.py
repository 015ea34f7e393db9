"""Architectures by name or text, as every command that takes an architecture reads them."""

from __future__ import annotations

from collections.abc import Mapping

from nas.architecture.spec import Architecture, ArchitectureError, parse
from nas.arguments import checked
from nas.champions.names import is_champion

SEED = parse(
    "RB/c16-pw16-c32-c32s2"
    "/dw64-pw32-c64g16-pw48-c64s2g16"
    "/pw32-dw64-pw128g16-pw64-c96g32-pw64-c64s2d2p3"
    "/c96g32:BR-pw64:BR-dw:N-pw32:BR-c48p0g8-pw10/gap"
)
"""The network that the assignment's author made by hand: 94,116 parameters, 84.03 % after 250 epochs."""

TINIEST = parse(
    "/".join(
        [
            "bL",
            "-".join(["c48", *["%mx1_3_7_7d3a3.gl48:bT.pw48:b"] * 3, "c80k4s2p1g16"]),
            "-".join(["%mx1_3_7_7d3a3.gl80:bT.pw80:b"] * 3),
            "fc",
        ]
    )
)
"""xvel/cifar10-tiniest: 97,530 parameters, 94.4 % after 200 epochs (mean of five runs, its README)."""

MOBILENET = parse(
    "BR/c16-+pw64.dw.pw16:B-pw64-dws2-pw24:B/+pw96.dw.pw24:B-pw96-dws2-pw40:B"
    "/+pw160.dw.pw40:B-pw160-dws2-pw64:B/+pw256.dw.pw64:B-+pw256.dwd2.pw64:B-pw128/fc"
)
"""Inverted residuals with linear bottlenecks, after Sandler et al., MobileNetV2 (2018), in four stages for 32x32."""

NAMED: Mapping[str, Architecture] = {"seed": SEED, "tiniest": TINIEST, "mobilenet": MOBILENET}


@checked
def architecture(text: str) -> Architecture:
    """The network with a name (in ``NAMED``, or a champion's) or a text form.

    ArchitectureError says what else may be written, UnusableInputError which champions there are.
    """
    text = text.strip()
    if text in NAMED:
        return NAMED[text]
    if is_champion(text):
        from nas.champions.registry import find

        return parse(find(text).architecture)
    if "/" not in text:
        raise ArchitectureError(
            f"no such architecture: {text!r}: give {', '.join(NAMED)} or a text like BR/c16-c16s2/c32-c32s2/c64/fc"
        )
    return parse(text)


def is_network(text: str) -> bool:
    """Whether a text means a network, by its name or its text form, rather than a trial by its number."""
    return is_name(text) or "/" in text


def is_name(text: str) -> bool:
    """Whether a text is the name of a known network or of a champion."""
    return text.strip() in NAMED or is_champion(text)
