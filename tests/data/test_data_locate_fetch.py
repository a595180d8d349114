"""Where datasets are, and downloading them: from a server on this machine, with small files."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.run_config import DataConfig
from iterand_engine.data import downloads, file_cache
from iterand_engine.data.fetch import fetch
from iterand_engine.data.file_cache import FileFacts
from iterand_engine.data.locate import locate, locate_all, located
from iterand_engine.data.open import open_dataset
from iterand_engine.data.torchvision_import import import_torchvision
from iterand_engine.errors import UserError

IDX_FILES = [
    f"{part}-{kind}.gz" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
]


# Locating


def touched(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")


@pytest.mark.parametrize(
    ("name", "files", "found"),
    [
        ("mnist", [f"MNIST/raw/{file}" for file in IDX_FILES], "MNIST/raw"),
        ("fashion-mnist", [f"fashion-mnist/{file}" for file in IDX_FILES], "fashion-mnist"),
        ("cifar10", ["cifar-10-python.tar.gz"], "cifar-10-python.tar.gz"),
        (
            "cifar10",
            [f"cifar10/cifar-10-batches-py/{file}" for file in ("test_batch", "batches.meta")]
            + [f"cifar10/cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)],
            "cifar10/cifar-10-batches-py",
        ),
        (
            "cifar100",
            [f"cifar-100-python/{file}" for file in ("train", "test", "meta")],
            "cifar-100-python",
        ),
        ("svhn", ["train_32x32.mat", "test_32x32.mat"], ""),
        ("tiny-imagenet", ["tiny-imagenet/tiny-imagenet-200.zip"], "tiny-imagenet/tiny-imagenet-200.zip"),
        ("imagenet", ["ImageNet/train/n01440764/a.JPEG", "ImageNet/val/b.JPEG"], "ImageNet"),
    ],
)
def test_that_datasets_are_found_where_torchvision_or_a_download_puts_them(
    tmp_path: Path, name: str, files: list[str], found: str
) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    other.mkdir()
    touched(root, *files[:-1]) if len(files) > 1 else root.mkdir()
    assert locate(name, [other, root]).path is None
    touched(root, *files)
    location = locate(name, [other, root])
    assert location.path == root / found
    assert location.size_bytes == (None if name == "imagenet" else 5 * len(files))
    assert located(name, [], root) == root / found  # as data.path, a root of its own
    assert located(name, [], root / found) == root / found  # and the thing itself


def test_that_the_first_root_with_the_files_wins(tmp_path: Path) -> None:
    for root in ("a", "b"):
        touched(tmp_path / root, "cifar-10-python.tar.gz")
    assert located("cifar10", [tmp_path / "b", tmp_path / "a"]).parent == tmp_path / "b"


def test_that_a_missing_dataset_is_answered_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        located("cifar10", [tmp_path])
    assert "`iterand data fetch cifar10`" in str(caught.value)
    assert f"put cifar-10-python.tar.gz into {str(tmp_path / 'cifar10')!r}" in str(caught.value)
    with pytest.raises(UserError, match=r"imagenet' was not found.*\); put train/n01440764, val into"):
        located("imagenet", [tmp_path])
    with pytest.raises(UserError, match=r"does not hold the dataset 'svhn'; put train_32x32\.mat, test"):
        located("svhn", [], tmp_path)
    with pytest.raises(UserError, match="no such file or folder"):
        located("npz", [tmp_path], tmp_path / "absent.npz")
    with pytest.raises(UserError, match="'cifar10'"):
        located("cifar1", [tmp_path])


def test_that_every_catalog_dataset_has_a_location(tmp_path: Path) -> None:
    locations = {location.name: location for location in locate_all([tmp_path])}
    assert list(locations) == list(DATASETS)
    assert locations["digits"].path is not None
    assert locations["digits"].size_bytes
    assert locations["mnist"].expected == tmp_path / "mnist"
    assert locations["mnist"].needs == tuple(IDX_FILES)


# Facts


def test_that_facts_hold_until_the_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    file.write_bytes(b"one")
    store = tmp_path / "made" / "facts.json"
    FileFacts(store).put(file, "fingerprint", "abc")
    FileFacts(store).put(file, "verified", "yes")
    assert FileFacts(store).get(file, "fingerprint") == "abc"
    assert FileFacts(store).get(file, "verified") == "yes"
    file.write_bytes(b"three")
    assert FileFacts(store).get(file, "fingerprint") is None
    store.write_text("no json")
    assert FileFacts(store).get(file, "fingerprint") is None
    FileFacts(None).put(file, "fingerprint", "abc")
    assert FileFacts(None).get(file, "fingerprint") is None


def test_that_facts_that_cannot_be_written_cost_nothing(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    file.write_bytes(b"one")
    facts = FileFacts(file / "facts.json")  # its folder is a file
    facts.put(file, "fingerprint", "abc")
    assert facts.get(file, "fingerprint") is None


# Fetching


@dataclass
class Site:
    """What the local server serves, and what was asked of it."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut_short: bool = False


class Handler(BaseHTTPRequestHandler):
    def __init__(self, site: Site, *args: object) -> None:
        self.site = site
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.site.asked.append(name)
        if name not in self.site.files:
            self.send_error(404)
            return
        data = self.site.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.site.cut_short else data)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, site))
    site.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def idx(*shape: int) -> bytes:
    count = 1
    for size in shape:
        count *= size
    header = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    return gzip.compress(header + bytes(number % 10 for number in range(count)), mtime=0)


