"""Networks of texts as modules: an attribute here, named after the text, is the target of ``validate`` for it."""

from __future__ import annotations

from nas.architecture.model import Network, build
from nas.architecture.spec import ArchitectureError, parse
from nas.architecture.written_names import text_of


def __getattr__(name: str) -> Network:
    """The network of the text that a name holds, in eval mode."""
    try:
        network = parse(text_of(name))
    except (ValueError, ArchitectureError) as error:  # whatever looks for attributes takes no other
        raise AttributeError(f"no name of a network: {name}") from error
    return build(network).eval()
