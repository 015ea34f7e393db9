"""What is raised for a network that there is none of."""

from __future__ import annotations

from constraints.errors import UnusableInputError


class ArchitectureError(UnusableInputError):
    """The value or text describes no network: it names the part, the value and the remedy."""
