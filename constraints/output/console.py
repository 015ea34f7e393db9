"""A console that makes control characters in names and reasons visible instead of sending them to the terminal."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import IO, Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from constraints.output.plain import visible


class SafeConsole(Console):
    """The console of every command: an escape sequence in a text is printed visibly; only rich's own take effect."""

    def __init__(self, *, file: IO[str] | None = None, force_jupyter: bool | None = None, **more: Any) -> None:
        """As rich's, except that a notebook does not show what is written to a ``file``."""
        in_notebook = False if force_jupyter is None and file is not None else force_jupyter
        super().__init__(file=file, force_jupyter=in_notebook, **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All texts, also in cells and panels, pass through here."""
        if isinstance(renderable, str):
            renderable = visible(renderable)
        elif isinstance(renderable, Text) and renderable.plain != visible(renderable.plain):
            renderable = renderable.copy()
            renderable.plain = visible(renderable.plain)  # of the same length, so that styles keep their places
        return super().render(renderable, options)

    def on_broken_pipe(self) -> NoReturn:
        """Raise, so that the command handles an output without a reader; rich would end the program."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
