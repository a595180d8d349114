"""Tiny-ImageNet and ImageNet: listed from small files in the published layouts."""

from __future__ import annotations

import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from iterand_engine.config.catalog import DATASETS
from iterand_engine.config.dataset_files import Download
from iterand_engine.config.run_config import DataConfig
from iterand_engine.data.dataset import Split
from iterand_engine.data.file_cache import md5_of
from iterand_engine.data.open import open_dataset
from iterand_engine.data.readers.imagenet import imagenet
from iterand_engine.data.readers.tiny_imagenet import tiny_imagenet
from iterand_engine.data.transforms.decode import ImageReader
from iterand_engine.errors import UserError
from tests.data.image_files import names_of, save


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write_image(path: Path, seed: int) -> None:
    save(picture(seed), path)


def tiny_files() -> dict[str, bytes]:
    def jpeg(seed: int) -> bytes:
        stream = io.BytesIO()
        picture(seed).save(stream, "JPEG")
        return stream.getvalue()

    files = {
        "wnids.txt": b"n02\nn01\n",
        "words.txt": b"n01\tgoldfish, Carassius auratus\nn02\tsalamander\nn03\tunused\n",
        "val/val_annotations.txt": b"val_0.JPEG\tn02\t0\t0\t62\t62\nval_1.JPEG\tn01\t1\t1\t5\t5\n",
        "train/n01/n01_boxes.txt": b"n01_0.JPEG\t0\t0\t3\t3\n",
        "test/images/test_0.JPEG": jpeg(9),
    }
    files |= {f"val/images/val_{number}.JPEG": jpeg(number) for number in range(2)}
    train = [(wnid, number) for wnid in ("n01", "n02") for number in range(10)]
    return files | {f"train/{wnid}/images/{wnid}_{number}.JPEG": jpeg(number) for wnid, number in train}


def write_tiny_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in tiny_files().items():
            archive.writestr(f"tiny-imagenet-200/{name}", data)
    return path


def test_that_tiny_imagenet_is_read_from_zip_and_folder(tmp_path: Path) -> None:
    archive = write_tiny_zip(tmp_path / "tiny-imagenet-200.zip")
    with zipfile.ZipFile(archive) as opened_archive:
        opened_archive.extractall(tmp_path)
    pictures = []
    for path, prefix in ((archive, "tiny-imagenet-200/"), (tmp_path / "tiny-imagenet-200", "")):
        content = tiny_imagenet(path)
        assert content.class_names == ("goldfish", "salamander")
        assert content.train.published
        assert content.test.published
        assert content.train.labels.tolist() == [0] * 10 + [1] * 10
        assert names_of(content.train)[0] == f"{prefix}train/n01/images/n01_0.JPEG"
        assert names_of(content.test) == [f"{prefix}val/images/val_{number}.JPEG" for number in (1, 0)]
        assert content.test.labels.tolist() == [0, 1]
        with ImageReader(content.train.root) as reader:
            pictures.append(np.asarray(reader.open(content.train.names[7]).image))
    assert np.array_equal(pictures[0], pictures[1])


def test_that_wrong_tiny_imagenet_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        tiny_imagenet(tmp_path / "absent.zip")
    (tmp_path / "a.zip").write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a complete zip"):
        tiny_imagenet(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("other.txt", "x")
    with pytest.raises(UserError, match=r"wnids\.txt"):
        tiny_imagenet(tmp_path / "b.zip")
    with pytest.raises(UserError, match=r"it needs train/, val/ and wnids\.txt"):
        tiny_imagenet(tmp_path)


def write_imagenet(root: Path, *, flat: bool) -> None:
    for wnid in ("n01440764", "n01443537"):
        write_image(root / "train" / wnid / f"{wnid}_1.JPEG", 1)
        if not flat:
            write_image(root / "val" / wnid / "ILSVRC2012_val_1.JPEG", 2)
    if flat:
        for number in range(1, 4):
            write_image(root / "val" / f"ILSVRC2012_val_{number:08}.JPEG", number)


def write_development_kit(root: Path) -> None:
    """As published: class numbers in another order than the WordNet ids, and inner synsets after them."""
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    rows = [
        (1, "n01443537", "goldfish, Carassius auratus", "a fish", 0),
        (2, "n01440764", "tench, Tinca tinca", "a fish", 0),
        (1001, "n00001740", "entity", "everything", 2),
    ]
    synsets = np.array(rows, dtype=kind)
    meta: Any = io.BytesIO()
    savemat(meta, {"synsets": synsets[:, None]})
    members = {
        "ILSVRC2012_devkit_t12/data/meta.mat": meta.getvalue(),
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": b"2\n1\n2\n",
    }
    with tarfile.open(root / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def test_that_imagenet_is_listed_by_wordnet_id(tmp_path: Path) -> None:
    write_imagenet(tmp_path, flat=False)
    content = imagenet(tmp_path)
    assert content.class_names == ("n01440764", "n01443537")
    assert content.test.labels.tolist() == [0, 1]
    write_development_kit(tmp_path)
    assert imagenet(tmp_path).class_names == ("tench", "goldfish")


def test_that_a_flat_val_folder_needs_the_development_kit(tmp_path: Path) -> None:
    write_imagenet(tmp_path, flat=True)
    with pytest.raises(
        UserError, match=r"put the images into val/WNID/ folders, or ILSVRC2012_devkit_t12\.tar\.gz"
    ):
        imagenet(tmp_path)
    write_development_kit(tmp_path)
    content = imagenet(tmp_path)
    assert names_of(content.test)[0] == "val/ILSVRC2012_val_00000001.JPEG"
    assert content.test.labels.tolist() == [0, 1, 0]
    with tarfile.open(tmp_path / "ILSVRC2012_devkit_t12.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"damaged")
    assert imagenet(tmp_path).test.labels.tolist() == [0, 1, 0]
    (tmp_path / "val" / "ILSVRC2012_val_00000003.JPEG").unlink()
    with pytest.raises(UserError, match="holds 2 images, but the development kit labels 3"):
        imagenet(tmp_path)


def test_that_a_damaged_development_kit_is_refused(tmp_path: Path) -> None:
    write_imagenet(tmp_path, flat=False)
    (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"damaged")
    with pytest.raises(UserError, match="put a complete ILSVRC2012_devkit_t12"):
        imagenet(tmp_path)


def test_that_tiny_imagenet_opens_from_its_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_tiny_zip(tmp_path / "tiny-imagenet-200.zip")
    published = Download(archive.name, (), md5_of(archive))
    entry = replace(DATASETS["tiny-imagenet"], downloads=(published,))
    monkeypatch.setitem(DATASETS, "tiny-imagenet", entry)
    dataset = open_dataset(
        DataConfig(dataset="tiny-imagenet"), roots=[tmp_path], device=torch.device("cpu"), workers=0, seed=1
    )
    assert [dataset.count(split) for split in Split] == [18, 2, 2]
    assert dataset.spec.height == 64
    assert dataset.fingerprint == "tiny-imagenet-v1"
