"""A champion whose weights ship in half precision: exported, made a module, and a teacher."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.champion import halved
from nas.architecture.model import build
from nas.architecture.spec import parse
from nas.champions import networks, registry
from nas.champions.registry import Champion
from nas.results import exported_files, exports
from nas.results.export_subject import Subject
from nas.search import teachers, weights_file

TEXT = "BR/c4-c4s2/c4s2/fc"


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Champion:
    """Champion-a, the only one, with weights beside its file."""
    torch.manual_seed(1)
    weights_file.save(halved(build(parse(TEXT)).state_dict()), tmp_path / "champion-a.safetensors")
    table = {
        "name": "champion-a", "architecture": TEXT, "found": "by hand", "params": 1, "macs": 1, "data": "digits",
        "recipe": "default", "augmentation": "none", "epochs": 1, "seeds": [0], "test_accuracies": [0.5],
        "machine": "AVX2", "date": "2026-01-02", "commit": "abc", "command": "train", "weights_accuracy": 0.5,
        "weights": "champion-a.safetensors", "classes": ["a", "b"], "data_hash": "d", "mean": [0.5], "std": [0.2],
    }  # fmt: skip
    made = Champion.model_validate(table)
    monkeypatch.setattr(registry, "FILE", tmp_path / "champions.toml")
    monkeypatch.setattr(registry, "champions", lambda: {"champion-a": made})
    return made


def test_its_export_holds_the_weights_that_ship_and_says_where_they_are_from(
    champion: Champion, tmp_path: Path
) -> None:
    subject = exports.of_champion(champion, untrained=False)
    exported_files.write(subject, tmp_path / "net.safetensors")
    found, half = load_file(tmp_path / "net.safetensors"), load_file(tmp_path / "champion-a.safetensors")
    assert all(torch.equal(found[name], tensor.to(found[name].dtype)) for name, tensor in half.items())
    assert half["head.fc.weight"].dtype == torch.float16
    assert isinstance(subject, Subject)
    assert subject.metadata()["origin"] == "champion-a"


def test_its_module_has_them_too(champion: Champion) -> None:
    assert champion.path is not None
    wanted = load_file(champion.path)["head.fc.weight"].float()
    assert torch.equal(networks.champion_a.state_dict()["head.fc.weight"], wanted)


def test_it_teaches_students_of_its_data(champion: Champion) -> None:
    assert champion.path is not None
    dataset = SimpleNamespace(content_hash="other", classes=("a", "b"))
    member = teachers._of_champion("champion-a", dataset)  # type: ignore[arg-type]
    assert (member.weights, member.mean, member.saw_validation) == (champion.path.read_bytes(), (0.5,), True)
    dataset.classes = ("b", "a")
    with pytest.raises(Exception, match="it was trained on other data"):
        teachers._of_champion("champion-a", dataset)  # type: ignore[arg-type]
