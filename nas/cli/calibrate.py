"""The command ``calibrate``: measure this machine's latency of layers, and store a predictor for networks."""

from __future__ import annotations

from typing import Any

from rich.progress import Progress

from constraints.cli.options import check_format
from constraints.errors import ExitCode
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from constraints.output.json_documents import json_text
from nas.cli.common import TABLE_OR_JSON, interruptible
from nas.cli.introducing import print_line
from nas.latency.predictor import Predictor, check_room, keep, set_aside

ROUGH = 0.5
"""A warning says so where a tenth of the networks is predicted with a larger relative error."""


@interruptible("the calibration before, if any, is kept")
def calibrate(threads: int, output_format: str) -> int:
    """Fit the predictor of latency to this machine, store it, and print its error on whole networks."""
    check_format(output_format, TABLE_OR_JSON)
    check_room()
    with working("loading torch"):
        from nas.latency import calibration
    console = SafeConsole(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("timing layers and networks", total=None)
        found = calibration.calibrate(
            threads=threads, progress=lambda done, total: bars.update(task, completed=done, total=total)
        )
    before = set_aside(found)
    place = keep(found)
    if before is not None:
        print_line(
            f"note: the calibration before is now {before}: a study that was made with it is continued after that file "
            f"is renamed to {place.name} again",
            console,
        )
    if found.error_90 > ROUGH:
        print_line(
            f"warning: a tenth of the networks is predicted {found.error_90:.0%} off or more: other programs may have "
            "used the processor: calibrate again while none runs",
            console,
        )
    if output_format == "json":
        print(json_text(_document(found)))
    else:
        print_line(_sentence(found), SafeConsole())
        console.print(f"kept in {place}", highlight=False, soft_wrap=True)
    return ExitCode.DONE


def _document(found: Predictor) -> dict[str, Any]:
    return {**found.as_dict(), "fingerprint": found.fingerprint}


def _sentence(found: Predictor) -> str:
    threads = f"{found.threads} thread{'s' * (found.threads != 1)}"
    return (
        f"latency_ms on {found.machine}, {threads}, one image, float32: of {found.networks} networks that it was not "
        f"fitted on, half are predicted within {found.median_error:.1%} and nine of ten within {found.error_90:.1%}"
    )
