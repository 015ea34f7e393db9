from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from safetensors.torch import save

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.config import read_config
from nas.cpu import cpu_class
from nas.search import given_launch, search_launch
from nas.search.fitting import fitted
from nas.search.study import IDENTITY, SOURCE, TARGET
from nas.search.training_way import Training
from nas.search.wanted import Wanted
from nas.training import datasets, decoded
from tests.forked_guard import fork_guards

FLAGS = {"data": "digits", "space": "tiny", "epochs": 1, "trials": 30, "device": "cpu", "workers": 1}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> decoded.Dataset:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return datasets.load("digits", cache=tmp_path_factory.mktemp("cache"))


def prepare(digits: decoded.Dataset, folder: Path, **flags: Any) -> search_launch.PreparedLaunch:
    config = read_config(None, {**FLAGS, "storage": str(folder / "journal.log"), **flags})
    return search_launch.prepare(config, digits, lambda driver: None)


def test_a_study_is_held_while_it_is_searched(digits: decoded.Dataset, tmp_path: Path) -> None:
    first = prepare(digits, tmp_path)
    with pytest.raises(UnusableInputError, match=r"study 'search' is held by another process .*: wait for it to end"):
        prepare(digits, tmp_path)
    first.lock.close()
    prepare(digits, tmp_path).lock.close()


def test_a_refused_launch_frees_the_study(digits: decoded.Dataset, tmp_path: Path) -> None:
    prepare(digits, tmp_path).lock.close()
    with pytest.raises(UnusableInputError, match="made with other epochs: 1, not 2"):
        prepare(digits, tmp_path, epochs=2)
    with pytest.raises(UnusableInputError, match="made with other space"):
        prepare(digits, tmp_path, space="wide")
    prepare(digits, tmp_path).lock.close()


