"""Folders of images: how they are listed, decoded, cropped as torchvision does, and streamed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from iterand_engine.config.run_config import DataConfig
from iterand_engine.data.dataset import Dataset, Split
from iterand_engine.data.facts import data_facts
from iterand_engine.data.fingerprint import content_fingerprint
from iterand_engine.data.in_memory import InMemoryDataset
from iterand_engine.data.open import open_dataset
from iterand_engine.data.readers.image_folder import VALIDATION, image_folder
from iterand_engine.data.streamed import StreamedDataset
from iterand_engine.data.torchvision_import import import_torchvision
from iterand_engine.data.transforms.crops import random_resized_crops, sample_words
from iterand_engine.data.transforms.decode import ImageForm, evaluation_view, training_view
from iterand_engine.errors import UserError
from tests.data.image_files import names_of, save
from tests.patience import PATIENCE_S

CPU = torch.device("cpu")


def pixels(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_image(path: Path, seed: int, height: int = 40, width: int = 40) -> None:
    save(Image.fromarray(pixels(seed, height, width)), path)


def write_classes(root: Path, part: str, per_class: int, height: int = 40, width: int = 40) -> None:
    for label, name in enumerate(("ant", "bee")):
        for number in range(per_class):
            write_image(root / part / name / f"{number:02}.png", 100 * label + number, height, width)


def opened(root: Path, **options: Any) -> Dataset:
    """An image-folder dataset, in this process."""
    extra: dict[str, Any] = {"workers": 0}
    extra |= {
        name: options.pop(name) for name in ("memory_bytes", "workers", "channels_last") if name in options
    }
    config = DataConfig(dataset="image-folder", path=str(root), **options)
    return open_dataset(config, roots=[], device=CPU, seed=3, **extra)


# Listing


def test_that_classes_and_files_are_listed_in_order(tmp_path: Path) -> None:
    write_classes(tmp_path, "train", 2)
    write_classes(tmp_path, "test", 1)
    write_image(tmp_path / "train" / "bee" / "deeper" / "x.JPG", 1)
    (tmp_path / "train" / "bee" / "notes.txt").write_text("no image")
    content = image_folder(tmp_path)
    assert content.class_names == ("ant", "bee")
    assert names_of(content.train) == [
        "train/ant/00.png",
        "train/ant/01.png",
        "train/bee/00.png",
        "train/bee/01.png",
        "train/bee/deeper/x.JPG",
    ]
    assert content.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert names_of(content.test) == ["test/ant/00.png", "test/bee/00.png"]
    assert content.val is None


def test_that_val_is_validation_beside_test_and_the_test_set_without_it(tmp_path: Path) -> None:
    write_classes(tmp_path, "train", 2)
    write_classes(tmp_path, "val", 1)
    content = image_folder(tmp_path)
    assert names_of(content.test) == ["val/ant/00.png", "val/bee/00.png"]
    assert "val/ is the test set" in content.notes[0]
    write_classes(tmp_path, "test", 1)
    content = image_folder(tmp_path)
    assert content.val is not None
    assert names_of(content.val) == ["val/ant/00.png", "val/bee/00.png"]
    assert names_of(content.test) == ["test/ant/00.png", "test/bee/00.png"]


def test_that_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        image_folder(tmp_path / "absent")
    with pytest.raises(UserError, match=r"needs train/CLASS/\*\.png.*found: none"):
        image_folder(tmp_path)
    write_classes(tmp_path, "train", 1)
    with pytest.raises(UserError, match=r"found: train/\)"):
        image_folder(tmp_path)
    (tmp_path / "test").mkdir()
    with pytest.raises(UserError, match=r"test'.*no class folders"):
        image_folder(tmp_path)
    write_image(tmp_path / "test" / "wasp" / "0.png", 1)
    with pytest.raises(UserError, match="'wasp' is not a class of train/"):
        image_folder(tmp_path)
    (tmp_path / "test" / "wasp").rename(tmp_path / "test" / "bee")
    assert len(image_folder(tmp_path).test.names) == 1
    (tmp_path / "train" / "cicada").mkdir()
    with pytest.raises(UserError, match=r"cicada'.*holds no images"):
        image_folder(tmp_path)


# Which files are the dataset


def test_that_hidden_and_system_and_foreign_entries_are_left_out_and_counted(tmp_path: Path) -> None:
    write_classes(tmp_path, "train", 2)
    write_classes(tmp_path, "test", 1)
    wanted = names_of(image_folder(tmp_path).train)
    fingerprint = content_fingerprint(image_folder(tmp_path))
    assert image_folder(tmp_path).notes == ()
    for name in (
        *("train/ant/.ipynb_checkpoints/00-checkpoint.png", "train/ant/@eaDir/00.png", "train/ant/._00.png"),
        *("train/__MACOSX/00.png", ".git/00.png", "train/.DS_Store.png"),
    ):
        write_image(tmp_path / name, 1)
    (tmp_path / "train" / "bee" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "train" / "bee" / "notes.txt").write_text("no image")
    write_image(tmp_path / "train" / "stray.png", 1)
    write_image(tmp_path / "extra" / "ant" / "00.png", 1)
    content = image_folder(tmp_path)
    assert names_of(content.train) == wanted
    assert content.class_names == ("ant", "bee")
    assert content_fingerprint(content) == fingerprint
    assert content.notes == (
        "7 entries left out as hidden or of the system: '.git', 'train/.DS_Store.png', 'train/__MACOSX' "
        "and 4 more.",
        "1 entry left out as no image by its name: 'train/bee/notes.txt'.",
        "2 entries left out as outside the class folders: 'extra', 'train/stray.png'.",
    )


def test_that_special_files_and_links_to_nowhere_are_named_and_never_opened(tmp_path: Path) -> None:
    write_classes(tmp_path, "train", 2)
    write_classes(tmp_path, "test", 1)
    ant = tmp_path / "train" / "ant"
    (ant / "linked.png").symlink_to(ant / "00.png")
    os.mkfifo(ant / "pipe.png")
    (ant / "dangling.png").symlink_to(ant / "absent.png")
    (ant / "loop.png").symlink_to(ant / "loop.png")
    (ant / "again").symlink_to(tmp_path / "train")
    (tmp_path / "train" / "here").symlink_to(tmp_path / "train")
    (tmp_path / "train" / "round").symlink_to("round")
    content = image_folder(tmp_path)
    assert names_of(content.train)[:3] == [f"train/ant/{name}.png" for name in ("00", "01", "linked")]
    assert content.class_names == ("ant", "bee")
    assert set(content.notes) == {
        "1 entry left out as a pipe, socket or device: 'train/ant/pipe.png'.",
        "3 entries left out as a link that leads nowhere: 'train/round', 'train/ant/dangling.png', "
        "'train/ant/loop.png'.",
        "2 entries left out as a linked folder: 'train/here', 'train/ant/again'.",
    }
    assert opened(tmp_path, val_fraction=0).count(Split.TRAIN) == 5
    facts = data_facts(DataConfig(dataset="image-folder", path=str(tmp_path)), [], 1 << 40)
    assert set(content.notes) <= set(facts.notes)


@pytest.mark.parametrize("name", VALIDATION)
def test_that_each_common_name_of_the_validation_folder_is_read(tmp_path: Path, name: str) -> None:
    write_classes(tmp_path, "train", 2)
    write_classes(tmp_path, name, 1)
    content = image_folder(tmp_path)
    assert names_of(content.test) == [f"{name}/ant/00.png", f"{name}/bee/00.png"]
    assert f"{name}/ is the test set" in content.notes[0]
    write_classes(tmp_path, "test", 1)
    content = image_folder(tmp_path)
    assert content.val is not None
    assert names_of(content.val) == [f"{name}/ant/00.png", f"{name}/bee/00.png"]
    other = "valid" if name == "val" else "val"
    write_classes(tmp_path, other, 1)
    with pytest.raises(UserError, match="both mean the validation images; keep one"):
        image_folder(tmp_path)


# Views


@pytest.mark.parametrize(("height", "width"), [(300, 400), (401, 263), (150, 151), (224, 224)])
def test_that_large_views_equal_torchvision_on_pillow_images(height: int, width: int) -> None:
    functional = import_torchvision().transforms.functional
    image, form = Image.fromarray(pixels(1, height, width)), ImageForm.of(max(height, width))
    theirs = functional.center_crop(functional.resize(image, 256), [224, 224])
    assert np.array_equal(evaluation_view(image, form), np.asarray(theirs))
    for sample in range(6):
        words = sample_words(2, 0, torch.tensor([sample]))
        crops = random_resized_crops(words, torch.tensor([height]), torch.tensor([width]))
        top, left, tall, wide = (int(one) for one in (crops.top, crops.left, crops.height, crops.width))
        theirs = functional.resized_crop(image, top, left, tall, wide, [224, 224])
        theirs = functional.hflip(theirs) if bool(crops.flip) else theirs
        ours = training_view(image, form, "paper", tuple(words[0].tolist()))
        assert np.array_equal(ours, np.asarray(theirs))


@pytest.mark.parametrize(("side", "size"), [(8, 32), (28, 32), (31, 32), (32, 32), (64, 64), (65, 224)])
def test_that_the_size_rule_is_followed(side: int, size: int) -> None:
    form = ImageForm.of(side)
    view = evaluation_view(Image.fromarray(pixels(1, side, side)), form)
    assert form.size == size
    assert view.shape == (size, size, 3)
    if side < 32:
        before = (32 - side) // 2
        assert np.array_equal(view[before : before + side, before : before + side], pixels(1, side, side))
        assert view.astype(int).sum() == pixels(1, side, side).astype(int).sum()


# Opening


@pytest.fixture(scope="module")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    write_classes(root, "train", 10)
    write_classes(root, "test", 3)
    return root


@pytest.fixture(scope="module")
def large_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    write_classes(root, "train", 5, 90, 120)
    write_classes(root, "test", 2, 90, 120)
    return root


def prepared(dataset: Dataset, split: Split, epoch: int = 0) -> dict[int, torch.Tensor]:
    views = {}
    for batch in dataset.batches(split, 4, seed=3, epoch=epoch):
        for sample, view in zip(batch.samples.tolist(), dataset.prepare(batch, 0), strict=True):
            views[sample] = view
    return views


@pytest.mark.parametrize("augmentation", ["none", "crop", "crop-flip", "paper"])
def test_that_streaming_gives_the_same_small_images_as_memory(small_root: Path, augmentation: str) -> None:
    inside, streamed = (
        opened(small_root, augmentation=augmentation, memory_bytes=size) for size in (10**9, 1)
    )
    assert isinstance(inside, InMemoryDataset)
    assert isinstance(streamed, StreamedDataset)
    assert inside.fingerprint == streamed.fingerprint
    for split in Split:
        assert inside.count(split) == streamed.count(split) == {"train": 18, "val": 2, "test": 6}[split]
        for epoch in (0, 1):
            ours, theirs = prepared(inside, split, epoch), prepared(streamed, split, epoch)
            assert list(ours) == list(theirs)
            for sample, view in ours.items():
                levels = (view - theirs[sample]).abs() * 255 * 0.229
                assert float(levels.max()) <= (1.1 if split is Split.TRAIN else 1e-3)  # Pillow rounds twice
    streamed.close()


def test_that_large_folders_are_decoded_at_the_size_their_augmentation_needs(large_root: Path) -> None:
    sides = {}
    for augmentation in ("none", "crop-flip", "paper"):
        dataset = opened(large_root, augmentation=augmentation)
        assert (dataset.spec.height, dataset.spec.classes) == (224, 2)
        batch = next(dataset.batches(Split.TRAIN, 4))
        sides[augmentation] = batch.images.shape[-1]
        assert dataset.prepare(batch, 0).shape == (4, 3, 224, 224)
        assert next(dataset.batches(Split.TEST, 4)).images.shape[-1] == 224
    assert sides == {"none": 224, "crop-flip": 224, "paper": 256}


def test_that_folders_that_exceed_a_quarter_of_memory_are_streamed(small_root: Path) -> None:
    decoded_bytes = (18 + 2 + 6) * 3 * 40 * 40
    assert isinstance(opened(small_root, memory_bytes=4 * decoded_bytes), InMemoryDataset)
    assert isinstance(opened(small_root, memory_bytes=4 * decoded_bytes - 1), StreamedDataset)


def test_that_loading_processes_give_what_this_process_gives_and_end_with_close(large_root: Path) -> None:
    alone = opened(large_root, memory_bytes=1)
    helped = opened(large_root, memory_bytes=1, workers=1, channels_last=True)
    try:
        next(helped.batches(Split.TRAIN, 2, epoch=9))  # a pass that is given up
        for epoch in (0, 1):  # the same process serves both
            expected, views = (prepared(one, Split.TRAIN, epoch) for one in (alone, helped))
            assert list(expected) == list(views)
            for sample, view in views.items():
                torch.testing.assert_close(view, expected[sample], rtol=0, atol=1e-5)
        rest = [batch.samples for batch in helped.batches(Split.TRAIN, 4, seed=3, epoch=0, first=1)]
        assert torch.equal(torch.cat(rest), torch.tensor(list(prepared(alone, Split.TRAIN))[4:]))
        assert loading_processes()
    finally:
        helped.close()
    deadline = time.monotonic() + PATIENCE_S
    while loading_processes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not loading_processes()


def loading_processes() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.parametrize("memory_bytes", [1, 10**9])
def test_that_a_damaged_image_is_named(tmp_path: Path, memory_bytes: int) -> None:
    write_classes(tmp_path, "train", 3)
    write_classes(tmp_path, "test", 2)
    broken = tmp_path / "test" / "bee" / "01.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(UserError, match=r"image 'test/bee/01\.png'.*replace or remove it"):
        prepared(opened(tmp_path, memory_bytes=memory_bytes), Split.TEST)


def test_that_small_images_of_several_sizes_are_resized_and_a_note_says_so(tmp_path: Path) -> None:
    write_classes(tmp_path, "train", 4)
    write_classes(tmp_path, "test", 2, 20, 24)
    assert not any("resized" in note for note in opened(tmp_path).notes)
    write_image(tmp_path / "train" / "ant" / "wide.png", 7, 30, 48)
    dataset = opened(tmp_path)
    assert "Images differ in size or are not square; all are resized to 48x48 px." in dataset.notes
    assert next(dataset.batches(Split.TEST, 2)).images.shape == (2, 3, 48, 48)


def test_that_streamed_statistics_equal_those_of_memory(small_root: Path) -> None:
    inside, streamed = (
        opened(small_root, augmentation="none", normalization="dataset", memory_bytes=size)
        for size in (10**9, 1)
    )
    ours, theirs = prepared(inside, Split.TEST), prepared(streamed, Split.TEST)
    for sample, view in ours.items():
        torch.testing.assert_close(view, theirs[sample], rtol=0, atol=1e-6)
    train = torch.stack(list(prepared(inside, Split.TRAIN).values()))
    torch.testing.assert_close(train.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(train.std((0, 2, 3), correction=0), torch.ones(3), rtol=0, atol=1e-5)
    assert "Mean and deviation are measured on 18 training images." in streamed.notes
