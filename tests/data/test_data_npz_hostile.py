"""npz files that lie about their size, or hold what is never loaded: refused before they are read."""

from __future__ import annotations

import io
import re
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.lib import format as npy

from iterand_engine.data.readers.npz import counted, npz
from iterand_engine.errors import UserError
from tests.data.test_data_npz import arrays, written

GB = 10**9
PATIENCE_S, MEMORY_BYTES = 2.0, 50_000_000


def header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": dtype})
    return stream.getvalue()


def member(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def packed(path: Path, **members: bytes) -> Path:
    """An npz file with the members of a good one, except for these."""
    good = {name: member(array) for name, array in arrays().items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (good | members).items():
            archive.writestr(f"{name}.npy", data)
    return path


def zeros(path: Path, count: int) -> Path:
    """A file whose training images are zeros, 3 KiB each, written piece by piece."""
    labels = member(np.zeros(count, np.uint8))
    packed(path, train_labels=labels)
    with zipfile.ZipFile(path) as archive:
        rest = {name: archive.read(name) for name in archive.namelist() if "train_images" not in name}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in rest.items():
            archive.writestr(name, data)
        with archive.open("train_images.npy", "w", force_zip64=True) as stream:
            stream.write(header((count, 32, 32, 3)))
            for _ in range(count // 1000):
                stream.write(bytes(1000 * 32 * 32 * 3))
    return path


def refused(path: Path, reason: str) -> None:
    """The file is refused with this reason, by looking and by reading, soon and with little memory."""
    for read in (counted, npz):
        look: Callable[[Path], object] = read
        tracemalloc.start()
        began = time.process_time()
        try:
            with pytest.raises(UserError, match=re.escape(reason)) as caught:
                look(path)
            assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
        finally:
            tracemalloc.stop()
        assert time.process_time() - began < PATIENCE_S
        text = str(caught.value)
        assert "\n" not in text
        assert "allow_pickle" not in text
        assert "trust" not in text


def test_that_a_header_that_declares_40_gb_is_refused(tmp_path: Path) -> None:
    lie = header((40 * GB // 3072, 32, 32, 3))
    refused(packed(tmp_path / "a.npz", train_images=lie + bytes(3072)), "train_images declares 40 GB but the")


def test_that_what_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    refused(zeros(tmp_path / "a.npz", 100_000), "which no pictures do")  # 307 MB


def test_that_what_does_not_fit_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, arrays())
    npz(path)
    memory = psutil.virtual_memory()._replace(total=40_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    refused(path, "its arrays take 37 kB, more than half of this machine's memory (40 kB)")


def test_that_a_member_unpacks_to_no_more_than_its_archive_declares(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz", train_images=header((8, 32, 32, 3)) + bytes(64_000_000))
    declared = (64_000_000 + len(header((8, 32, 32, 3)))).to_bytes(4, "little")
    honest = (8 * 3072 + len(header((8, 32, 32, 3)))).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(declared) == 2
    path.write_bytes(data.replace(declared, honest))
    counted(path)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="train_images is damaged"):
            npz(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES
    finally:
        tracemalloc.stop()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "objects": (member(np.array([{}] * 8)), "holds Python objects, which are never loaded"),
    "objects in fields": (header((8,), "|O"), "holds Python objects, which are never loaded"),
    "endless header": (
        b"\x93NUMPY\x02\x00" + (2**32 - 1).to_bytes(4, "little"),
        "longer than a header can be",
    ),
    "header of another kind": (b"\x93NUMPY\x01\x00\x05\x00hello", "its header cannot be read"),
    "nested header": (
        b"\x93NUMPY\x01\x00" + (4000).to_bytes(2, "little") + b"(" * 4000,
        "its header cannot be read",
    ),
    "negative shape": (header((-8, -32, 32, 3)) + bytes(8 * 3072), "declares the shape (-8, -32, 32, 3)"),
    "no npy": (b"hello", "train_images is not an array in npy format"),
    "nothing": (b"", "train_images is not an array in npy format"),
}


@pytest.mark.parametrize(("data", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_that_a_hostile_array_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    refused(packed(tmp_path / "a.npz", train_images=data), reason)


def test_that_an_encrypted_array_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.npz")
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(signature) + place] |= 1
    path.write_bytes(data)
    refused(path, "train_images is encrypted; save it without a password")


def test_that_a_truncated_file_is_refused(tmp_path: Path) -> None:
    data = written(tmp_path, arrays()).read_bytes()
    for share in (0.1, 0.5, 0.99):
        path = tmp_path / f"{share}.npz"
        path.write_bytes(data[: int(share * len(data))])
        refused(path, "it is not an npz file, or not all of one")


# What people save


def test_that_fortran_order_and_big_endian_labels_are_read_as_they_are_meant(tmp_path: Path) -> None:
    content = arrays()
    plain = npz(written(tmp_path, content))
    content |= {
        "train_images": np.asfortranarray(content["train_images"]),
        "train_labels": content["train_labels"].astype(">i4")[:, None],
    }
    read = npz(written(tmp_path, content))
    assert np.array_equal(read.train.images, plain.train.images)
    assert read.train.images.flags["C_CONTIGUOUS"]
    assert np.array_equal(read.train.labels, plain.train.labels)
    assert read.train.labels.dtype == np.int64


IMAGES = (8, 32, 32, 3)
MEANT: dict[str, tuple[dict[str, Any], str]] = {
    "float": ({"train_images": np.zeros(IMAGES, np.float32)}, "save (255 * values).round().astype('uint8')"),
    "16 bit": ({"train_images": np.zeros(IMAGES, ">u2")}, "save (values / 257).round().astype('uint8')"),
    "bool": ({"train_images": np.zeros(IMAGES, bool)}, "save 255 * values.astype('uint8')"),
    "channels first": (
        {"train_images": np.zeros((8, 3, 32, 32), np.uint8)},
        "its channels come second: save train_images.transpose(0, 2, 3, 1)",
    ),
    "float labels": ({"train_labels": np.zeros(8)}, "save train_labels.astype('int64')"),
    "huge label": ({"train_labels": np.full(8, 2**64 - 1, np.uint64)}, "its highest label is 18446744073709"),
    "another case": (
        {"train_images": None, "Train_Images": np.zeros(IMAGES, np.uint8)},
        "it has 'Train_Images'; name that array 'train_images'",
    ),
}


@pytest.mark.parametrize(("change", "reason"), MEANT.values(), ids=MEANT.keys())
def test_that_a_refusal_says_what_to_save_instead(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    content = {name: value for name, value in (arrays() | change).items() if value is not None}
    refused(written(tmp_path, content), reason)
