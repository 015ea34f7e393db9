"""MLflow: one experiment per study, one run per trial."""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.store.db.db_types import DATABASE_ENGINES

from nas.loggers.tracker import TrialRun
from nas.passwords import masked

LOSS = "loss"
STORE = "sqlite:///mlflow.db"
TRIAL, STUDY, STATE, REASON = "nas.trial", "nas.study", "nas.state", "nas.reason"
_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Time limits for a server: the default is minutes, in which no candidate would get a worker."""
_CONNECT_SECONDS = 5
"""After which a database server that does not answer is given up."""
_PATIENT_DRIVERS = frozenset(["psycopg", "psycopg2", "pymysql", "mysqldb"])
"""Drivers that know the option ``connect_timeout``."""
LONGEST = 5000
"""Most characters that MLflow stores of a tag; of a parameter it stores 6,000."""


class MLflow:
    """Writes to the tracking server or database ``store``; ``mlflow ui --backend-store-uri STORE`` shows it."""

    def __init__(self, store: str) -> None:
        """``store`` may be empty, for the database ``mlflow.db`` in the working folder or ``MLFLOW_TRACKING_URI``."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._store = store or os.environ.get("MLFLOW_TRACKING_URI") or STORE
        _connect_once(self._store)
        self._client = MlflowClient(self._store)
        self._client.search_experiments(max_results=1)  # raises now where the store cannot be reached
        self._runs: dict[int, str] = {}

    @property
    def place(self) -> str:
        """The server or database, and the command that shows a database."""
        store = masked(self._store)
        ui = "" if store.startswith("http") else f": mlflow ui --backend-store-uri {shlex.quote(store)} shows it"
        return f"in {store}{ui}"

    def begin(self, run: TrialRun) -> int:
        """Open the trial's run, which is created if the study's experiment has none."""
        experiment = self._experiment(run.study)
        found = self._find(experiment, run) or self._client.create_run(
            experiment, run_name=run.name, tags={TRIAL: str(run.number), STUDY: run.identity[:LONGEST]}
        )
        self._runs[run.number] = found.info.run_id
        self._client.update_run(found.info.run_id, status="RUNNING")
        self._client.log_batch(
            found.info.run_id,
            params=[Param(name, str(value)[:LONGEST]) for name, value in run.parameters.items()],
            metrics=_metrics({f"network/{name}": value for name, value in run.metrics.items()}, 0),
        )
        return max((point.step for point in self._client.get_metric_history(found.info.run_id, LOSS)), default=0)

    def epoch(self, number: int, step: int, values: Mapping[str, float]) -> None:
        """Log each value as a metric."""
        self._client.log_batch(self._runs[number], metrics=_metrics(values, step))

    def end(self, number: int, state: str, reason: str) -> None:
        """Set the run's status to finished, killed or failed, and state and reason as tags."""
        self._client.set_tag(self._runs[number], STATE, state)
        if reason:
            self._client.set_tag(self._runs[number], REASON, reason[:LONGEST])
        self._client.set_terminated(self._runs[number], _STATUS[state])

    def close(self) -> None:
        """Do nothing: everything is written already."""

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _find(self, experiment: str, run: TrialRun) -> Run | None:
        filter_ = f"tags.`{TRIAL}` = '{run.number}'"
        runs = self._client.search_runs([experiment], filter_)
        return next((one for one in runs if one.data.tags.get(STUDY) == run.identity[:LONGEST]), None)


def _connect_once(store: str) -> None:
    """Raise the driver's error for a database that cannot be used: MLflow itself would retry for over 100 seconds."""
    if store.partition(":")[0].partition("+")[0] not in DATABASE_ENGINES:
        return  # a web server, or a folder
    url = sqlalchemy.make_url(store)
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database and not Path(url.database).exists():
        return  # MLflow makes it, with its folder
    options = {"connect_timeout": _CONNECT_SECONDS} if url.get_driver_name() in _PATIENT_DRIVERS else {}
    engine = sqlalchemy.create_engine(url, connect_args=options)
    try:
        sqlalchemy.inspect(engine)
    finally:
        engine.dispose()


def _metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    now = round(1000 * time.time())
    return [Metric(name, value, now, step) for name, value in values.items()]
