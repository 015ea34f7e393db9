"""Errors of trainings, apart, so that code which does not train can catch them without torch."""

from __future__ import annotations

from constraints.errors import UnusableInputError


class SharedFaultError(UnusableInputError):
    """What a training met and every other training of the launch meets too: no fault of its network."""


class OtherTrainingError(SharedFaultError):
    """A checkpoint that the training cannot be resumed from: of another one, or one that cannot be read."""


class AugmentationFailedError(SharedFaultError):
    """The augmentation raised at an image, or made something of it that cannot be trained on."""
