"""The targets of ``validate``: files, notebooks, modules, and networks by text or name, or files that list these."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path

from constraints.cli.target import SUFFIXES, split
from constraints.errors import UnusableInputError
from constraints.sandbox.request import Target
from nas.champions.names import is_champion, module_of


def as_targets(texts: Sequence[str]) -> list[str | Target]:
    """The targets, where a network's text or name becomes a module target; UnusableInputError for an unknown one.

    A ``.txt`` file has one network or target per line.
    """
    from nas.architecture.text_files import lines

    found: list[str | Target] = []
    for text, place in lines(texts):
        try:
            found.append(_target(text))
        except UnusableInputError as error:
            raise UnusableInputError(f"{place}{error}") from error
    return found


def _target(text: str) -> str | Target:
    if is_champion(text):
        from nas.champions.registry import find

        return module_of(find(text).name)
    return _written(text) if _means_network(text) else text


def _means_network(text: str) -> bool:
    """Whether a text names a network rather than a file, folder or pattern; a name does, whatever is there."""
    from nas.architecture.named import is_name, is_network
    from nas.architecture.spec import is_like_text

    if is_name(text):
        return True
    place, _ = split(text)
    if place.endswith((*SUFFIXES, "/")) or "\\" in place or Path(place).exists():
        return False
    if has_magic(place):
        return is_like_text(text) and not glob(place, recursive=True)  # noqa: PTH207 (absolute patterns too)
    return is_network(text)


def _written(text: str) -> Target:
    """The module target of a network, with the network's own input shape."""
    from nas.architecture.named import architecture
    from nas.architecture.spec import ArchitectureError
    from nas.architecture.written_names import name_of

    try:
        network = architecture(text)
    except ArchitectureError as error:
        raise UnusableInputError(f"neither a file nor a network: {text!r}: {error}") from error
    shape = ",".join(map(str, network.input))
    return Target(text=text, file=None, module="nas.architecture.written", name=name_of(str(network)), input=shape)