@pytest.fixture
def published_mnist(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A small MNIST, put in place of the addresses and checksums of torchvision's class."""
    shapes = [(20, 28, 28), (20,), (5, 28, 28), (5,)]
    files = {name: idx(*shape) for name, shape in zip(IDX_FILES, shapes, strict=True)}
    mnist = import_torchvision().datasets.MNIST
    monkeypatch.setattr(mnist, "resources", [(name, md5(data)) for name, data in files.items()])
    monkeypatch.setattr(mnist, "mirrors", [f"{site.url}gone/", site.url])
    site.files = dict(files)
    return files


def test_that_a_dataset_is_downloaded_checked_and_then_found(
    tmp_path: Path, site: Site, published_mnist: dict[str, bytes]
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    folder = fetch("mnist", tmp_path, lambda *progress: seen.append(progress))
    assert folder == tmp_path / "mnist"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == published_mnist
    first = IDX_FILES[0]
    assert seen[0] == (first, len(published_mnist[first]), len(published_mnist[first]))
    assert site.asked[:2] == [f"gone/{first}", first]  # the second mirror, after the first failed
    dataset = open_dataset(
        DataConfig(dataset="mnist"), roots=[tmp_path], device=torch.device("cpu"), workers=0, seed=1
    )
    assert (dataset.spec.height, dataset.fingerprint) == (32, "mnist-v1")


def test_that_files_that_are_there_are_not_downloaded_again(
    tmp_path: Path, site: Site, published_mnist: dict[str, bytes]
) -> None:
    fetch("mnist", tmp_path)
    site.asked.clear()
    damaged = tmp_path / "mnist" / IDX_FILES[2]
    damaged.write_bytes(b"damaged")
    fetch("mnist", tmp_path)
    assert site.asked == [f"gone/{IDX_FILES[2]}", IDX_FILES[2]]
    assert damaged.read_bytes() == published_mnist[IDX_FILES[2]]


def test_that_a_wrong_or_cut_file_is_not_kept(
    tmp_path: Path, site: Site, published_mnist: dict[str, bytes]
) -> None:
    site.files[IDX_FILES[0]] = b"something else"
    with pytest.raises(UserError, match="MD5 checksum is") as caught:
        fetch("mnist", tmp_path)
    assert str(tmp_path / "mnist" / IDX_FILES[0]) in str(caught.value)
    site.files |= published_mnist
    site.cut_short = True
    with pytest.raises(UserError, match="put it at"):
        fetch("mnist", tmp_path)
    assert list((tmp_path / "mnist").iterdir()) == []


def test_that_without_network_the_error_says_which_file_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cifar = import_torchvision().datasets.CIFAR10
    monkeypatch.setattr(cifar, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(UserError) as caught:
        fetch("cifar10", tmp_path)
    text = str(caught.value)
    assert "Cannot download cifar-10-python.tar.gz (http://127.0.0.1:9/" in text
    assert f"put it at {str(tmp_path / 'cifar10' / 'cifar-10-python.tar.gz')!r}" in text


def test_that_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, published_mnist: dict[str, bytes]
) -> None:
    (tmp_path / "mnist").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"/mnist' is no folder, .*: move it away"):
        fetch("mnist", tmp_path)


def test_that_nothing_is_downloaded_through_a_link(
    tmp_path: Path, published_mnist: dict[str, bytes], site: Site
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "mnist").symlink_to(elsewhere)
    with pytest.raises(UserError, match=r"/mnist' is a link to '.*elsewhere'"):
        fetch("mnist", tmp_path)
    assert list(elsewhere.iterdir()) == []
    assert site.asked == []
    for name, data in published_mnist.items():  # somebody who has the files may link them
        (elsewhere / name).write_bytes(data)
    assert fetch("mnist", tmp_path) == tmp_path / "mnist"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("digits", "comes with the program"),
        ("imagenet", "cannot be downloaded from here; put train/ and val/ into"),
        ("npz", "set data.path instead"),
        ("cifar", "did you mean 'cifar10'"),
    ],
)
def test_that_what_cannot_be_downloaded_is_said(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        fetch(name, tmp_path)


def test_that_every_downloadable_dataset_has_addresses_and_checksums() -> None:
    for entry in DATASETS.values():
        files = downloads.sources(entry.name)
        assert bool(files) == bool(entry.download_bytes)
        for source in files:
            assert len(source.md5) == 32
            assert source.urls
            assert all(url.startswith(("http://", "https://")) for url in source.urls)
            assert source.filename in locate(entry.name, [Path("/nowhere")]).needs
            assert downloads.checksums(entry.name)[source.filename] == source.md5
    assert downloads.checksums("cifar10")["data_batch_3"] == "54ebc095f3ab1f0389bbae665268c751"


def test_that_files_are_verified_once_and_again_when_they_change(
    tmp_path: Path, published_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, hashed = fetch("mnist", tmp_path), []
    real = file_cache.md5_of

    def counting(file: Path) -> str:
        hashed.append(file.name)
        return real(file)

    monkeypatch.setattr(downloads, "md5_of", counting)
    facts = FileFacts(tmp_path / "facts.json")
    for _ in range(2):
        downloads.verify("mnist", folder, facts)
    assert sorted(hashed) == sorted(IDX_FILES)
    (folder / IDX_FILES[1]).write_bytes(published_mnist[IDX_FILES[1]] + b"x")
    with pytest.raises(UserError, match=r"is not the published file of 'mnist'.*delete it and run"):
        downloads.verify("mnist", folder, facts)


def test_that_an_archive_is_verified_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "renamed.tar.gz"
    archive.write_bytes(b"an archive")
    monkeypatch.setattr(import_torchvision().datasets.CIFAR10, "tgz_md5", md5(b"an archive"))
    downloads.verify("cifar10", located("cifar10", [], archive), FileFacts(None))
    archive.write_bytes(b"another archive")
    with pytest.raises(UserError, match="is not the published file of 'cifar10'"):
        downloads.verify("cifar10", archive, FileFacts(None))
