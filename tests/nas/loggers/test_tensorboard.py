from __future__ import annotations

from pathlib import Path

from nas.loggers.tracker import TrialRun

RUN = TrialRun(
    study="nets", identity="nets 1", number=7, parameters={"architecture": "c8/fc", "seed": 3}, metrics={"params": 12.0}
)


def test_settings_metrics_curve_and_end_are_read_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    from nas.loggers.tensorboard import TensorBoard

    board = TensorBoard(str(tmp_path))
    assert board.place == f"below {tmp_path}: tensorboard --logdir {tmp_path} shows it"
    assert board.begin(RUN) == 0
    board.epoch(7, 1, {"loss": 2.0, "val_accuracy": 0.25})
    board.epoch(7, 2, {"loss": 1.0, "val_accuracy": 0.5})
    board.end(7, "pruned", "below")
    events = EventAccumulator(str(tmp_path / "nets" / "trial-00007"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("val_accuracy")] == [(1, 0.25), (2, 0.5)]
    assert [e.value for e in events.Scalars("network/params")] == [12.0]
    (state,) = events.Tensors("state")
    assert state.tensor_proto.string_val[0] == b"pruned: below"
    start = metadata.parse_session_start_info_plugin_data(
        events.PluginTagToContent("hparams")[metadata.SESSION_START_INFO_TAG]
    )
    assert start.hparams["architecture"].string_value == "c8/fc"
    assert start.hparams["seed"].number_value == 3


def test_a_run_knows_the_epochs_of_an_earlier_launch_whose_last_write_was_torn(tmp_path: Path) -> None:
    from nas.loggers.tensorboard import TensorBoard

    board = TensorBoard(str(tmp_path))
    board.begin(RUN)
    for epoch in (1, 2, 3):
        board.epoch(7, epoch, {"loss": 1 / epoch})
    board.close()
    (file,) = (tmp_path / "nets" / "trial-00007").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert TensorBoard(str(tmp_path)).begin(RUN) == 2
