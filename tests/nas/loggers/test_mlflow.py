"""Where MLflow's store is, as a person reads it; tests/nas/search/test_tracked_store.py reads what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("store", "place"),
    [
        ("sqlite:///{}/m.db", "in sqlite:///{}/m.db: mlflow ui --backend-store-uri sqlite:///{}/m.db shows it"),
        ("http://me:sec/ret@host:5000/x", "in http://me:***@host:5000/x"),
    ],
)
def test_the_store_is_named_without_a_password(
    store: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient  # which loads for seconds

    from nas.loggers.mlflow import MLflow

    monkeypatch.setattr(MlflowClient, "search_experiments", lambda *_, **__: [])  # no server is asked
    assert MLflow(store.format(tmp_path)).place == place.format(tmp_path, tmp_path)
