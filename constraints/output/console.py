"""A console that shows control characters of names and reasons in place of passing them on to the terminal."""

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
    """What every command prints through: an escape sequence in a text is shown, and only rich's own are obeyed."""

    def __init__(self, *, file: IO[str] | None = None, force_jupyter: bool | None = None, **more: Any) -> None:
        """As rich's, but that a notebook shows nothing of what goes to a ``file``."""
        in_notebook = False if force_jupyter is None and file is not None else force_jupyter
        super().__init__(file=file, force_jupyter=in_notebook, **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Every text, in cells and panels too, comes by here."""
        if isinstance(renderable, str):
            renderable = visible(renderable)
        elif isinstance(renderable, Text) and renderable.plain != visible(renderable.plain):
            renderable = renderable.copy()
            renderable.plain = visible(renderable.plain)  # as long as before, so that its styles stay where they are
        return super().render(renderable, options)

    def on_broken_pipe(self) -> NoReturn:
        """Leave it to the command what follows where nobody reads the output any more; rich ends the program."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
