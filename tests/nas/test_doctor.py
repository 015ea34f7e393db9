import json
import re
from pathlib import Path

import pytest

from constraints.errors import UnusableInputError
from nas import doctor
from nas.cpu import cpu_class
from nas.doctor import Finding, caches, clean, examine
from nas.search.storage import open_storage


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("nas.training.cpu_timing.TURNS", 1)  # each test measures the CPU, whose speed none is about
    monkeypatch.delenv("NAS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "neural-architecture-search"


def found(storage: str | None = None) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(storage)}


def test_packages_devices_and_data_are_reported() -> None:
    everything = found()
    assert all(everything[name].state == "ok" for name in doctor.PACKAGES)
    assert everything["cpu"].text.startswith(f"{cpu_class()}, ")
    assert everything["cifar10"].state == "missing"
    assert "give --data" in everything["cifar10"].remedy


def test_the_cores_are_those_that_this_process_may_use(one_core: None) -> None:
    assert ", 1 core, " in found()["cpu"].text


@pytest.mark.parametrize(
    ("float32", "bfloat16", "said"),
    [
        (0.0084, 0.0061, "float32 8.4 ms, bfloat16 6.1 ms: precision auto is bfloat16"),
        (0.0061, 0.0061, "float32 6.1 ms, bfloat16 6.1 ms: precision auto is float32"),
    ],
)
def test_what_auto_is_comes_with_its_times(cache: Path, float32: float, bfloat16: float, said: str) -> None:
    assert re.search(r"forward and backward: float32 [\d.]+ ms, bfloat16 [\d.]+ ms: precision auto", precision())
    (kept,) = (cache / "timings").glob("*.json")
    kept.write_text(json.dumps({"float32": float32, "bfloat16": bfloat16}))
    assert precision() == (
        "two 3x3 convolutions, dense and depthwise, 32 channels, 32x32, batch 8, forward and backward: " + said
    )


def precision() -> str:
    return found()["precision"].text


def test_data_named_wrongly_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_DATA", "/nowhere")
    assert found()["cifar10"].state == "broken"
    assert "NAS_DATA names nothing: /nowhere" in found()["cifar10"].text


def test_a_missing_extra_has_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", {"imaginary": ("no-such-package",)})
    extra = found()["imaginary"]
    assert (extra.state, extra.remedy) == ("missing", "uv sync --extra imaginary, or pip install no-such-package")


def test_a_missing_package_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    assert found()["no-such-package"].state == "broken"


def test_a_storage_is_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert found(url)[url].text == f"no storage at {url}: nothing was launched here"
    assert not (tmp_path / "study.db").exists()
    open_storage(url, write=True)
    assert found(url)[url].text == "no study yet"
    missing = found(str(tmp_path / "none.log"))[str(tmp_path / "none.log")]
    assert (missing.state, missing.remedy) == ("broken", "launch a search, or give --storage")


def test_a_password_is_not_shown() -> None:
    everything = found("postgresql://me:secret@127.0.0.1:1/none")
    assert everything["postgresql://me:***@127.0.0.1:1/none"].state == "broken"
    assert not any("secret" in str(finding) for finding in everything.values())


def test_caches_are_measured_and_removed_and_nothing_else(cache: Path) -> None:
    (cache / "epochs" / "deep").mkdir(parents=True)
    (cache / "epochs" / "deep" / "a.npy").write_bytes(bytes(2500))
    (cache / "datasets").mkdir()
    (cache / "datasets" / "b.npy").write_bytes(bytes(500))
    (cache / "of-the-user").write_text("stays")
    assert {f.name: f.text.split(" of")[0] for f in caches()}["epochs"] == "2.5 kB"
    assert clean() == 3000
    assert [p.name for p in cache.iterdir()] == ["of-the-user"]
    assert clean() == 0


def test_a_link_in_the_cache_is_not_followed(cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").write_bytes(bytes(10))
    (cache / "epochs").mkdir(parents=True)
    (cache / "epochs" / "link").symlink_to(other)
    assert clean() == 0
    assert (other / "kept").exists()


def test_a_folder_that_stays_is_named(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "epochs").write_text("a file in a folder's place")
    with pytest.raises(UnusableInputError, match=r"cannot remove .*epochs: Not a directory"):
        clean()
