"""A place in a notebook whose content is replaced, as ``rich.live.Live`` does on a terminal; without ipywidgets."""

from __future__ import annotations

import io
from typing import Any

from rich.console import RenderableType

from constraints.output.console import SafeConsole

WIDTH = 110
_FRAME = "<pre style=\"font-family:Menlo,'DejaVu Sans Mono',consolas,monospace;line-height:1.2\">{code}</pre>"


class NotebookDisplay:
    """Shows one thing at a time in the output of the running cell."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._handle: Any = None

    def start(self) -> None:
        """Take the place below what the cell has shown so far."""
        from IPython import display

        show: Any = display.display
        self._handle = show({"text/html": ""}, raw=True, display_id=True)

    def update(self, renderable: RenderableType, *, refresh: bool = True) -> None:
        """Show this instead of what was shown before."""
        self._replace(as_html(renderable))

    def stop(self) -> None:
        """Leave the place empty."""
        self._replace("")

    def _replace(self, html: str) -> None:
        self._handle.update({"text/html": html}, raw=True)


def as_html(renderable: RenderableType) -> str:
    """What rich would show on a terminal of WIDTH columns, with its colours; every text is escaped."""
    console = SafeConsole(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(renderable)
    return console.export_html(inline_styles=True, code_format=_FRAME)