def test_a_study_keeps_its_space_after_the_file_has_changed(digits: decoded.Dataset, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "tiny"\nactivations = ["relu"]\n')
    prepare(digits, tmp_path, space=str(file)).lock.close()
    file.write_text('base = "tiny"\nactivations = ["gelu"]\n')
    unasked = {name: value for name, value in FLAGS.items() if name != "space"}
    config = read_config(None, {**unasked, "storage": str(tmp_path / "journal.log")})
    for _ in range(2):
        search_launch.check(config)
        prepared = search_launch.prepare(config, digits, lambda driver: None)
        prepared.lock.close()
        assert prepared.driver.sampler.feasible.space.activations == ["relu"]
        assert "space" not in prepared.sizing
        file.unlink(missing_ok=True)
    file.write_text('base = "tiny"\nactivations = ["gelu"]\n')
    with pytest.raises(UnusableInputError, match=r"made with other space: .* leave --space out to keep its own"):
        prepare(digits, tmp_path, space=str(file))


@pytest.mark.parametrize(
    ("own", "said"), [({"name": "tiny"}, r"tiny \(deadbeef\)"), ({}, r"one without a name \(deadbeef\)")]
)
def test_a_space_that_has_changed_is_not_advised_to_be_left_out_where_it_was(
    digits: decoded.Dataset, tmp_path: Path, own: dict[str, str], said: str
) -> None:
    prepared = prepare(digits, tmp_path)
    prepared.lock.close()
    made_with = prepared.study.user_attrs[IDENTITY]
    prepared.study.set_user_attr(IDENTITY, {**made_with, "space": {**own, "hash": "deadbeef"}})
    unasked = {name: value for name, value in FLAGS.items() if name != "space"}
    config = read_config(None, {**unasked, "storage": str(tmp_path / "journal.log")})
    search_launch.check(config)
    wanted = rf"other space: {said}, not tiny \(.*: its own is no longer the same here: give --space what it was made"
    with pytest.raises(UnusableInputError, match=wanted):
        search_launch.prepare(config, digits, lambda driver: None)
    with pytest.raises(UnusableInputError, match=wanted):
        prepare(digits, tmp_path)


def test_what_trains_is_named(digits: decoded.Dataset, tmp_path: Path) -> None:
    prepared = prepare(digits, tmp_path)
    prepared.lock.close()
    assert prepared.driver.machine == cpu_class()


def test_a_target_asked_for_once_stays_until_another_is(digits: decoded.Dataset, tmp_path: Path) -> None:
    known = []
    for flags in ({}, {"target": 0.9}, {}, {"target": 0.7}):
        prepared = prepare(digits, tmp_path, **flags)
        known.append(prepared.study.user_attrs[TARGET])
        prepared.lock.close()
    assert known == [0.85, 0.9, 0.9, 0.7]
    assert prepared.study.user_attrs[SOURCE] == "digits"


def test_without_a_target_none_is_aimed_at_unless_the_search_is_to_end_there(
    digits: decoded.Dataset, tmp_path: Path
) -> None:
    targets = []
    for flags in ({}, {"stop_at_target": True}, {"target": 0.9}):
        prepared = prepare(digits, tmp_path, **flags)
        targets.append(prepared.driver.budget.target)
        prepared.lock.close()
    assert targets == [None, 0.85, 0.9]


def test_a_search_to_the_target_ends_at_the_one_that_its_leaderboard_shows(
    digits: decoded.Dataset, tmp_path: Path
) -> None:
    targets = []
    for flags in ({"target": 0.01}, {"stop_at_target": True}, {}, {"target": 0.5, "stop_at_target": True}):
        prepared = prepare(digits, tmp_path, **flags)
        targets.append((prepared.driver.budget.target, prepared.study.user_attrs[TARGET]))
        prepared.lock.close()
    assert targets == [(0.01, 0.01), (0.01, 0.01), (None, 0.01), (0.5, 0.5)]


def test_what_a_search_confirms_is_taught_as_its_candidates_are(digits: decoded.Dataset, tmp_path: Path) -> None:
    network: Any = build(parse("BR/c4-c4s2/c4s2/fc"))
    weights, made = tmp_path / "net.safetensors", {"images": "the training part"}
    data = {"hash": digits.content_hash, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}
    about = {"architecture": "BR/c4-c4s2/c4s2/fc", "training": json.dumps(made), "data": json.dumps(data)}
    weights.write_bytes(save(network.state_dict(), about))
    flags = {"stop_at_target": True, "confirm": 1}
    for teacher in ([str(weights)], None):  # the second launch has the study's own
        prepared = prepare(digits, tmp_path, teacher=teacher, **flags)
        prepared.lock.close()
        goal = prepared.driver.goal
        assert goal is not None
        assert goal.feed.teacher is not None
        assert goal.feed.teacher == prepared.driver.feed.teacher
        recipe = goal.recipe(1, {})
        assert recipe is not None
        assert recipe.distillation > 0


def test_an_empty_space_names_the_constraint_to_relax(digits: decoded.Dataset, tmp_path: Path) -> None:
    rules = ["params < 200k", "receptive_field > 100k"]
    with pytest.raises(UnusableInputError, match=r"no feasible network .*: relax receptive_field > 100000 "):
        prepare(digits, tmp_path, constraints=rules)
    assert not list(tmp_path.iterdir()), "nothing is made for a search that cannot be"


def test_a_folder_that_cannot_be_written_is_refused(digits: decoded.Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableInputError, match=r"cannot open the storage .*: give --storage a writable path"):
        prepare(digits, tmp_path / "file")
    (tmp_path / "search").write_text("")
    with pytest.raises(UnusableInputError, match=r"cannot write .*search: File exists: give --storage"):
        prepare(digits, tmp_path)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UnusableInputError, match=r"no GPU: cuda: .*: take --device cpu"):
        search_launch.check(read_config(None, {**FLAGS, "device": "cuda"}))


