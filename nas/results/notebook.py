"""A notebook output that is updated in place, as ``rich.live.Live`` on a terminal; without ipywidgets."""

from __future__ import annotations

import io
from typing import Any

from rich.console import RenderableType

from constraints.output.console import SafeConsole

WIDTH = 110
_FRAME = "<pre style=\"font-family:Menlo,'DejaVu Sans Mono',consolas,monospace;line-height:1.2\">{code}</pre>"


class NotebookDisplay:
    """Shows one renderable at a time in the output of the running cell."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._handle: Any = None

    def start(self) -> None:
        """Create an empty output below what the cell has shown so far."""
        from IPython import display

        show: Any = display.display
        self._handle = show({"text/html": ""}, raw=True, display_id=True)

    def update(self, renderable: RenderableType, *, refresh: bool = True) -> None:
        """Replace the content."""
        self._replace(as_html(renderable))

    def stop(self) -> None:
        """Clear the content."""
        self._replace("")

    def _replace(self, html: str) -> None:
        self._handle.update({"text/html": html}, raw=True)


def as_html(renderable: RenderableType) -> str:
    """The output of rich on a terminal of WIDTH columns as HTML, with colours; every text is escaped."""
    console = SafeConsole(file=io.StringIO(), record=True, width=WIDTH, force_terminal=True)
    console.print(renderable)
    return console.export_html(inline_styles=True, code_format=_FRAME)
