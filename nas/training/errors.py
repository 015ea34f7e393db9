"""Errors of trainings, for those too who do not train and load no torch."""

from __future__ import annotations

from constraints.errors import UnusableInputError


class OtherTrainingError(UnusableInputError):
    """A checkpoint of another training than the one that is to be resumed."""
