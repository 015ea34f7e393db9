"""TensorBoard: one folder of event files per trial, written by its own package without torch or TensorFlow."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from nas.loggers.tracker import TrialRun, Value

LOSS = "loss"
FOLDER = "tensorboard"


class TensorBoard:
    """Writes below ``FOLDER/STUDY``; ``tensorboard --logdir FOLDER`` shows it."""

    def __init__(self, folder: str) -> None:
        """Create the folder; an empty ``folder`` means ``tensorboard`` in the working folder."""
        self.folder = Path(folder or FOLDER)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._writers: dict[int, EventFileWriter] = {}
        self._places: dict[int, Path] = {}

    @property
    def place(self) -> str:
        """The folder, and the command that shows it."""
        return f"below {self.folder}: tensorboard --logdir {shlex.quote(str(self.folder))} shows it"

    def begin(self, run: TrialRun) -> int:
        """Open an event file for the trial beside those of earlier launches."""
        place = self._places[run.number] = self.folder / run.study / run.name
        known = _steps(place)
        self._write(run.number, [_settings(run.parameters)])
        self._write(run.number, [Summary.Value(tag=f"network/{k}", simple_value=v) for k, v in run.metrics.items()])
        return known

    def epoch(self, number: int, step: int, values: Mapping[str, float]) -> None:
        """Log each value as a scalar."""
        self._write(number, [Summary.Value(tag=name, simple_value=value) for name, value in values.items()], step)

    def end(self, number: int, state: str, reason: str) -> None:
        """Log the state as text of the run."""
        text = _text("state", f"{state}: {reason}" if reason else state)
        self._write(number, [text])
        self._close(number)

    def close(self) -> None:
        """Close every file."""
        for number in list(self._writers):
            self._close(number)

    def _close(self, number: int) -> None:
        self._writers.pop(number).close()

    def _write(self, number: int, values: list[Summary.Value], step: int = 0) -> None:
        writer = self._writers.get(number)
        if writer is None:
            writer = self._writers[number] = EventFileWriter(str(self._places[number]))
        writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        writer.flush()


def _steps(place: Path) -> int:
    """The last epoch that earlier event files of a trial hold; 0 where there are none."""
    if not place.is_dir():
        return 0
    events = EventAccumulator(str(place), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    return max((event.step for event in events.Scalars(LOSS)), default=0) if LOSS in tags else 0


def _settings(parameters: Mapping[str, Value]) -> Summary.Value:
    """The values of a run in TensorBoard's table of hyper-parameters."""
    start = SessionStartInfo(start_time_secs=time.time())
    for name, value in parameters.items():
        if isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    content = metadata.create_summary_metadata(HParamsPluginData(session_start_info=start))
    return Summary.Value(tag=metadata.SESSION_START_INFO_TAG, metadata=content, tensor=metadata.NULL_TENSOR)


def _text(tag: str, text: str) -> Summary.Value:
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    return Summary.Value(
        tag=tag,
        metadata=create_summary_metadata(display_name=tag, description=""),
        tensor=make_tensor_proto([text], shape=(1,)),
    )