def test_the_program_that_launches_loads_no_torch() -> None:
    heavy = "{'torch', 'albumentations', 'cv2', 'sklearn'}"
    program = (
        "import sys, nas.results.progress, nas.search.confirm_launch, nas.search.search_launch, nas.training.datasets; "
        f"sys.exit(', '.join({heavy} & set(sys.modules)) or None)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_batches_and_epochs_follow_the_size_of_the_data_where_none_are_asked_for(
    digits: decoded.Dataset, tmp_path: Path
) -> None:
    def sized(name: str, **flags: Any) -> tuple[int, int, bool]:
        """Batch size and epochs of a launch, and whether it says that the data decided."""
        given = {key: value for key, value in {**FLAGS, **flags}.items() if value is not None}
        config = read_config(None, {**given, "storage": str(tmp_path / "journal.log"), "study": name})
        prepared = search_launch.prepare(config, digits, lambda driver: None)
        prepared.lock.close()
        driver = prepared.driver
        assert driver.recipe is not None
        assert prepared.study.user_attrs[IDENTITY]["epochs"] == driver.budget.epochs
        assert prepared.study.user_attrs[IDENTITY]["recipe"]["batch_size"] == driver.recipe.batch_size
        assert driver.notes == []
        return driver.recipe.batch_size, driver.budget.epochs, bool(prepared.sizing)

    # 1,295 of the digits are trained on: 40 steps of 32 an epoch, 25 epochs are 1,000
    assert len(digits.split().train) == 1_295
    assert sized("a", epochs=None) == (32, 25, True)
    assert sized("a", epochs=None) == (32, 25, True), "the same study again"
    assert sized("b", epochs=20) == (128, 20, False)
    assert sized("b", epochs=20) == (128, 20, False)
    assert sized("c", epochs=None, recipe="sgd") == (128, 20, False)


def test_a_search_beside_a_given_network_keeps_its_batches_and_epochs(digits: decoded.Dataset, tmp_path: Path) -> None:
    flags = {key: value for key, value in FLAGS.items() if key != "epochs"} | {"storage": str(tmp_path / "journal.log")}
    for recipe in (None, "default"):  # a training, a search beside it, and both again by what is the study's recipe
        wanted = Wanted(target="BR/c8-c8s2/c8/fc", recipe=recipe)
        settled = given_launch.as_studied(read_config(None, flags), flags)
        given = given_launch.prepare(settled, wanted, digits, lambda driver: None).prepared
        given.lock.close()
        found = search_launch.prepare(read_config(None, flags), digits, lambda driver: None)
        found.lock.close()
        for driver in (given.driver, found.driver):
            assert driver.recipe is not None
            assert (driver.recipe.batch_size, driver.budget.epochs, driver.notes) == (32, 25, [])


def test_trials_and_space_follow_the_size_of_the_data_and_a_study_keeps_its_space(
    digits: decoded.Dataset, tmp_path: Path
) -> None:
    def launched(name: str, **flags: Any) -> tuple[int, str, str]:
        config = read_config(None, {**flags, "storage": str(tmp_path / "journal.log"), "study": name, "workers": 1})
        prepared = search_launch.prepare(config, digits, lambda driver: None)
        prepared.lock.close()
        space = prepared.study.user_attrs[IDENTITY]["space"]["name"]
        return prepared.driver.budget.trials, space, prepared.sizing.partition("steps")[2]

    chosen = ", 14 trials, space tiny, chosen by their number: --epochs, --trials and --space ask for others"
    assert len(digits.split().validation) == 143
    assert launched("new") == (14, "tiny", chosen)
    again = ", 14 trials, chosen by their number: --epochs and --trials ask for others"
    assert launched("new") == (14, "tiny", again), "the same study again, which keeps its space"
    assert launched("old", space="assignment")[:2] == (14, "assignment")
    assert launched("old", trials=20)[:2] == (20, "assignment"), "its own space"


