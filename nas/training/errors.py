"""Errors of trainings, in a module without torch for code that only catches them."""

from __future__ import annotations

from constraints.errors import UnusableInputError


class SharedFaultError(UnusableInputError):
    """An error that every training of the launch would meet: not the network's fault."""


class OtherTrainingError(SharedFaultError):
    """The training cannot resume from the checkpoint: it is of another training, or cannot be read."""


class AugmentationFailedError(SharedFaultError):
    """The augmentation raised on an image, or returned something that cannot be trained on."""
