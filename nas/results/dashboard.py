"""Serves Optuna's own dashboard on a study, with the code and the card of its best networks attached."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact

from constraints.errors import UnusableInputError
from constraints.output.console import SafeConsole
from nas.optuna_private import storage_of
from nas.results.card_table import print_card
from nas.results.rows import Row
from nas.results.trial_card import Card, card

HOST = "127.0.0.1"
_CARD_COLUMNS = 110
_WEB_FONT = re.compile(r"@font-face\s*\{.*?\}", re.S)


def check_dashboard() -> None:
    """Raise UnusableInputError where optuna-dashboard is not installed."""
    if find_spec("optuna_dashboard") is None:
        raise UnusableInputError(
            "optuna-dashboard is not installed: it is an extra: uv run --extra dashboard search.py dashboard, "
            "or pip install optuna-dashboard"
        )


def attach(study: optuna.Study, rows: Sequence[Row], folder: Path) -> FileSystemArtifactStore:
    """Store code and card of each row as artefacts of the study if missing; return the artefact store."""
    folder.mkdir(parents=True, exist_ok=True)
    store = FileSystemArtifactStore(str(folder))
    known = {meta.filename for meta in get_all_artifact_meta(study)}
    with tempfile.TemporaryDirectory() as drafts:
        for row in rows:
            if {_code_name(row), _card_name(row)} <= known:
                continue
            for path in _files(card(study, row), Path(drafts)):
                if path.name not in known:
                    upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=study)
    return store


def serve(study: optuna.Study, store: FileSystemArtifactStore, port: int) -> NoReturn:
    """Serve on loopback until KeyboardInterrupt, which is raised again; UnusableInputError if the port is in use."""
    from optuna_dashboard import run_server

    try:
        run_server(storage_of(study), host=HOST, port=port, artifact_store=store)
    except OSError as error:
        raise UnusableInputError(f"cannot listen on {HOST}:{port}: {error.strerror}: give another --port") from None
    raise KeyboardInterrupt  # the server ends only by it, but does not raise it again


def _files(found: Card, folder: Path) -> Iterator[Path]:
    from nas.architecture.codegen import source
    from nas.architecture.spec import parse

    code, drawn = folder / _code_name(found.row), folder / _card_name(found.row)
    if found.row.architecture:
        code.write_text(source(parse(found.row.architecture), about=f"{found.row.architecture}\n"), encoding="utf-8")
    console = SafeConsole(file=io.StringIO(), record=True, width=_CARD_COLUMNS)
    print_card(found, console)
    picture = console.export_svg(title=f"trial {found.row.trial}")
    drawn.write_text(_WEB_FONT.sub("", picture), encoding="utf-8")  # which would be fetched from elsewhere
    if found.row.architecture:
        yield code
    yield drawn


def _code_name(row: Row) -> str:
    return f"trial-{row.trial}-epoch-{row.epochs}.py"


def _card_name(row: Row) -> str:
    return f"trial-{row.trial}-epoch-{row.epochs}.svg"
