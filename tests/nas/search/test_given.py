from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from constraints.errors import ModelFailedError, UnusableInputError
from constraints.sandbox.request import Target
from nas.search.given import Given, file_hash, shown_images_of


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """A network in a file of its own that imports another."""
    home = tmp_path / "home"
    (home / "parts").mkdir(parents=True)
    (home / "net.py").write_text("net", encoding="utf-8")
    (home / "parts" / "block.py").write_text("block", encoding="utf-8")
    files = {str(path): file_hash(path) for path in (home / "net.py", home / "parts" / "block.py")}
    target = Target(text="net.py:Net", file=home / "net.py", module="", name="Net")
    return Given(target=target, arguments={"width": 3}, files=files, copies=tmp_path / "trial" / "source")


def test_unchanged_files_are_used(given: Given) -> None:
    assert (given.changed(), given.found()) == ([], given.target)


def test_copies_are_used_where_a_file_changed(given: Given, tmp_path: Path) -> None:
    given.keep_copies(tmp_path / "trial")
    (tmp_path / "home" / "parts" / "block.py").unlink()
    found = given.found()
    assert found.file == tmp_path / "trial" / "source" / "net.py"
    assert (found.file.parent / "parts" / "block.py").read_text(encoding="utf-8") == "block"
    given.copy_found(tmp_path / "out")
    assert (tmp_path / "out" / "parts" / "block.py").read_text(encoding="utf-8") == "block"


def test_a_changed_file_without_its_copy_is_refused(given: Given, tmp_path: Path) -> None:
    (tmp_path / "home" / "net.py").write_text("other", encoding="utf-8")
    with pytest.raises(UnusableInputError, match=r"net\.py has changed since net\.py:Net was given, and its"):
        given.found()
    given.keep_copies(tmp_path / "trial")  # of the other text
    with pytest.raises(UnusableInputError, match="has changed"):
        given.found()


def test_json_keeps_all_but_where_copies_are(given: Given, tmp_path: Path) -> None:
    back = Given.from_dict(json.loads(json.dumps(given.as_dict())), tmp_path / "trial")
    assert back == given


def test_the_key_depends_on_code_and_arguments_and_not_on_places(given: Given) -> None:
    moved = {path.replace("home", "away"): known for path, known in given.files.items()}
    assert replace(given, files=moved).key == given.key
    assert replace(given, arguments={}).key != given.key
    assert replace(given, files=dict.fromkeys(given.files, "0")).key != given.key


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "raised: x: if the model is made for images of 3 channels: --input 3,8,8",
            "raised: x: those of the data have 1 channel: make the model for these, perhaps by --arg",
        ),
        ("raised: y", "raised: y"),
    ],
)
def test_the_images_of_the_data_are_no_other_ones(said: str, advice: str) -> None:
    with pytest.raises(ModelFailedError) as caught, shown_images_of(1):
        raise ModelFailedError(said)
    assert str(caught.value) == advice


def test_a_module_from_memory_is_kept_nowhere() -> None:
    target = Target(text="Net", file=None, module="", name="Net")
    kept = Given.from_dict(Given(target=target, memory="hash", pickled="secret").as_dict())
    assert kept.pickled == ""
    with pytest.raises(UnusableInputError, match="given as a module in memory, which is kept nowhere"):
        kept.found()


def test_advice_on_another_input_becomes_advice_on_the_model() -> None:
    check = (
        "x at forward: RuntimeError: shapes: if the model is made for another input, give its shape: --input 3,2,2, in"
    )
    wanted = "x at forward: RuntimeError: shapes: if the model is made for images of another size, let it resize them "
    for rest in ("", "; else make that layer for 8 inputs"):
        with pytest.raises(ModelFailedError) as raised, shown_images_of(3):
            raise ModelFailedError(f"{check} Python input_size=(3, 2, 2){rest}", traceback="its own")
        assert str(raised.value) == f"{wanted}(F.interpolate) or pool to one size (nn.AdaptiveAvgPool2d){rest}"
        assert raised.value.traceback == "its own"
    with pytest.raises(ModelFailedError, match=r"^another error$"), shown_images_of(3):
        raise ModelFailedError("another error")
