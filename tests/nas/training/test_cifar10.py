"""CIFAR-10's own format and its download, on a small copy served by this machine."""

import hashlib
import io
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from constraints.errors import UnusableInputError
from nas.training import cifar10, datasets

ROOT = Path(__file__).parents[3]
NAMES = ["airplane", "automobile", "bird"]
COUNT = 4


def batch(seed: int) -> dict[str, object]:
    """A batch as CIFAR-10 stores it: a row an image, its red plane first."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (COUNT, 3072), dtype=np.uint8)
    return {"data": pixels, "labels": [int(number) for number in generator.integers(0, 3, COUNT)]}


def members() -> dict[str, bytes]:
    """The files of the small copy."""
    content = {f"data_batch_{n}": pickle.dumps(batch(n)) for n in range(1, 6)}
    content["test_batch"] = pickle.dumps(batch(0))
    content["batches.meta"] = pickle.dumps({"label_names": NAMES})
    return content


def packed(content: dict[str, bytes]) -> bytes:
    """The archive of them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The small copy's archive, with its sums in place of the published ones."""
    content = members()
    for files in (cifar10.TRAIN, cifar10.TEST, cifar10.META):
        for name in files:
            monkeypatch.setitem(files, name, hashlib.md5(content[name]).hexdigest())
    data = packed(content)
    monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(data).hexdigest())
    return data


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that this machine serves at the address that CIFAR-10 is downloaded from."""

    class Quiet(SimpleHTTPRequestHandler):
        """No log on stderr."""

        def log_message(self, *_: object) -> None:
            """Nothing."""

    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{server.server_port}/{cifar10.ARCHIVE}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield folder
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_the_original_format_is_read(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if form == "archive":
        (data / cifar10.ARCHIVE).write_bytes(archive)
    else:
        (data / cifar10.FOLDER).mkdir()
        for name, content in members().items():
            (data / cifar10.FOLDER / name).write_bytes(content)
    monkeypatch.setenv("NAS_DATA", str(data))
    found = datasets.load("auto", cache=tmp_path / "cache")
    assert (found.name, found.classes, found.warnings) == ("CIFAR-10", tuple(NAMES), ())
    assert found.train_images.shape == (5 * COUNT, 32, 32, 3)
    second = batch(2)
    assert found.train_labels[COUNT : 2 * COUNT].tolist() == second["labels"]
    pixels = np.asarray(second["data"])
    assert found.train_images[COUNT, 0, 1].tolist() == [
        pixels[0, 1],
        pixels[0, 1024 + 1],
        pixels[0, 2048 + 1],
    ]
    assert found.test_labels.tolist() == batch(0)["labels"]


def test_a_file_of_another_sum_is_not_unpickled(archive: bytes, tmp_path: Path) -> None:
    content = members()
    content["data_batch_3"] += b"!"
    (tmp_path / cifar10.ARCHIVE).write_bytes(packed(content))
    with pytest.raises(UnusableInputError, match=r"missing or damaged: data_batch_3 in .*download it again"):
        cifar10.read(tmp_path / cifar10.ARCHIVE)


def test_an_archive_cut_short_is_refused(archive: bytes, tmp_path: Path) -> None:
    (tmp_path / cifar10.ARCHIVE).write_bytes(archive[: len(archive) // 2])
    with pytest.raises(UnusableInputError, match="the archive cannot be read"):
        cifar10.read(tmp_path / cifar10.ARCHIVE)


def test_the_download_is_kept(archive: bytes, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAS_DATA", raising=False)
    (served / cifar10.ARCHIVE).write_bytes(archive)
    assert datasets.load("cifar10", cache=tmp_path / "cache").name == "CIFAR-10"
    (served / cifar10.ARCHIVE).unlink()
    assert cifar10.find(tmp_path / "cache") == tmp_path / "cache" / cifar10.ARCHIVE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "the server answers 404 (File not found)"),
        (b"something else", "what came is not the archive, by its published sum"),
    ],
)
def test_a_failed_download_is_reported_in_one_line(
    archive: bytes, served: Path, tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (served / cifar10.ARCHIVE).write_bytes(content)
    with pytest.raises(UnusableInputError) as caught:
        cifar10.download(tmp_path / "cache")
    head, _, rest = str(caught.value).partition(": http://127.0.0.1:")
    assert head == f"CIFAR-10 could not be downloaded: {why}"
    assert rest.endswith(": put cifar-10-python.tar.gz into ./data, or give its place by $NAS_DATA or --data")
    assert cifar10.find(tmp_path / "cache") is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://nowhere.invalid/a", "its server's name is not known here, as where there is no internet"),
        ("http://127.0.0.1:9/a", "Connection refused"),
    ],
)
def test_where_no_server_is_that_is_said_in_plain_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(cifar10, "URL", address)
    with pytest.raises(UnusableInputError) as caught:
        cifar10.download(tmp_path)
    assert str(caught.value).startswith(f"CIFAR-10 could not be downloaded: {why}: {address}: put ")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-x\r\n", r"what answers is no web server, .* \(SSH-2\.0-x.*"),
        (b"", "the connection was closed before all had come"),
    ],
)
def test_an_answer_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, why: str) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{other.getsockname()[1]}/a.tar.gz")

        def greet() -> None:
            with other.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(answer)

        greeting = threading.Thread(target=greet)
        greeting.start()
        with pytest.raises(UnusableInputError, match=f"{why}: http"):
            cifar10.download(tmp_path)
        greeting.join()


def test_a_download_that_ends_early_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{other.getsockname()[1]}/a.tar.gz")

        def half() -> None:
            with other.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789")

        server = threading.Thread(target=half)
        server.start()
        with pytest.raises(UnusableInputError, match="the connection was closed before all had come: http"):
            cifar10.download(tmp_path)
        server.join()
    assert cifar10.find(tmp_path) is None


def test_the_sums_are_those_that_torchvision_publishes() -> None:
    from torchvision.datasets import CIFAR10

    assert (CIFAR10.url, CIFAR10.tgz_md5) == (cifar10.URL, cifar10.ARCHIVE_MD5)
    assert [list(item) for item in cifar10.TRAIN.items()] == CIFAR10.train_list
    assert [list(item) for item in cifar10.TEST.items()] == CIFAR10.test_list
    assert {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]} == cifar10.META


def test_looking_for_the_data_loads_neither_torch_nor_torchvision(tmp_path: Path) -> None:
    """Both take seconds, and with torchvision come libraries that write to stderr when the program ends."""
    code = f"""
