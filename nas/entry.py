"""The installed program ``nas``, which Ctrl-C ends without a traceback from the start."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the commands, which takes a part of a second, and run one."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # search.main handles it again
    from constraints.output.pipe import open_closed
    from constraints.sandbox.early import begin

    open_closed()
    begin(sys.argv[1:])
    import search

    search.main()
