"""The exceptions of the checker; each message is one line: what is wrong, the value, what to do."""


class ConstraintError(Exception):
    """Base of everything that this package raises on purpose."""


class UnusableInputError(ConstraintError):
    """The caller's input cannot be used: a missing file, an unknown metric, a misspelt option (exit code 2)."""


class ModelFailedError(ConstraintError):
    """The user's model code itself raised, hung, or outgrew its limits (exit code 3)."""
