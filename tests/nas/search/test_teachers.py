"""Teachers that a user names: trials and exports, and what is refused."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import create_trial
from safetensors.torch import save

from constraints.errors import UnusableInputError
from nas.architecture.formats import ExportedNetwork, save_program
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.results import selection
from nas.search import confirmation, teachers
from nas.search.confirmation import Confirmation
from nas.search.study import CURVE, IDENTITY, TARGET
from nas.search.trained_weights import Weights
from nas.search.training_way import Training
from nas.space.analytic import board_metrics
from nas.space.attributes import ARCHITECTURE, BROKEN, FINISHED, GIVEN
from nas.training import datasets, recipes
from nas.training.decoded import Dataset
from nas.training.teacher import Member, Teacher

TEXT = "BR/c4-c4s2/c4s2/fc"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return datasets.load("digits", cache=tmp_path_factory.mktemp("cache"))


def state(text: str = TEXT) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    found: dict[str, torch.Tensor] = build(parse(text)).state_dict()
    return found


def about(dataset: Dataset, **changes: str) -> dict[str, str]:
    data = {"hash": dataset.content_hash, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}
    known = {"architecture": TEXT, "training": json.dumps({"images": "the training part"}), "data": json.dumps(data)}
    return known | changes


def export(place: Path, metadata: dict[str, str]) -> Path:
    place.write_bytes(save(state(), metadata))
    return place


def read(place: Path, dataset: Dataset) -> Teacher:
    found = teachers.read([str(place)], storage="none", study="none", dataset=dataset)
    assert found is not None
    return found


def test_an_export_teaches_as_weights_as_source_and_as_a_program(digits: Dataset, tmp_path: Path) -> None:
    first = read(export(tmp_path / "net.safetensors", about(digits)), digits)
    assert first.members[0].mean == (0.5, 0.5, 0.5)
    (tmp_path / "net.py").write_text("raise SystemExit('it was run')")
    assert read(tmp_path / "net.py", digits).hash == first.hash
    model = build(parse(TEXT)).eval()
    model.load_state_dict(state())
    program = ExportedNetwork(model=model, input=(3, 32, 32), about=about(digits), source=lambda _: "")
    save_program(program, tmp_path / "net.pt2")
    assert read(tmp_path / "net.pt2", digits).hash == first.hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": "{}"}, "the network is untrained: export a trained one"),
        ({"data": '{"hash": "other", "classes": ["cat"]}'}, "it was trained on other data: give one of the same"),
        ({"architecture": "nonsense"}, "it is none of this tool's exports, or damaged"),
        ({"architecture": "BR/c8-c4s2/c4s2/fc"}, "its weights are not its network's"),
        ({"architecture": f"{TEXT}:1x8x8:10"}, "none of this tool's exports|for 1x8x8 images"),
    ],
)
def test_what_cannot_teach_is_refused(changes: dict[str, str], message: str, digits: Dataset, tmp_path: Path) -> None:
    place = export(tmp_path / "net.safetensors", about(digits, **changes))
    with pytest.raises(UnusableInputError, match=message):
        read(place, digits)


def test_a_damaged_or_missing_export_is_refused(digits: Dataset, tmp_path: Path) -> None:
    place = export(tmp_path / "net.safetensors", about(digits))
    place.write_bytes(place.read_bytes()[:-50])
    with pytest.raises(UnusableInputError, match="none of this tool's exports, or damaged"):
        read(place, digits)
    with pytest.raises(UnusableInputError, match=r"cannot read \S*gone.pt2: No such file"):
        read(tmp_path / "gone.pt2", digits)


def test_an_export_in_a_home_that_there_is_not_is_refused(digits: Dataset) -> None:
    with pytest.raises(UnusableInputError, match=r"^cannot read ~nosuchuser/net.safetensors: .*: give another --teach"):
        read(Path("~nosuchuser/net.safetensors"), digits)


METRICS = board_metrics(parse(TEXT))
CURVES = [{"val_accuracy": 0.1, "seconds": 1.0}] * 2
URL = "postgresql://me:secret@host/db"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, digits: Dataset, tmp_path: Path) -> optuna.Study:
    """A study at any place, whose trials all have the weights of TEXT."""
    study = optuna.create_study(direction="maximize")
    study.set_user_attr(IDENTITY, {"data": {"name": "digits", "hash": digits.content_hash}})
    place = tmp_path / "weights.safetensors"
    place.write_bytes(save(state()))

    def weights_of(folder: object, number: int, key: str, **known: object) -> Weights:
        study.set_user_attr("asked", number)
        return Weights(path=place, confirmed=False, test_accuracy=None)

    monkeypatch.setattr(teachers, "open_study", lambda storage, name: nullcontext(study))
    monkeypatch.setattr(teachers, "study_folder", lambda storage, opened: None)
    monkeypatch.setattr(teachers, "trained_weights", weights_of)
    return study


def add(study: optuna.Study, accuracy: float, **attributes: object) -> None:
    study.add_trial(
        create_trial(
            value=accuracy,
            intermediate_values={2: accuracy},
            user_attrs={
                ARCHITECTURE: TEXT,
                **METRICS,
                CURVE: [*CURVES[:1], {**CURVES[1], "val_accuracy": accuracy}],
                **attributes,
            },
        )
    )


def confirmed(trial: int, accuracy: float) -> Confirmation:
    return Confirmation(trial=trial, architecture=TEXT, epochs=12, seeds=(0,), accuracies=(accuracy,), seconds=1.0)


def test_the_best_keeps_the_rules_and_may_have_been_finished_by_its_confirmation(
    trained: optuna.Study, digits: Dataset
) -> None:
    def best() -> int:
        teachers.read(["best"], storage="none", study="none", dataset=digits)
        return int(trained.user_attrs["asked"])

    with pytest.raises(UnusableInputError, match="--teacher best: no trial that keeps the rules is complete"):
        best()
    add(trained, 0.99, **{BROKEN: ["params < 1"]})
    add(trained, 0.98, **{GIVEN: {"memory": True}})
    with pytest.raises(UnusableInputError, match="no trial that keeps the rules is complete"):
        best()
    add(trained, 0.5)
    add(trained, 0.6)
    assert best() == 3
    add(trained, 0.3, **{FINISHED: {"epochs": 12, "threads": 1}})
    assert best() == 3
    trained.set_user_attr(TARGET, 0.85)
    confirmation.add(trained, confirmed(4, 0.84))
    assert best() == 3
    confirmation.add(trained, confirmed(4, 0.87))
    assert best() == 4 == selection.best(trained, is_live=False)[0].trial


@pytest.mark.parametrize("text", [f"{URL}#s:0", "postgresql://host/db?user=me&password=secret#s:0"])
def test_no_name_of_a_teacher_holds_a_password(
    text: str, trained: optuna.Study, digits: Dataset, tmp_path: Path
) -> None:
    add(trained, 0.5)
    teacher = teachers.read([text], storage="none", study="none", dataset=digits)
    known = teachers.taught(teacher)
    assert teacher is not None
    assert teacher.name == text.replace("secret", "***")
    teachers.kept(tmp_path, known, teacher)
    assert all(b"secret" not in file.read_bytes() for file in tmp_path.glob("*/members.json"))
    way = Training.asked(None, None, 8, teacher=known)
    assert "secret" not in json.dumps(way.as_table()) + way.description()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{URL}#s:7", r"no such trial: 'postgresql://me:\*\*\*@host/db#s:7'"),
        (f"{URL}#s:0", r"--teacher postgresql://me:\*\*\*@host/db#s:0: it was trained on other data"),
        (f"{URL}/net.safetensors", r"cannot read postgresql://me:\*\*\*@host/db/net.safetensors: "),
    ],
)
def test_no_error_quotes_a_password(text: str, message: str, trained: optuna.Study, digits: Dataset) -> None:
    add(trained, 0.5)
    trained.set_user_attr(IDENTITY, {"data": {"name": "other", "hash": "other"}})
    with pytest.raises(UnusableInputError, match=message):
        teachers.read([text], storage="none", study="none", dataset=digits)


def test_a_name_that_an_earlier_release_kept_is_shown_without_its_password() -> None:
    study = optuna.create_study()
    study.set_user_attr(IDENTITY, {"teacher": {"name": f"{URL}#s:3", "hash": "0"}})
    assert "teacher postgresql://me:***@host/db#s:3: " in Training.of(study, 8).description()


def member() -> Member:
    return Member(name="mine", architecture=TEXT, weights=save(state()), mean=(0.5,) * 3, std=(0.2,) * 3)


def test_a_study_keeps_its_teacher_and_notices_another(tmp_path: Path) -> None:
    teacher = Teacher(members=(member(), replace(member(), mean=(), std=())))
    known = teachers.taught(teacher)
    assert known is not None
    with pytest.raises(UnusableInputError, match=r"the teacher mine \+ mine of the study is missing or damaged"):
        teachers.kept(tmp_path, known)
    assert teachers.kept(tmp_path, known, teacher) == teacher
    assert teachers.kept(tmp_path, known) == teacher
    (kept,) = tmp_path.glob("teacher-*")
    (kept / "0.safetensors").write_bytes(b"nothing")
    with pytest.raises(
        UnusableInputError, match=r"damaged: \S*: copy that folder from where .* with its --teacher, wh"
    ):
        teachers.kept(tmp_path, known)
    with pytest.raises(UnusableInputError, match="missing or damaged"):
        teachers.kept(tmp_path, known, Teacher(members=(member(),)))  # another one repairs nothing
    assert teachers.kept(tmp_path, known, teacher) == teachers.kept(tmp_path, known) == teacher
    assert teachers.kept(tmp_path, None) is None


def test_a_teacher_is_half_of_the_loss_unless_the_recipe_says_how_much() -> None:
    taught = teachers.taught(Teacher(members=(member(),)))
    asked = Training.asked(None, None, 8, teacher=taught)
    assert asked.recipe.distillation == recipes.TAUGHT == 0.5
    assert asked.as_table()["teacher"] == {"name": "mine", "hash": taught.hash if taught else ""}
    assert "teacher mine: 0.5 of the loss, at temperature 4" in asked.description()
    assert asked.for_epochs(60) == replace(recipes.default(60), distillation=0.5)
    with pytest.raises(UnusableInputError, match="distillation: there is no teacher: give --teacher"):
        replace(asked, teacher=None).check_teacher()
    assert "teacher" not in Training.asked(None, None, 8).as_table()


def test_a_study_with_a_teacher_is_resumed_by_its_recipe_alone(tmp_path: Path) -> None:
    study, path = optuna.create_study(study_name="s"), tmp_path / "mine.toml"
    kept = Training.asked("default", None, 8, teacher=teachers.taught(Teacher(members=(member(),))))
    asked = Training.asked("default", None, 8)
    kept.refuse_other(study, asked, {"recipe": "default"})
    assert list(kept.notes(8, asked)) == [
        "the study was made with another teacher than a new one would be: it keeps its own"
    ]
    path.write_text('base = "default"\ndistillation = 0.25\n')
    with pytest.raises(UnusableInputError, match=r"distillation 0\.5\), not mine \(distillation 0\.25\)"):
        kept.refuse_other(study, Training.asked(str(path), None, 8), {"recipe": str(path)})
    path.write_text('base = "default"\nbatch_size = 64\n')
    with pytest.raises(UnusableInputError, match=r"default \(batch_size 128\), not mine \(batch_size 64\)"):
        kept.refuse_other(study, Training.asked(str(path), None, 8), {"recipe": str(path)})


def test_validation_images_that_a_teacher_saw_are_reported() -> None:
    seen = Teacher(members=(replace(member(), saw_validation=True),))
    assert teachers.notes(Teacher(members=(member(),))) == teachers.notes(None) == []
    assert "its students' validation accuracy may be too high" in teachers.notes(seen)[0]


def test_a_study_that_is_not_there_is_refused_as_the_teachers(digits: Dataset, tmp_path: Path) -> None:
    journal = tmp_path / "none.log"
    with pytest.raises(UnusableInputError, match=r"^--teacher 3: no storage at .*none\.log: nothing was launched here"):
        teachers.read(["3"], storage=str(journal), study="search", dataset=digits)
    assert not journal.exists()
