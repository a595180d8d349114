"""The npz reader: the MedMNIST layout, and one clear sentence for everything that is not it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iterand_engine.data.readers.npz import npz
from iterand_engine.errors import UserError


def arrays(size: int = 32, channels: tuple[int, ...] = (3,)) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {
        "train_images": rng.integers(0, 256, (8, size, size, *channels), dtype=np.uint8),
        "train_labels": np.array([0, 1, 2, 3, 0, 1, 2, 3], dtype=np.uint8),
        "test_images": rng.integers(0, 256, (4, size, size, *channels), dtype=np.uint8),
        "test_labels": np.array([0, 1, 2, 3], dtype=np.uint8),
    }


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "set.npz"
    np.savez(path, **content)
    return path


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("column", [False, True])
def test_that_the_medmnist_layout_is_read(tmp_path: Path, channels: tuple[int, ...], column: bool) -> None:
    content = arrays(28, channels)
    if column:
        content |= {name: content[name][:, None] for name in ("train_labels", "test_labels")}
    read = npz(written(tmp_path, content))
    assert np.array_equal(read.train.images, content["train_images"])
    assert read.test.labels.tolist() == [0, 1, 2, 3]
    assert read.class_names == ("0", "1", "2", "3")
    assert read.val is None


def test_that_validation_images_of_the_file_are_read(tmp_path: Path) -> None:
    content = arrays()
    content |= {"val_images": content["test_images"][:2], "val_labels": np.array([5, 0])}
    read = npz(written(tmp_path, content))
    assert read.val is not None
    assert read.val.labels.tolist() == [5, 0]
    assert len(read.class_names) == 6


IMAGES, LABELS = "train_images", "train_labels"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing array": (
        {"test_labels": None},
        "it has no array 'test_labels' (found: train_images, train_labels",
    ),
    "half a validation part": ({"val_images": np.zeros((1, 32, 32), np.uint8)}, "but no 'val_labels'"),
    "float images": ({IMAGES: np.zeros((8, 32, 32))}, "train_images has dtype float64; it must be uint8"),
    "two channels": ({IMAGES: np.zeros((8, 32, 32, 2), np.uint8)}, "has shape (8, 32, 32, 2)"),
    "channels first": ({IMAGES: np.zeros((8, 3, 32, 32), np.uint8)}, "has shape (8, 3, 32, 32)"),
    "flat images": ({IMAGES: np.zeros((8, 1024), np.uint8)}, "has shape (8, 1024)"),
    "not square": ({IMAGES: np.zeros((8, 32, 30), np.uint8)}, "images of 32x30 px"),
    "no images": ({IMAGES: np.zeros((0, 32, 32), np.uint8), LABELS: np.zeros(0, int)}, "so no images"),
    "another size": ({IMAGES: np.zeros((8, 28, 28, 3), np.uint8)}, "train 28 px x 3, test 32 px x 3"),
    "other channels": ({IMAGES: np.zeros((8, 32, 32), np.uint8)}, "train 32 px x 1, test 32 px x 3"),
    "too few labels": ({LABELS: np.zeros(7, int)}, "has shape (7,) but train_images has 8 images"),
    "several labels": ({LABELS: np.zeros((8, 14), int)}, "has shape (8, 14) but train_images has 8 images"),
    "negative label": ({LABELS: np.full(8, -1)}, "train_labels goes from -1 to -1"),
    "float labels": ({LABELS: np.zeros(8)}, "train_labels has dtype float64; labels must be whole numbers"),
    "text labels": ({LABELS: np.array(["cat"] * 8)}, "train_labels has dtype <U3"),
    "wild label": ({LABELS: np.full(8, 2**40)}, "its highest label is 1099511627776"),
    "pickled": ({LABELS: np.array([None] * 8)}, "train_labels holds Python objects, which are never loaded"),
}


@pytest.mark.parametrize(("change", "reason"), WRONG.values(), ids=WRONG.keys())
def test_that_a_wrong_file_is_refused_with_what_is_wrong(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    content = {name: value for name, value in (arrays() | change).items() if value is not None}
    path = written(tmp_path, content)
    with pytest.raises(UserError, match=re.escape(reason)) as caught:
        npz(path)
    assert str(path) in str(caught.value)


def test_that_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        npz(tmp_path / "absent.npz")
    for name, data in {"text": b"hello", "empty": b"", "zip": b"PK\3\4 no zip"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="it is not an npz file"):
            npz(tmp_path / name)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match="a single array"):
        npz(tmp_path / "one.npy")
    with pytest.raises(UserError, match="there is no such file"):
        npz(tmp_path)


def test_that_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, arrays())
    data = bytearray(path.read_bytes())
    data[2000:2100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(UserError, match="train_images is damaged"):
        npz(path)
