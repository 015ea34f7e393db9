"""Metadata and tensors of exports that damaged or hostile files hold."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load, save

from constraints.errors import UnusableInputError
from nas.search.teacher_exports import check_export, of_export, scales
from nas.training.decoded import Dataset

TEXT = "BR/c4-c4s2/c4s2/fc"
DATASET = cast(Dataset, SimpleNamespace(content_hash="h", classes=("cat", "dog")))
DAMAGED = "none of this tool's exports, or damaged: export the network again"
KNOWN = {"hash": "h", "mean": [0.5, 0.25, 0.125], "std": [1, 2, 3]}


def export(place: Path, data: object = None, training: object = None, text: str = TEXT) -> str:
    """A file of weights with these metadata."""
    about = {"data": KNOWN if data is None else data, "training": {"epochs": 1} if training is None else training}
    place.write_bytes(save({"w": torch.ones(1)}, {"architecture": text} | {k: json.dumps(v) for k, v in about.items()}))
    return str(place)


def test_the_metadata_of_an_export_are_read(tmp_path: Path) -> None:
    found = of_export(export(tmp_path / "net.safetensors", training={"images": "the whole training set"}), DATASET)

    assert (found.architecture, found.saw_validation) == (TEXT, True)
    assert (found.mean, found.std) == ((0.5, 0.25, 0.125), (1.0, 2.0, 3.0))


def test_classes_are_enough_and_scales_may_be_missing(tmp_path: Path) -> None:
    found = of_export(export(tmp_path / "net.safetensors", {"hash": "other", "classes": ["cat", "dog"]}), DATASET)

    assert (found.mean, found.std, found.saw_validation) == ((), (), False)


@pytest.mark.parametrize("training", [[1], "text", 7, True])
def test_a_table_that_is_none_is_damage(training: object, tmp_path: Path) -> None:
    for place in (
        export(tmp_path / "a.safetensors", training=training),
        export(tmp_path / "b.safetensors", data=training),
    ):
        with pytest.raises(UnusableInputError, match=DAMAGED):
            of_export(place, DATASET)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [0.5]},
        {"std": [1, 1]},
        {"mean": [0, 0, 0, 0]},
        {"mean": "123"},
        {"mean": 5},
        {"mean": {"a": 1}},
        {"mean": [0.5, None, 0.5]},
        {"mean": [0.5, "x", 0.5]},
        {"mean": [float("nan")] * 3},
        {"std": [1, float("inf"), 1]},
        {"std": [1, 0, 1]},
        {"std": [1, -1, 1]},
        {"std": [10**400, 1, 1]},
    ],
)
def test_scales_that_standardise_nothing_are_damage(changes: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match=DAMAGED):
        of_export(export(tmp_path / "net.safetensors", KNOWN | changes), DATASET)


def test_scales_have_one_number_for_each_channel() -> None:
    assert scales({"mean": [0.5], "std": [1e-9]}, 1) == {"mean": (0.5,), "std": (1e-9,)}
    assert scales({"mean": [0.5], "std": []}, 3) == scales({}, 3) == {"mean": (), "std": ()}
    with pytest.raises(ValueError, match="for each of 2 channels"):
        scales({"mean": [0.5], "std": [1]}, 2)


def program(place: Path, sizes: list[int], strides: list[int], **changes: object) -> str:
    """A torch.export archive with six numbers, 0 to 5, as one tensor of these sizes and strides."""
    meta = {"dtype": 7, "sizes": [{"as_int": n} for n in sizes], "strides": [{"as_int": n} for n in strides]}
    entry: dict[str, Any] = {"use_pickle": False, "path_name": "weight_0", "tensor_meta": meta, **changes}
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("net/data/weights/model_weights_config.json", json.dumps({"config": {"w": entry}}))
        archive.writestr("net/data/weights/weight_0", torch.arange(6.0).numpy().tobytes())
        for name, text in {"architecture": TEXT, "data": json.dumps(KNOWN), "training": '{"epochs": 1}'}.items():
            archive.writestr(f"net/extra/{name}", text)
    return str(place)


@pytest.mark.parametrize(
    ("sizes", "strides", "wanted"),
    [
        ([2, 3], [3, 1], [[0, 1, 2], [3, 4, 5]]),
        ([3, 2], [1, 3], [[0, 3], [1, 4], [2, 5]]),
        ([], [], 0),
        ([6], [1], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_program_is_read_by_its_table(sizes: list[int], strides: list[int], wanted: object, tmp_path: Path) -> None:
    found = of_export(program(tmp_path / "net.pt2", sizes, strides), DATASET)

    assert load(found.weights)["w"].tolist() == wanted


@pytest.mark.parametrize(
    ("sizes", "strides", "changes"),
    [
        ([10**13], [0], {}),
        ([7], [1], {}),
        ([6], [-1], {}),
        ([2, 3], [1], {}),
        ([6], [1], {"use_pickle": True}),
        ([6], [1], {"path_name": "other"}),
    ],
)
def test_a_program_with_another_table_is_damage(
    sizes: list[int], strides: list[int], changes: dict[str, object], tmp_path: Path
) -> None:
    with pytest.raises(UnusableInputError, match=DAMAGED):
        of_export(program(tmp_path / "net.pt2", sizes, strides, **changes), DATASET)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 64, b"PK\3\4", b"{}"])
@pytest.mark.parametrize("name", ["net.safetensors", "net.pt2"])
def test_other_bytes_are_no_export(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(UnusableInputError, match=DAMAGED):
        of_export(str(tmp_path / name), DATASET)


def test_a_source_file_is_read_by_its_weights(tmp_path: Path) -> None:
    place = tmp_path / "net.py"
    with pytest.raises(UnusableInputError, match=r"^cannot read .*net\.safetensors: No such file or directory: "):
        check_export(str(place))
    export(tmp_path / "net.safetensors")

    check_export(str(place))
    assert of_export(str(place), DATASET).name == str(place)


def test_a_folder_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "net.pt2").mkdir()
    with pytest.raises(UnusableInputError, match=r"^cannot read .*: Is a directory: give another --teacher$"):
        check_export(str(tmp_path / "net.pt2"))


def test_an_export_of_user_code_is_no_damage(tmp_path: Path) -> None:
    about = {"origin": "net.py:Net, study s, trial 0", "data": json.dumps(KNOWN), "training": '{"epochs": 1}'}
    (tmp_path / "net.safetensors").write_bytes(save({"w": torch.ones(1)}, about))
    with pytest.raises(UnusableInputError, match=r"^--teacher .*: its network is the user's own code, which"):
        of_export(str(tmp_path / "net.safetensors"), DATASET)
