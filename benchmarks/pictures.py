"""Makes the pictures of the documentation: the live view, the report, and the receptive fields of a network.

``python -m benchmarks.pictures`` searches the handwritten digits for some minutes in a terminal of its own (tmux), and
draws what a person sees of that: ``live.svg`` while it trains, ``report.png`` and ``fields.png`` of its page in a
headless Chromium. ``--storage FILE`` draws the two of a study that there is already. Each is below 200 kB.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from rich.text import Text

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLUMNS, LINES = 100, 30
MOST_BYTES = 200_000
SEARCH = ("launch", "--data", "digits")
_SESSION = "nas-pictures"
_LIVE = "Ctrl-C ends the search"
"""A text that only the live view contains."""
_IDLE = "idle "
"""A text that it contains only while some worker trains nothing, which is not the usual picture."""
_MOST_SECONDS = 3600
_FONT = re.compile(r"@font-face \{[^}]*\}\s*")
"""The fonts that the reader's browser would load from another server."""


def searched(folder: Path, picture: Path) -> Path:
    """Run a search in a terminal, and draw ``picture`` of its live view; returns the journal."""
    storage = folder / "journal.log"
    command = shlex.join([sys.executable, str(ROOT / "search.py"), *SEARCH, "--storage", str(storage)])
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    subprocess.run(["tmux", "new-session", "-d", "-s", _SESSION, *size, f"{command}; sleep 60"], check=True)
    try:
        picture.write_text(terminal_picture(_fullest()), encoding="utf-8")
    finally:
        subprocess.run(["tmux", "kill-session", "-t", _SESSION], check=False)
    return storage


def _screen(*, with_history: bool = False) -> str:
    """The terminal's content with colours, including the lines scrolled off at the top if ``with_history``."""
    command = ["tmux", "capture-pane", "-p", "-e", "-t", _SESSION, *(["-S", "-"] if with_history else [])]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _fullest() -> str:
    """The live view with the most lines while all workers train, until the search has ended; the last of several."""
    end, fullest = time.monotonic() + _MOST_SECONDS, ""
    while "search ended" not in _screen(with_history=True):
        screen = _screen()
        if time.monotonic() > end:
            raise TimeoutError(f"the search has not ended within {_MOST_SECONDS} s")
        if _LIVE in screen and _IDLE not in screen and _lines(screen) >= _lines(fullest):
            fullest = screen
        time.sleep(2)
    return fullest


def _lines(screen: str) -> int:
    return sum(bool(line.strip()) for line in screen.splitlines())


def terminal_picture(screen: str) -> str:
    """A terminal's lines with their colours as SVG, which loads nothing from other servers."""
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.rstrip()))
    return _FONT.sub("", console.export_svg(title="search.py launch", theme=DEFAULT_TERMINAL_THEME))


def page_pictures(place: Path, folder: Path) -> None:
    """``report.png``, the top of a page, and ``fields.png``, the receptive fields of its best network."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found)
        page = browser.new_page(viewport={"width": 1120, "height": 900}, color_scheme="light")
        page.goto(place.as_uri())
        page.wait_for_selector("body[data-ready]", timeout=_MOST_SECONDS * 1000)
        page.screenshot(path=folder / "report.png")
        _shrunk(folder / "report.png")
        _fields(page, folder / "fields.png")
        browser.close()


def _fields(page: Page, place: Path) -> None:
    page.locator(".views figure").first.screenshot(path=place)
    _shrunk(place)


def _shrunk(place: Path) -> None:
    """Reduce the picture to 128 colours, which flat pictures do not exceed."""
    from PIL import Image

    Image.open(place).convert("RGB").quantize(128).save(place, optimize=True)


def main(folder: Path, storage: Path | None) -> int:
    """Make the pictures; returns 1 if one is too large."""
    from nas.results.report.page import write_page
    from nas.search.study_opening import open_study, quiet

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, quiet():
        page = Path(temporary) / "report.html"
        with open_study(storage or searched(Path(temporary), folder / "live.svg")) as study:
            write_page(study, page, is_live=False)
        page_pictures(page, folder)
    sizes = {place.name: place.stat().st_size for place in sorted(folder.iterdir())}
    print("\n".join(f"{name}: {size / 1000:.0f} kB" for name, size in sizes.items()))
    return int(max(sizes.values()) >= MOST_BYTES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="make the pictures of the documentation")
    parser.add_argument("--to", type=Path, default=FOLDER, help="their folder")
    parser.add_argument("--storage", type=Path, help="the journal of a study; without it one is made")
    given = parser.parse_args()
    sys.exit(main(given.to, given.storage))