def test_the_epochs_choose_the_recipe_and_few_images_that_want_many_keep_the_default(
    digits: decoded.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def way(known: int | None, **flags: Any) -> tuple[str, float]:
        config = read_config(None, flags)
        found = fitted(config, Training.asked(config.recipe, config.augmentation, config.epochs), digits, known)[1]
        return found.recipe.name, found.augmentation.probabilities["flip"]

    assert way(None) == ("default", 0.5)
    assert way(None, epochs=29) == ("default", 0.5)
    assert way(None, epochs=30) == ("long", 1)
    assert way(None, epochs=30, recipe="default") == ("default", 0.5)
    assert way(100) == ("long", 1), "a study that has its epochs is compared with a new one of as many"
    assert way(100, recipe="default") == ("default", 0.5)
    assert way(100, augmentation="assignment") == ("long", 0.5), "what is asked for by name stays"
    monkeypatch.setattr("nas.training.default_sizes.ENOUGH", 2_000)
    assert way(None) == ("default", 0.5), "50 epochs of 40 steps"
    assert way(50) == ("default", 0.5)


def test_a_study_of_an_earlier_release_keeps_its_epochs(digits: decoded.Dataset, tmp_path: Path) -> None:
    prepare(digits, tmp_path, epochs=20).lock.close()
    flags = {key: value for key, value in FLAGS.items() if key != "epochs"}
    config = read_config(None, {**flags, "storage": str(tmp_path / "journal.log")})
    prepared = search_launch.prepare(config, digits, lambda driver: None)
    prepared.lock.close()
    assert (prepared.driver.budget.epochs, prepared.driver.recipe and prepared.driver.recipe.batch_size) == (20, 128)
    assert (prepared.sizing, prepared.driver.notes) == ("", [])


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"epochs": 20}, {}),
        ({"epochs": 20}, {"recipe": "default"}),
        ({"epochs": 20, "recipe": "default"}, {"recipe": "default"}),
        ({}, {"epochs": 25}),
        ({}, {"epochs": 25, "recipe": "default"}),
        ({"epochs": 40}, {}),
        ({"epochs": 20, "recipe": "default,batch_size=64"}, {"recipe": "default,batch_size=64", "epochs": 20}),
    ],
    ids=str,
)
def test_sizes_of_a_study_that_a_later_launch_does_not_repeat_are_no_other_recipe(
    first: dict[str, Any], later: dict[str, Any], digits: decoded.Dataset, tmp_path: Path
) -> None:
    """Of 1,295 images, the data's sizes are 25 epochs in batches of 32; those of a given length are batches of 128."""

    def launched(flags: dict[str, Any]) -> search_launch.PreparedLaunch:
        place = {"storage": str(tmp_path / "journal.log"), "space": "tiny", "workers": 1}
        prepared = search_launch.prepare(read_config(None, {**flags, **place}), digits, lambda driver: None)
        prepared.lock.close()
        return prepared

    made = launched(first)
    again = launched(later)
    assert again.training.recipe == made.training.recipe
    assert again.driver.notes == []


def test_another_recipe_than_the_default_is_still_named(digits: decoded.Dataset, tmp_path: Path) -> None:
    prepare(digits, tmp_path, recipe="default,batch_size=64").lock.close()
    prepared = prepare(digits, tmp_path)
    prepared.lock.close()
    assert prepared.driver.notes == ["the study was made with another recipe than a new one would be: it keeps its own"]


