"""The error for an invalid architecture."""

from __future__ import annotations

from constraints.errors import UnusableInputError


class ArchitectureError(UnusableInputError):
    """A value or text that describes no network; the message names the part, the value and the remedy."""
