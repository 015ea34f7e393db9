"""The exceptions of the checker; each message is one line: what is wrong, the value, what to do."""

from __future__ import annotations

import re
from enum import IntEnum

LONGEST_REASON = 300
"""Characters of another error's message that one of ours has in it."""


def shortened(text: str, most: int) -> str:
    """A text on one line, cut between words where it has more than ``most`` characters; then it ends in ``…``."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    words = line[: most - 1].rpartition(" ")[0]
    return f"{words} …" if words else f"{line[: most - 1]}…"


_OF_PYDANTIC = re.compile(r"\d+ validation errors? for (\S+)\n(\S+)\n +(.+?)(?: \[type=.*)?(?:\n|\Z)")
"""What is validated, its field, and what is wrong with it."""


def first_line(error: BaseException, most: int = LONGEST_REASON) -> str:
    """The first line of an error's message, in at most ``most`` characters; empty where it has no message.

    Of an error of pydantic, whose first line only counts faults, the first fault.
    """
    text = str(error).strip()
    fault = _OF_PYDANTIC.match(text)
    return shortened("{}: {}: {}".format(*fault.groups()) if fault else text.partition("\n")[0], most)


def with_type(error: BaseException, most: int = LONGEST_REASON) -> str:
    """The type of an error of other code, and the first line of its message, if it has one."""
    return ": ".join(filter(None, (type(error).__name__, first_line(error, most))))


class ExitCode(IntEnum):
    """Exit codes of the commands."""

    DONE = 0
    """Everything holds."""
    FAILED = 1
    """Done, and a constraint fails or the target was not reached."""
    UNUSABLE = 2
    """The input cannot be used."""
    MODEL_FAILED = 3
    """The user's model code itself raised, hung, or outgrew its limits."""
    TOOL_FAILED = 4
    """A fault of this tool itself."""
    INTERRUPTED = 130
    """Interrupted by Ctrl-C or a termination signal; everything finished so far is kept."""
    UNREAD = 141
    """The reader of the output has ended, as ``head`` does; the code that shells show for a broken pipe."""


class ConstraintError(Exception):
    """Base of everything that this package raises on purpose."""

    exit_code = ExitCode.UNUSABLE

    def __init__(self, message: str, *, traceback: str = "") -> None:
        """Keep the message on one line."""
        super().__init__(" ".join(message.split()))
        self.traceback = traceback
        """The traceback in the user's code, for ``--debug``; may be empty."""


class UnusableInputError(ConstraintError):
    """The caller's input cannot be used: a missing file, an unknown metric, a misspelt option (exit 2)."""


class MissingChoiceError(UnusableInputError):
    """The command leaves open which model to check or which arguments to give it; its message says all there is to."""


class NoModelError(UnusableInputError):
    """A file defines no model; if a folder was named, such files are skipped."""


class ModelFailedError(ConstraintError):
    """The user's model code itself raised, hung, or outgrew its limits (exit code 3)."""

    exit_code = ExitCode.MODEL_FAILED


class KilledError(ModelFailedError):
    """The process that ran the user's code was killed from outside, perhaps by the kernel's out-of-memory killer."""


class ToolFailedError(ConstraintError):
    """A fault of this tool itself: an exception that its own code raised (exit code 4)."""

    exit_code = ExitCode.TOOL_FAILED
