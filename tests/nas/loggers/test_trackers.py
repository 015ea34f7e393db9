from __future__ import annotations

from collections.abc import Mapping

import pytest

from nas.loggers import trackers as module
from nas.loggers.tracker import TrialRun
from nas.loggers.trackers import Trackers

RUN = TrialRun(study="nets", identity="nets", number=4, parameters={}, metrics={})
CURVE = [{"epoch": n, "loss": float(n), "val_accuracy": None, "precision": "float32"} for n in (1, 2, 3)]


WHERE = ["epochs are logged to mlflow here", "epochs are logged to tensorboard here"]


class Recorder:
    """Writes down what it is called with; its runs hold ``known`` epochs, and its ``broken``-th epoch fails."""

    place = "here"

    def __init__(self, known: int = 0, broken: int = 0) -> None:
        self.known, self.broken, self.calls = known, broken, list[object]()

    def begin(self, run: TrialRun) -> int:
        self.calls.append(("begin", run.number))
        return self.known

    def epoch(self, number: int, step: int, values: Mapping[str, float]) -> None:
        if step == self.broken:
            raise RuntimeError("the server\nis away")
        self.calls.append((number, step, dict(values)))

    def end(self, number: int, state: str, reason: str) -> None:
        self.calls.append((number, state, reason))

    def close(self) -> None:
        self.calls.append("close")


def opened(monkeypatch: pytest.MonkeyPatch, **known: Recorder) -> tuple[Trackers, list[str]]:
    monkeypatch.setattr(module, "tracker", lambda text: known[text])
    notes: list[str] = []
    return Trackers(list(known), notes), notes


def test_only_epochs_that_the_run_does_not_hold_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = Recorder(), Recorder(known=2)
    trackers, notes = opened(monkeypatch, tensorboard=new, mlflow=old)
    trackers.epochs(lambda: RUN, 4, CURVE[:2])
    trackers.epochs(lambda: RUN, 4, CURVE)
    trackers.end(lambda: RUN, 4, "pruned", "below")
    trackers.close()
    points = [(4, n, {"loss": float(n)}) for n in (1, 2, 3)]  # what is no number is left out
    assert new.calls == [("begin", 4), *points, (4, "pruned", "below"), "close"]
    assert old.calls == [("begin", 4), points[2], (4, "pruned", "below"), "close"]
    assert sorted(notes) == WHERE


def test_a_trial_that_ends_before_its_first_epoch_has_a_run_too(monkeypatch: pytest.MonkeyPatch) -> None:
    new = Recorder()
    trackers, _ = opened(monkeypatch, tensorboard=new)
    trackers.end(lambda: RUN, 4, "failed", "out of memory")
    assert new.calls == [("begin", 4), (4, "failed", "out of memory")]


def test_one_that_got_nothing_is_named_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    trackers, notes = opened(monkeypatch, tensorboard=Recorder(), mlflow=Recorder(broken=1))
    trackers.say_unused()
    assert notes[2:] == [
        "nothing was logged to tensorboard, mlflow, as this launch trained no trial of the study: trials that ended "
        "before are not logged"
    ]
    trackers.epochs(lambda: RUN, 4, CURVE)
    trackers.say_unused()
    assert notes[3:] == ["nothing more is logged to mlflow: the server"]


def test_one_that_fails_is_named_and_left_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = Recorder(broken=2), Recorder()
    trackers, notes = opened(monkeypatch, mlflow=broken, tensorboard=sound)
    trackers.epochs(lambda: RUN, 4, CURVE)
    trackers.close()
    assert notes == [*WHERE, "nothing more is logged to mlflow: the server"]
    assert broken.calls == [("begin", 4), (4, 1, {"loss": 1.0})]
    assert [call for call in sound.calls if call != "close"][-1] == (4, 3, {"loss": 3.0})