def test_a_study_keeps_its_own_recipe_when_the_file_is_gone(digits: decoded.Dataset, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "default"\nbatch_size = 64\n[tune]\nlr = [0.01, 0.1]\n')
    first = prepare(digits, tmp_path, recipe=str(file), tune="lr", augmentation="assignment,flip=0")
    first.lock.close()
    assert first.driver.recipe is not None
    assert first.driver.recipe.batch_size == 64
    assert first.driver.feed.probabilities["flip"] == 0
    assert set(first.driver.sampler.beside) == {"recipe.peak_lr"}
    with pytest.raises(
        UnusableInputError, match=r"made with other augmentation: assignment \(probabilities.flip 0.0\)"
    ):
        prepare(digits, tmp_path, augmentation="assignment")
    with pytest.raises(
        UnusableInputError, match=r"made with other recipe: mine .*, not default .*: leave --recipe out"
    ):
        prepare(digits, tmp_path, recipe="default")
    file.unlink()
    second = prepare(digits, tmp_path)
    second.lock.close()
    assert second.training == first.training
    assert second.driver.feed.key == first.driver.feed.key
    assert second.driver.notes == [
        "the study was made with another recipe, augmentation and tuning than a new one would be: it keeps its own"
    ]


def test_a_crop_as_wide_as_the_images_is_refused(digits: decoded.Dataset, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for text, is_refused in (("crop = 31", False), ("crop = 32", True), ("crop = 2\n[tune]\ncrop = [0, 32]", True)):
        file.write_text(text)
        tune = ["crop"] if "tune" in text else None
        if not is_refused:
            Training.asked(str(file), None, 1, tune=tune, dataset=digits)
            continue
        with pytest.raises(
            UnusableInputError, match=r"^recipe mine: crop: 32: the images' shorter side is 32: give less"
        ):
            prepare(digits, tmp_path / "runs", recipe=str(file), tune=tune)
    assert not (tmp_path / "runs").exists()


def test_the_rule_of_the_augmentation_is_asked_for_like_a_constraint(digits: decoded.Dataset, tmp_path: Path) -> None:
    rules = ["augmentation", "params < 7000"]
    with pytest.raises(UnusableInputError, match="augmentation none breaks the rule 'augmentation': no horizontal fl"):
        prepare(digits, tmp_path, constraints=rules, augmentation="none")
    assert not list(tmp_path.iterdir()), "nothing is made for a search that cannot be"
    prepared = prepare(digits, tmp_path, constraints=rules)
    prepared.lock.close()
    assert prepared.study.user_attrs[IDENTITY]["constraints"] == ["params < 7000"]
    prepare(digits, tmp_path, constraints=["params < 7000"]).lock.close()
    assert read_config(None, {"constraints": ["augmentation"]}).rules == list(ASSIGNMENT)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"recipe": "gone.toml"}, "cannot read gone.toml"),
        ({"tune": "lrr"}, "--tune: 'lrr': no option of a recipe"),
        ({"tune": "lr,"}, "--tune: '': no option of a recipe"),
        ({"augmentation": "seed,flip=7"}, "augmentation seed: no probability: 'flip=7': give 0 to 1"),
        ({"augmentation": "gone.py:x"}, "cannot read the file: 'gone.py'"),
    ],
)
def test_what_is_wrong_whatever_the_data_is_refused_before_it_is_read(flags: dict[str, str], message: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^{message}"):
        search_launch.check(read_config(None, {**FLAGS, **flags}))


OWN = """
from constraints import metric

@metric(maximised=True)
def wide(model, trace):
    return max(layer.output[0] for layer in trace.layers)
"""


def test_a_study_belongs_to_its_file_of_metrics(
    digits: decoded.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_guards(monkeypatch)
    own = tmp_path / "own.py"
    own.write_text(OWN)
    flags = {"metrics": str(own), "objective": "balanced_accuracy,wide", "constraints": ["wide >= 4", "params < 100k"]}
    prepared = prepare(digits, tmp_path, **flags)
    driver, made_with = prepared.driver, prepared.study.user_attrs["identity"]
    assert made_with["objective"] == "balanced_accuracy,wide:max"
    assert made_with["metrics"]["name"] == "own.py"
    assert [c.metric for c in driver.sampler.feasible.constraints] == ["params"]
    candidate = driver.proposals.new(driver.sampler)
    prepared.lock.close()
    assert candidate is not None
    assert candidate.measured["wide"] >= 4
    assert driver.objectives.values(0.5, candidate.measured) == (0.5, candidate.measured["wide"])
    own.write_text(OWN.replace("max(", "1 + max("))
    with pytest.raises(
        UnusableInputError, match=r"made with other metrics: own\.py \(.{8}\), not own\.py \(.{8}\): use"
    ):
        prepare(digits, tmp_path, **flags)


def test_a_latency_that_is_not_known_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.space.space.load", lambda name: None)
    monkeypatch.setattr("nas.latency.predictor.machine", lambda: "another machine")
    for flags in ({"objective": "accuracy,latency_ms"}, {"constraints": ["latency_ms < 5"]}):
        with pytest.raises(UnusableInputError, match=r"another machine was not calibrated: run search\.py calibrate"):
            search_launch.check(read_config(None, {**FLAGS, **flags}))
