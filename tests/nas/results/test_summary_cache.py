import json
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from constraints.errors import UnusableInputError
from nas.results.board import leaderboard
from nas.results.summary_cache import read_summary
from nas.search.storage import open_storage
from nas.search.study import CONFIRMED, CURVE, REJECTED, TARGET
from nas.search.study_opening import NewestStudyWarning, load
from tests.nas.results.known import add, known_study

STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def same(place: str, name: str | None = None) -> None:
    """What the summary shows is what Optuna reads."""
    whole = load(open_storage(place), name)
    for pareto in (False, True):
        expected = leaderboard(whole, top=None, pareto=pareto).as_dict()
        assert leaderboard(read_summary(place, name), top=None, pareto=pareto).as_dict() == expected


def kept(journal: Path) -> Path:
    return Path(f"{journal}.digest.json")


def test_a_summary_shows_what_the_study_holds(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    same(str(journal))
    assert kept(journal).exists()
    same(str(journal))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["ask", "report", "end", "study", "read", "add"]), max_size=40), st.randoms())
def test_a_summary_read_at_any_moment_continues_from_there(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[str],
    random: "st.randoms.Random",  # type: ignore[name-defined]
) -> None:
    journal = tmp_path_factory.mktemp("drawn") / "journal.log"
    study = optuna.create_study(storage=open_storage(str(journal), write=True), study_name="s", direction="maximize")
    running: list[optuna.Trial] = []
    for step in steps:
        if step == "ask":
            running.append(study.ask())
        elif step == "add":
            add(study, [0.1, random.random()], params=random.randrange(9), state=random.choice(STATES))
        elif step == "study":
            study.set_user_attr(random.choice([TARGET, REJECTED, f"{CONFIRMED}0"]), {"mean": random.random()})
            study.set_user_attr(TARGET, random.random())
            study.set_user_attr(REJECTED, {})
        elif step == "read":
            same(str(journal))
        elif running and step == "report":
            trial, epoch = random.choice(running), random.randrange(1, 9)
            names = {"architecture": "n", "params": 1, "macs": 2, "receptive_field": 3, "unknown": 4}
            for name, value in names.items():
                trial.set_user_attr(name, value)
            trial.report(random.random(), epoch)
        elif running:
            study.tell(running.pop(), state=TrialState.FAIL)
    same(str(journal))


def test_a_line_that_is_still_written_waits(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    study = known_study(journal)
    read_summary(str(journal), None)
    before = journal.read_bytes()
    add(study, [0.99], params=7)
    new = journal.read_bytes()[len(before) :]
    journal.write_bytes(before + new[: len(new) // 2])
    assert leaderboard(read_summary(str(journal), None)).rows[0].val_accuracy == 0.86
    journal.write_bytes(before + new)
    assert leaderboard(read_summary(str(journal), None)).rows[0].val_accuracy == 0.99
    same(str(journal))


def test_another_journal_of_the_same_name_is_read_anew(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    read_summary(str(journal), None)
    journal.unlink()
    study = optuna.create_study(storage=open_storage(str(journal), write=True), study_name="other")
    for _ in range(20):
        add(study, [0.2, 0.3], params=5)
    assert journal.stat().st_size > json.loads(kept(journal).read_text().partition("\n")[2])["offset"]
    same(str(journal))


def test_a_damaged_summary_shows_no_wrong_number(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    read_summary(str(journal), None)
    content = kept(journal).read_bytes()
    for place in range(len(content) - 1, 0, -53):
        kept(journal).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert leaderboard(read_summary(str(journal), None)).rows[0].val_accuracy == 0.86


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version":1}', '{"version":1,"offset":5,"tail":"","studies":3}', '{"version":0}']
)
def test_a_summary_that_makes_no_sense_is_made_anew(tmp_path: Path, content: str) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    kept(journal).write_text(content)
    same(str(journal))
    assert json.loads(kept(journal).read_text().partition("\n")[2])["offset"] == journal.stat().st_size


def test_several_studies_are_distinguished_and_a_deleted_one_is_gone(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    storage = open_storage(str(journal), write=True)
    second = optuna.create_study(storage=storage, study_name="second")
    add(second, [0.3], params=1)
    with pytest.warns(NewestStudyWarning, match="2 studies in this storage, the newest is taken: second"):
        assert read_summary(str(journal), None).study_name == "second"
    same(str(journal), "second")
    optuna.delete_study(storage=storage, study_name="second")
    same(str(journal))
    with pytest.raises(UnusableInputError, match="no such study: 'second'"):
        read_summary(str(journal), "second")


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    with journal.open("a") as file:
        file.write("{broken\n")
    same(str(journal))  # the last line may be one that a killed process left
    with journal.open("a") as file:
        file.write('{"op_code":0,"worker_id":"w","study_name":"t","directions":[2]}\n')
    with pytest.raises(UnusableInputError, match=r"line \d+ is damaged"):
        read_summary(str(journal), None)


def test_an_operation_of_another_release_is_refused_as_by_a_launch(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    with journal.open("a") as file:
        file.write('{"op_code":99,"worker_id":"w","trial_id":0}\n')
    messages = []
    for read in (lambda: read_summary(str(journal), None), lambda: open_storage(str(journal), write=True)):
        with pytest.raises(UnusableInputError, match=r"cannot read the storage .*: restore it") as caught:
            read()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_no_journal_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=r"no storage at .*: nothing was launched here"):
        read_summary(str(tmp_path / "none.log"), None)


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    kept(journal).mkdir()  # where the summary would be
    same(str(journal))


def test_a_database_is_read_on_from_its_last_trial(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="s", direction="maximize")
    add(study, [0.5, 0.6], params=3)
    add(study, [0.7], params=4, state=TrialState.RUNNING)
    same(url)
    add(study, [0.9], params=5)
    study.tell(1, 0.8)
    same(url)


def test_a_database_made_anew_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    for accuracies in ([0.5, 0.6], [0.7]):
        study = optuna.create_study(storage=f"sqlite:///{file}", study_name="s", direction="maximize")
        add(study, accuracies, params=len(accuracies), network=f"n{accuracies}")
        same(f"sqlite:///{file}")
        file.unlink()


def test_a_study_of_others_beside_it_does_not_keep_a_study_from_being_read(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    known_study(journal)
    theirs = optuna.create_study(storage=open_storage(str(journal), write=True), study_name="theirs")
    for curve in (3, [3], [{"val_accuracy": 0.5}], None):
        theirs.add_trial(create_trial(state=TrialState.COMPLETE, value=1.0, user_attrs={CURVE: curve}))
    for _ in range(2):  # the second time from the summary
        assert leaderboard(read_summary(str(journal), "known")).rows[0].val_accuracy == 0.86
        with pytest.raises(UnusableInputError, match=r"^study 'theirs' was not made by this tool"):
            leaderboard(read_summary(str(journal), "theirs"))


@pytest.mark.parametrize("content", [b"hello\n", b"\0\xff\n", b"[]\n[]\n"])
def test_a_file_that_is_no_journal_is_named(tmp_path: Path, content: bytes) -> None:
    journal = tmp_path / "notes.txt"
    journal.write_bytes(content)
    with pytest.raises(UnusableInputError, match=r"^cannot read the storage .*notes.txt: it is not a journal"):
        read_summary(str(journal), None)
