"""Opening array datasets: splits, notes, normalisation, fingerprints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from iterand_engine.config.run_config import DataConfig
from iterand_engine.data import fingerprint as fingerprint_module
from iterand_engine.data.content import ArrayContent, ImageArrays
from iterand_engine.data.dataset import Dataset, Split
from iterand_engine.data.fingerprint import content_fingerprint, dataset_fingerprint
from iterand_engine.data.locate import locate_all
from iterand_engine.data.open import open_dataset
from iterand_engine.errors import UserError
from tests.paths import ROOT

CPU = torch.device("cpu")


def write_npz(path: Path, size: int = 32, *, channels: int = 3, val: int = 0, seed: int = 1) -> Path:
    rng = np.random.default_rng(seed)

    def part(name: str, count: int) -> dict[str, Any]:
        shape = (count, size, size, channels) if channels > 1 else (count, size, size)
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        return {f"{name}_images": images, f"{name}_labels": np.arange(count, dtype=np.uint8) % 5}

    arrays = part("train", 40) | part("test", 10) | (part("val", val) if val else {})
    np.savez(path, **arrays)
    return path


def opened(
    path: Path, *, roots: tuple[Path, ...] = (), channels_last: bool = False, **options: Any
) -> Dataset:
    config = DataConfig(dataset="npz", path=str(path), **options)
    return open_dataset(config, roots=roots, device=CPU, workers=0, seed=1, channels_last=channels_last)


def counts(dataset: Dataset) -> list[int]:
    return [dataset.count(split) for split in Split]


def everything(dataset: Dataset, split: Split) -> tuple[torch.Tensor, torch.Tensor]:
    """All images as prepared, and their labels, in the order of their numbers."""
    batches = list(dataset.batches(split, 7))
    order = torch.argsort(torch.cat([batch.samples for batch in batches]))
    images = torch.cat([dataset.prepare(batch, 0) for batch in batches])[order]
    return images, torch.cat([batch.labels for batch in batches])[order]


def test_that_the_digits_open_without_any_path() -> None:
    dataset = open_dataset(DataConfig(dataset="digits"), roots=[], device=CPU, workers=0, seed=1)
    assert counts(dataset) == [1293, 144, 360]
    assert (dataset.spec.channels, dataset.spec.height, dataset.spec.classes) == (3, 32, 10)
    assert dataset.fingerprint == "digits-v1"
    images, labels = everything(dataset, Split.TEST)
    assert images.shape == (360, 3, 32, 32)
    assert images.dtype == torch.float32
    assert labels.bincount().min() >= 35
    dataset.close()


def test_that_validation_images_are_held_out_of_training_and_stay_with_their_labels(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    dataset = opened(path, augmentation="none")
    assert counts(dataset) == [36, 4, 10]
    assert dataset.notes == ("2 classes ('3', '4') of 5 have no validation images.",)
    with np.load(path) as arrays:
        label_of = {
            image.tobytes(): int(label)
            for image, label in zip(arrays["train_images"], arrays["train_labels"], strict=True)
        }
    seen = []
    for split in (Split.TRAIN, Split.VAL):
        for batch in dataset.batches(split, 8):
            for image, label in zip(batch.images, batch.labels.tolist(), strict=True):
                key = image.permute(1, 2, 0).contiguous().numpy().tobytes()
                assert label_of[key] == label
                seen.append(key)
    assert sorted(seen) == sorted(label_of)


def test_that_the_files_own_validation_images_are_used_and_said(tmp_path: Path) -> None:
    dataset = opened(write_npz(tmp_path / "a.npz", val=6))
    assert counts(dataset) == [40, 6, 10]
    assert dataset.notes == (
        "The dataset brings its own 6 validation images; data.val_fraction 0.1 is ignored.",
    )


def test_that_a_run_without_validation_images_says_so(tmp_path: Path) -> None:
    dataset = opened(write_npz(tmp_path / "a.npz"), val_fraction=0)
    assert counts(dataset) == [40, 0, 10]
    assert "there is no validation accuracy" in dataset.notes[0]


def test_that_a_limit_applies_after_the_split(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    assert counts(opened(path, train_limit=5)) == [5, 4, 10]
    with pytest.raises(UserError, match="train_limit is 37, but only 36"):
        opened(path, train_limit=37)


@pytest.mark.parametrize(("size", "seen"), [(28, 32), (32, 32), (48, 48), (64, 64), (72, 224)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augmentation", ["none", "paper"])
def test_that_any_size_gives_what_its_specification_says(
    tmp_path: Path, size: int, seen: int, channels: int, augmentation: str
) -> None:
    dataset = opened(write_npz(tmp_path / "a.npz", size, channels=channels), augmentation=augmentation)
    assert (dataset.spec.height, dataset.spec.width, dataset.spec.channels) == (seen, seen, 3)
    for split in Split:
        images, _ = everything(dataset, split)
        assert images.shape == (dataset.count(split), 3, seen, seen)
        assert bool(images.isfinite().all())


def test_that_own_statistics_centre_the_training_images(tmp_path: Path) -> None:
    for channels in (1, 3):
        path = write_npz(tmp_path / f"{channels}.npz", channels=channels)
        for channels_last in (False, True):
            dataset = opened(path, augmentation="none", normalization="dataset", channels_last=channels_last)
            images, _ = everything(dataset, Split.TRAIN)
            torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
            torch.testing.assert_close(images.std((0, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-5)


def test_that_constant_images_have_no_statistics_of_their_own(tmp_path: Path) -> None:
    images = np.full((20, 32, 32), 7, np.uint8)
    labels = np.arange(20) % 2
    np.savez(
        tmp_path / "a.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels
    )
    with pytest.raises(UserError, match="use normalization: imagenet"):
        opened(tmp_path / "a.npz", normalization="dataset")


# Fingerprints


def fingerprint_of(path: Path, *roots: Path) -> str:
    return dataset_fingerprint(DataConfig(dataset="npz", path=str(path)), roots)


def test_that_fingerprints_follow_content_and_not_path(tmp_path: Path) -> None:
    first = write_npz(tmp_path / "a.npz")
    same = write_npz(tmp_path / "b.npz")
    other = write_npz(tmp_path / "c.npz", seed=2)
    assert fingerprint_of(first) == fingerprint_of(same) == opened(first).fingerprint
    assert fingerprint_of(first) != fingerprint_of(other)
    assert fingerprint_of(first).startswith("sha256:")


def test_that_named_datasets_have_a_constant_without_reading_anything() -> None:
    assert dataset_fingerprint(DataConfig(dataset="cifar10"), []) == "cifar10-v1"


def test_that_a_label_or_a_part_more_changes_the_fingerprint() -> None:
    images, labels = np.zeros((3, 32, 32), np.uint8), np.array([0, 1, 0])
    part, changed = ImageArrays(images, labels), ImageArrays(images, labels[::-1] * 1 + 1)
    contents = [
        ArrayContent(part, part, ("a", "b", "c")),
        ArrayContent(part, changed, ("a", "b", "c")),
        ArrayContent(part, part, ("a", "b", "c"), val=part),
        ArrayContent(ImageArrays(images.reshape(3, 32, 32, 1), labels), part, ("a", "b", "c")),
    ]
    assert len({content_fingerprint(content) for content in contents}) == 4


def test_that_an_unchanged_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, roots = write_npz(tmp_path / "a.npz"), tmp_path / "data"
    hashed = []
    real = fingerprint_module.content_fingerprint

    def counting(content: ArrayContent) -> str:
        hashed.append(content)
        return real(content)

    monkeypatch.setattr(fingerprint_module, "content_fingerprint", counting)
    first = fingerprint_of(path, roots)
    assert fingerprint_of(path, roots) == first == opened(path, roots=(roots,)).fingerprint
    assert len(hashed) == 1
    write_npz(path, seed=2)
    assert fingerprint_of(path, roots) != first
    assert len(hashed) == 2


def test_that_folder_fingerprints_follow_names_and_sizes(tmp_path: Path) -> None:
    from PIL import Image

    for part, name in (("train", "a"), ("train", "b"), ("test", "a")):
        folder = tmp_path / part / "x"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(folder / f"{name}.png")
    config = DataConfig(dataset="image-folder", path=str(tmp_path))
    first = dataset_fingerprint(config, [])
    assert dataset_fingerprint(config, []) == first
    (tmp_path / "train" / "x" / "b.png").rename(tmp_path / "train" / "x" / "c.png")
    renamed = dataset_fingerprint(config, [])
    Image.new("RGB", (33, 33)).save(tmp_path / "train" / "x" / "c.png")
    assert len({first, renamed, dataset_fingerprint(config, [])}) == 3


# The documentation


def test_that_the_documented_npz_file_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/datasets.md", "exec"), {})
    dataset = opened(tmp_path / "mine.npz")
    assert counts(dataset) == [450, 50, 100]
    assert (dataset.spec.height, dataset.spec.classes) == (32, 4)


def test_that_the_documentation_names_every_dataset_and_file_wanted() -> None:
    text = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    for location in locate_all([]):
        assert f"`{location.name}`" in text
        if location.name not in ("digits", "imagenet"):
            assert all(need in text for need in location.needs)


def test_that_finding_and_fingerprinting_need_no_torch(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz")
    code = f"""
import sys
import subprocess
import sys
from pathlib import Path
import iterand_engine.data.fetch
from iterand_engine.config.run_config import DataConfig
from iterand_engine.data.fingerprint import dataset_fingerprint
from iterand_engine.data.locate import locate_all
locate_all([Path({str(tmp_path)!r})])
print(dataset_fingerprint(DataConfig(dataset="npz", path={str(path)!r}), []))
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, fingerprint_of(path)), done.stderr
