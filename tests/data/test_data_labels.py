"""What is said about the labels of a dataset before it is trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from iterand_engine.config.run_config import DataConfig
from iterand_engine.data.content import ArrayContent, ImageArrays
from iterand_engine.data.dataset import Split
from iterand_engine.data.duplicates import shared_images
from iterand_engine.data.facts import data_facts
from iterand_engine.data.labels import label_notes
from iterand_engine.data.open import open_dataset
from tests.data.image_files import save

BALANCED = [0, 1] * 50
RARE = [int(number in (72, 135, 185)) for number in range(406)]  # 403 : 3; the split keeps these to train
CASES: dict[str, tuple[dict[str, list[int]], dict[str, Any], tuple[str, ...]]] = {
    "nothing": ({"train": BALANCED, "test": [0, 1]}, {}, ()),
    "from 1": (
        {"train": [1, 2] * 50, "test": [1, 2]},
        {},
        ("Labels start at 1 and not at 0: the network gets 1 output that no image belongs to.",),
    ),
    "gaps": (
        {"train": [0, 5] * 50, "test": [0, 5, 2]},
        {},
        (
            "3 classes ('1', '3', '4') of 6 have no images in any part: the labels have gaps, and the "
            "network gets outputs that no image belongs to.",
            "1 class ('2') has no training images, but images to test or validate with: no step teaches what "
            "they look like.",
        ),
    ),
    "many gaps": (
        {"train": [0, 9] * 50, "test": [0, 9]},
        {},
        (
            "8 classes ('1', '2', '3', '4', '5' and 3 more) of 10 have no images in any part: the labels "
            "have gaps, and the network gets outputs that no image belongs to.",
        ),
    ),
    "one class": (
        {"train": [0] * 20, "test": [0]},
        {},
        ("All 20 training images are of one class ('0'): nothing is told apart.",),
    ),
    "a class that is not tested": (
        {"train": BALANCED, "test": [0]},
        {},
        ("1 class ('1') of 2 has no test images.",),
    ),
    "403 to 3": (
        {"train": RARE, "test": [0, 1]},
        {},
        (
            "1 class ('1') of 2 has no validation images; data.split: stratified holds out a share of each "
            "class.",
        ),
    ),
    "403 to 3, stratified": ({"train": RARE, "test": [0, 1]}, {"split": "stratified"}, ()),
    "403 to 3, nothing held out": ({"train": RARE, "test": [0, 1]}, {"val_fraction": 0}, ()),
    "403 to 3, few": (
        {"train": RARE, "test": [0, 1]},
        {"val_fraction": 0, "train_limit": 20},
        ("1 class ('1') of 2 has no training images left after the split and data.train_limit.",),
    ),
    "own validation images": (
        {"train": BALANCED, "test": [0, 1], "val": [1, 1]},
        {},
        ("1 class ('0') of 2 has no validation images.",),
    ),
}


@pytest.mark.parametrize(("labels", "options", "notes"), CASES.values(), ids=CASES.keys())
def test_that_what_is_unusual_is_said(
    labels: dict[str, list[int]], options: dict[str, Any], notes: tuple[str, ...]
) -> None:
    arrays = {part: np.array(one) for part, one in labels.items()}
    names = [str(number) for number in range(1 + max(max(one) for one in labels.values()))]
    config = DataConfig(dataset="npz", path="x", **options)
    assert label_notes(config, arrays, names) == notes


def test_that_it_is_said_before_training_and_by_the_run_and_that_the_split_is_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.array(RARE)
    np.savez(
        tmp_path / "rare.npz",
        train_images=rng.integers(0, 256, (406, 8, 8), dtype=np.uint8),
        train_labels=labels,
        test_images=rng.integers(0, 256, (2, 8, 8), dtype=np.uint8),
        test_labels=np.array([0, 1]),
    )
    said = "1 class ('1') of 2 has no validation images"
    for split, expected in (("fixed", 0), ("stratified", 1)):
        options = {"dataset": "npz", "path": str(tmp_path / "rare.npz"), "split": split}
        config = DataConfig.model_validate(options)
        dataset = open_dataset(config, roots=[], device=torch.device("cpu"), workers=0, seed=1)
        facts = data_facts(config, [], 1 << 40)
        assert (facts.train_count, facts.val_count) == (365, 41)
        assert (dataset.count(Split.TRAIN), dataset.count(Split.VAL)) == (365, 41)
        assert next(dataset.batches(Split.VAL, 41)).labels.sum() == expected
        for notes in (facts.notes, dataset.notes):
            assert any(note.startswith(said) for note in notes) == (expected == 0)


SHARED = (
    "2 of 5 test images are also among the training images: accuracy on them says little.",
    "1 of 3 validation images are also among the training images: accuracy on them says little.",
    "3 of 5 test images are also among the validation images: accuracy on them says little.",
)


def test_that_images_that_parts_share_are_counted(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10, 40, 40), dtype=np.uint8)
    train, val = images[:6], np.stack([images[5], images[6], images[7]])
    test = np.stack([images[5], images[0], images[6], images[7], images[8]])
    labels = {"train": np.array([0, 1] * 3), "val": np.array([0, 1, 0]), "test": np.array([0, 1, 0, 1, 0])}
    arrays = {
        part: ImageArrays(one, labels[part])
        for part, one in {"train": train, "val": val, "test": test}.items()
    }
    content = ArrayContent(arrays["train"], arrays["test"], ("0", "1"), arrays["val"])
    assert shared_images(content) == SHARED
    assert (
        shared_images(ArrayContent(arrays["train"], ImageArrays(images[8:], labels["val"][:2]), ("0",))) == ()
    )

    for part, one in arrays.items():
        for number, image in enumerate(one.images):
            save(Image.fromarray(image), tmp_path / part / str(one.labels[number]) / f"{number}.bmp")
    config = DataConfig(dataset="image-folder", path=str(tmp_path))
    dataset = open_dataset(config, roots=[], device=torch.device("cpu"), workers=0, seed=1)
    assert dataset.notes[-3:] == SHARED

    parts = {
        f"{part}_{what}": getattr(one, what) for part, one in arrays.items() for what in ("images", "labels")
    }
    np.savez(tmp_path / "a.npz", **parts)
    config = DataConfig(dataset="npz", path=str(tmp_path / "a.npz"))
    dataset = open_dataset(config, roots=[], device=torch.device("cpu"), workers=0, seed=1)
    assert dataset.notes[-3:] == SHARED
