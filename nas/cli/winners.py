"""The command ``export``, which writes a network to a file."""

from __future__ import annotations

from pathlib import Path

from constraints.errors import ExitCode
from constraints.output.busy_message import working
from constraints.output.console import SafeConsole
from nas.architecture.named import is_network
from nas.champions.names import is_champion
from nas.cli.common import interruptible
from nas.cli.introducing import print_line
from nas.results import exported_files, exports
from nas.results.export_given import GivenSubject
from nas.results.export_subject import Subject
from nas.results.selection import find
from nas.search.presence import has_launch
from nas.search.study_folder import study_folder
from nas.search.study_opening import open_study, quiet


@interruptible("a file that was not finished is not there")
def export(
    trial: str, to: Path, name: str | None, storage: str, *, data: str | None, untrained: bool, force: bool
) -> int:
    """Write a trial or, with ``untrained``, any architecture, in the format of the file's ending."""
    exported_files.check_target(to, force=force)
    with working("reading the network and its weights, which loads torch"):
        subject = _subject(trial, name, storage, data=data, untrained=untrained)
    for warning in subject.warnings:
        print_line(f"warning: {warning}", SafeConsole(stderr=True))
    with working("writing and reading back"):
        written = exported_files.write(subject, to)
    for path, content in written.items():
        print_line(f"wrote {path}: {content}", SafeConsole())
    return ExitCode.DONE


def _subject(
    trial: str, name: str | None, storage: str, *, data: str | None, untrained: bool
) -> Subject | GivenSubject:
    """What is written: a champion, an architecture, or a trial of a study."""
    if is_champion(trial):
        from nas.champions.registry import find as champion

        return exports.of_champion(champion(trial), untrained=untrained)
    if is_network(trial) and untrained:
        return exports.of_text(trial)
    with quiet(), open_study(storage, name) as study:
        folder = None if untrained else study_folder(storage, study)
        return exports.of_trial(study, find(study, trial, is_live=has_launch(storage, study)), folder, data=data)