import sys
from pathlib import Path
from nas.training import datasets
try:
    datasets.load("cifar10", cache=Path({str(tmp_path)!r}))
except Exception as error:
    assert "could not be downloaded" in str(error), error
sys.exit(", ".join({{"torch", "torchvision", "triton"}} & set(sys.modules)) or None)
"""
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    environment.pop("NAS_DATA", None)
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_proxys_address_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy:port")
    monkeypatch.setattr("urllib.request._opener", None)  # it keeps the proxies of the first download
    monkeypatch.setattr(cifar10, "URL", "http://nowhere.invalid/a")
    with pytest.raises(UnusableInputError, match=r"a proxy's address is wrong \(nonnumeric port: 'port'\): http"):
        cifar10.download(tmp_path)


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnusableInputError, match=rf"downloaded: Not a directory: {tmp_path}/file/cache: https"):
        cifar10.download(tmp_path / "file" / "cache")


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{silent.getsockname()[1]}/a.tar.gz")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(UnusableInputError, match=r"its server did not answer within 0\.3 s: http"):
            cifar10.download(tmp_path)
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("cifar10-jpeg.tar.xz", True),
        ("cifar-10-python.tar.gz", True),
        ("cifar100.tar", False),
        ("cifar10.txt", False),
    ],
)
def test_what_counts_as_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fits: bool) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("NAS_DATA", str(tmp_path))
    assert (cifar10.find(tmp_path / "cache") == tmp_path / name) is fits
