"""The exceptions of the checker; each message is one line: what is wrong, the value, what to do."""

from __future__ import annotations


class ConstraintError(Exception):
    """Base of everything that this package raises on purpose."""

    exit_code = 2

    def __init__(self, message: str, *, traceback: str = "") -> None:
        """Keep the message on one line."""
        super().__init__(" ".join(message.split()))
        self.traceback = traceback
        """Where it happened in the user's code, for ``--debug``; empty where there is nothing to add."""


class UnusableInputError(ConstraintError):
    """The caller's input cannot be used: a missing file, an unknown metric, a misspelt option (exit 2)."""


class ModelFailedError(ConstraintError):
    """The user's model code itself raised, hung, or outgrew its limits (exit code 3)."""

    exit_code = 3
