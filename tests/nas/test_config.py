from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constraints.errors import UnusableInputError
from constraints.rules import ASSIGNMENT, parse
from nas.config import DEFAULT_RECIPE, LaunchConfig, read_config
from nas.training import named_recipes


def test_without_flags_and_file_the_contract_s_defaults_hold() -> None:
    config = read_config(None, {})
    assert (config.space, config.data, config.trials, config.timeout) == ("assignment", "auto", 30, 3600)
    assert config.constraints == [parse(rule).expr for rule in ASSIGNMENT]
    assert config.target is None


def test_flags_win_over_the_file_and_a_flag_not_given_does_not(tmp_path: Path) -> None:
    file = tmp_path / "launch.toml"
    file.write_text('trials = 7\ntimeout = "2m"\nspace = "tiny"\n')
    config = read_config(file, {"trials": 9, "space": None})
    assert (config.trials, config.timeout, config.space) == (9, 120, "tiny")


@given(
    trials=st.integers(1, 10**6),
    timeout=st.floats(0.1, 1e6),
    target=st.none() | st.floats(0.01, 0.99),
    tune=st.none() | st.lists(st.sampled_from(["lr", "crop"]), min_size=1),
    augmentation=st.none() | st.just('own.py:x,name="é"'),
    study=st.from_regex(r"[a-zA-Z][\w \"'é-]{0,20}", fullmatch=True),
)
def test_the_written_configuration_reads_back_equal(tmp_path_factory: pytest.TempPathFactory, **values: Any) -> None:
    config = LaunchConfig(**values)
    file = tmp_path_factory.mktemp("config") / "launch.toml"
    file.write_text(config.to_toml(), encoding="utf-8")
    assert read_config(file, {}) == config


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('trials = "3"', "trials: '3': write a whole number"),
        ("trials = 3.0", "trials: 3.0: write a whole number"),
        ("seed = true", "seed: True: write a whole number"),
        ('guess = "yes"', "guess: 'yes': write true or false"),
        ("guess = 1", "guess: 1: write true or false"),
        ('target = "0.5"', "target: '0.5': write a number"),
        ('workers = "2"', "workers: '2': write a whole number"),
        ("workers = 100000", "workers: 100000: give 10000 or less"),
        ('start = "seed"', "start: 'seed': write a list"),
        ("study = 3", "study: 3: write text"),
    ],
)
def test_a_value_of_another_type_in_a_file_is_refused(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "launch.toml"
    file.write_text(line)
    with pytest.raises(UnusableInputError) as caught:
        read_config(file, {})
    assert str(caught.value) == f"{file}: {message}"


@pytest.mark.parametrize("line", ["timeout = 3", 'timeout = "3s"', "target = 0.5", 'tune = "lr,crop"', 'tune = ["lr"]'])
def test_each_form_of_a_value_is_taken(tmp_path: Path, line: str) -> None:
    file = tmp_path / "launch.toml"
    file.write_text(line)
    name = line.partition(" ")[0]
    assert getattr(read_config(file, {}), name) in (3.0, 0.5, ["lr", "crop"], ["lr"])


def test_a_path_in_a_file_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert read_config(None, {"storage": "~/own.log"}).storage == "/home/ada/own.log"
    assert read_config(None, {"storage": "sqlite:///~.db"}).storage == "sqlite:///~.db"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"trials": 0}, "--trials: 0: give 1 or more"),
        ({"timeout": "0"}, "--timeout: not a duration: '0'"),
        ({"study": " "}, "--study: ' ': give a name"),
        ({"timeout": "soon"}, "--timeout: not a duration: 'soon'"),
        ({"target": 1.0}, "--target: 1.0: give less than 1"),
        ({"target": 0.0}, "--target: 0.0: give more than 0"),
        ({"device": "tpu"}, "--device: 'tpu': give auto, cpu or cuda"),
        ({"engine": "slurm"}, "--engine: 'slurm': give local, ray or ray:HOST:PORT"),
        ({"engine": "ray:"}, "--engine: 'ray:': give local, ray or ray:HOST:PORT"),
        ({"engine": "ray:head"}, "--engine: 'ray:head': give local, ray or ray:HOST:PORT"),
        ({"engine": "ray:ray://head:10001"}, "--engine: 'ray:ray://head:10001': give local, ray or ray:HOST:PORT"),
        ({"stop_at_target": "maybe"}, "--stop-at-target: 'maybe': write true or false"),
        ({"study": "a/b"}, "--study: 'a/b': give a name without slashes"),
        ({"study": ".."}, "--study: '..': give a name without slashes"),
        ({"study": "a" * 241}, f"--study: '{'a' * 241}': give a name of at most 240 bytes: folders have it"),
        ({"study": "a\nb"}, r"--study: 'a\nb': give a name without line breaks and control characters"),
        ({"constraints": ["parms < 200k"]}, "unknown metric: 'parms'"),
        ({"tune": []}, "--tune: []: give 1 or more"),
        ({"recipe": 3}, "--recipe: 3: give a name, a TOML file, or a table"),
    ],
)
def test_a_flag_out_of_range_is_named_with_its_value(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableInputError) as caught:
        read_config(None, flags)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trails = 3", "{file}: trails: 3: unknown key: did you mean trials"),
        ("require = ['params < 3']", "{file}: require: ['params < 3']: unknown key: write constraints"),
        ("trials = 'many'", "{file}: trials: 'many': write a whole number"),
        ("constraints = ['params < 200k', 'params <']", "{file}: constraints.2: not a constraint: 'params <': "),
        ("constraints = []", "{file}: constraints: []: give 1 or more"),
        ("trials = ", "{file} is not TOML: "),
    ],
)
def test_a_file_s_error_names_file_key_and_value(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "launch.toml"
    file.write_text(text)
    with pytest.raises(UnusableInputError) as caught:
        read_config(file, {"trials": 5})
    assert str(caught.value).startswith(message.format(file=file))


def test_limits_themselves_are_allowed() -> None:
    assert read_config(None, {"trials": 1, "epochs": 1, "workers": 1, "timeout": "1ms"}).timeout == 0.001


@pytest.mark.parametrize("engine", ["local", "ray", "ray:head.example:6379", "ray:[::1]:6379"])
def test_the_engines_that_there_are(engine: str) -> None:
    assert read_config(None, {"engine": engine}).engine == engine


@pytest.mark.parametrize(("name", "value"), [("epochs", 20), ("trials", 30), ("space", "assignment")])
def test_what_follows_the_data_is_not_written_where_nobody_asked_for_it(tmp_path: Path, name: str, value: Any) -> None:
    file = tmp_path / "search.toml"
    for flags, is_asked in (({}, False), ({name: value}, True)):
        file.write_text(text := read_config(None, flags).to_toml())
        found = read_config(file, {})
        assert (name in found.model_fields_set) == is_asked
        assert getattr(found, name) == value
        assert (name in text.splitlines()[0]) != is_asked
    file.write_text(text := read_config(None, {"epochs": 1, "trials": 2, "space": "tiny"}).to_toml())
    assert text.startswith('space = "tiny"'), "nothing is left to the data"


@pytest.mark.parametrize(
    ("flags", "by_data"),
    [
        ({}, ("space", "trials", "epochs")),
        ({"recipe": "default"}, ("space", "trials", "epochs")),
        ({"recipe": "sgd"}, ("space", "trials")),
        ({"constraints": ["params > 100k"]}, ("trials", "epochs")),
        ({"start": ["seed"]}, ("trials", "epochs")),
        ({"from_study": "other"}, ("trials", "epochs")),
        ({"constraints": ["params > 100k"], "recipe": "sgd", "trials": 3}, ()),
    ],
)
def test_what_a_written_file_leaves_to_the_data_is_left_to_it_where_it_is_read(
    tmp_path: Path, flags: dict[str, Any], by_data: tuple[str, ...]
) -> None:
    before = read_config(None, flags)
    (tmp_path / "a.toml").write_text(text := before.to_toml())
    assert before.by_data == read_config(tmp_path / "a.toml", {}).by_data == by_data
    assert text.startswith(f"# {', '.join(by_data)}: left out, so that" if by_data else "space = ")


def test_the_default_recipe_has_one_name() -> None:
    assert DEFAULT_RECIPE == named_recipes.DEFAULT


def test_what_a_study_keeps_is_left_out_and_said() -> None:
    lines = read_config(None, {"epochs": 7, "study": "mine"}).to_toml(("space", "epochs")).splitlines()
    assert lines[:2] == [
        "# trials: left out, so that the size of the data decides, here and where this is read",
        "# space, epochs: left out, as study mine keeps its own; a new study has those of its data, or the defaults",
    ]
    assert not [line for line in lines if line.startswith(("space", "epochs"))]


def test_a_recipe_may_be_in_the_file_and_is_written_back(tmp_path: Path) -> None:
    recipe = {"base": "sgd", "phases": [{"peak_lr": 0.3, "schedule": "cosine"}], "tune": {"phases.1.peak_lr": [0.1, 1]}}
    (tmp_path / "a.toml").write_text(
        'epochs = 3\n[recipe]\nbase = "sgd"\n[[recipe.phases]]\npeak_lr = 0.3\nschedule = "cosine"\n'
        '[recipe.tune]\n"phases.1.peak_lr" = [0.1, 1]\n'
    )
    found = read_config(tmp_path / "a.toml", {})
    assert found.recipe == recipe
    (tmp_path / "b.toml").write_text(found.to_toml())
    assert read_config(tmp_path / "b.toml", {}) == found
    assert read_config(tmp_path / "a.toml", {"recipe": "long"}).recipe == "long"
    (tmp_path / "c.toml").write_text("recipe = 3\n")
    with pytest.raises(UnusableInputError, match=r"c\.toml: recipe: 3: give a name, a TOML file, or a table"):
        read_config(tmp_path / "c.toml", {})
