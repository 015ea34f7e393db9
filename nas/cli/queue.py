"""The command ``enqueue``."""

from __future__ import annotations

from collections.abc import Sequence

from constraints.cli.options import check_format
from constraints.errors import ExitCode
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from nas.cli.common import TABLE_OR_JSON, interruptible
from nas.cli.introducing import print_line
from nas.search.enqueueing import Enqueued
from nas.search.enqueueing import enqueue as add


@interruptible("either all of the networks wait, or none")
def enqueue(networks: Sequence[str], name: str | None, storage: str, output_format: str) -> int:
    """Add networks to a study's queue, and print what will happen to them."""
    check_format(output_format, TABLE_OR_JSON)
    with working("reading the study and judging the networks"):
        queue = add(networks, study=name, storage=storage)
    if output_format == "json":
        print(json_text(queue.as_dict()))
        return ExitCode.DONE
    console = SafeConsole()
    for one in queue.networks:
        print_line(f"{one.architecture}: {_words(one)}", console)
    if queue.waiting:
        left = "1 network waits" if queue.waiting == 1 else f"{queue.waiting} networks wait"
        print_line(
            f"{left} in study {queue.study}: a launch that runs tries them when a worker is free "
            "and its --trials allow, else the next launch does",
            console,
        )
    return ExitCode.DONE


def _words(one: Enqueued) -> str:
    if one.state == "tried":
        return f"trial {one.trial} has it already"
    return "it waits already" if one.state == "waited" else "enqueued"
