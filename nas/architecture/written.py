"""Networks as module attributes named after their texts: the targets of ``validate`` for texts."""

from __future__ import annotations

from nas.architecture.model import Network, build
from nas.architecture.spec import ArchitectureError, parse
from nas.architecture.written_names import text_of


def __getattr__(name: str) -> Network:
    """The network whose text the name encodes, in eval mode."""
    try:
        network = parse(text_of(name))
    except (ValueError, ArchitectureError) as error:  # whatever looks for attributes takes no other
        raise AttributeError(f"not the name of a network: {name}") from error
    return build(network).eval()
