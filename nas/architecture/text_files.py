"""Files of networks, one per line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from constraints.errors import UnusableInputError

SUFFIX = ".txt"


def lines(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The texts, with each file replaced by its lines; each with its file and line, which is empty for a text itself.

    What is behind a ``#`` is left out. Raises UnusableInputError for a file that cannot be read, has no network, or
    names another such file.
    """
    for text in texts:
        if not text.endswith(SUFFIX):
            yield text, ""
            continue
        try:
            rows = Path(text).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise UnusableInputError(f"cannot read the networks of {text!r}: {why}: give a text file") from None
        found = [(row, f"{text}:{i}: ") for i, raw in enumerate(rows, 1) if (row := raw.partition("#")[0].strip())]
        if not found:
            raise UnusableInputError(f"no network in {text}: write one a line")
        for row, place in found:
            if row.endswith(SUFFIX):
                raise UnusableInputError(
                    f"{place}a list within a list: {row!r}: write its lines here, or give both files"
                )
        yield from found
