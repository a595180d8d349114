"""Crops, resizing and flips equal torchvision's with the same parameters; parameters are keyed and fair."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from iterand_engine.data.dataset import Batch, Split
from iterand_engine.data.in_memory import InMemoryDataset, StoredImages
from iterand_engine.data.torchvision_import import import_torchvision
from iterand_engine.data.transforms.augment import (
    Augmentation,
    Cropper,
    LargeCropper,
    SmallCropper,
    draw_crops,
)
from iterand_engine.data.transforms.crops import Crops, random_resized_crops, range_words, sample_words
from iterand_engine.data.transforms.normalize import IMAGENET, Normalizer
from iterand_engine.models.spec import InputSpec

CPU = torch.device("cpu")
SEED = 11


def random_images(count: int, size: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator)


def torchvision_crop(image: Tensor, crops: Crops, index: int, padding: int, target: int) -> Tensor:
    """torchvision's pad, resized_crop and flip of one image, (C, T, T)."""
    functional = import_torchvision().transforms.functional
    top, left, height, width = (int(one[index]) for one in (crops.top, crops.left, crops.height, crops.width))
    image = functional.pad(image, [padding] * 4)
    result: Tensor = functional.resized_crop(
        image, top, left, height, width, [target, target], antialias=True
    )
    return functional.hflip(result) if bool(crops.flip[index]) else result


def largest_difference(
    images: Tensor, ours: Tensor, crops: Crops, padding: int, target: int, *, exact: bool
) -> float:
    """In grey levels; against torchvision on floats (exact), or on uint8, where it rounds."""
    worst = 0.0
    for index in range(len(images)):
        image = images[index].float() if exact else images[index]
        theirs = torchvision_crop(image, crops, index, padding, target)
        worst = max(worst, float((ours[index] - theirs.float()).abs().max()))
    return worst


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("augmentation", ["crop", "crop-flip", "paper"])
def test_that_small_crops_equal_torchvision(
    augmentation: Augmentation, size: int, channels_last: bool
) -> None:
    images, samples = random_images(100, size), torch.arange(100)
    cropper = SmallCropper(augmentation, size, 100, seed=SEED, device=CPU, channels_last=channels_last)
    ours = cropper(images, samples, epoch=2)
    extent = torch.tensor([size + 8])
    crops = draw_crops(augmentation, sample_words(SEED, 2, samples), extent, extent, size)
    assert largest_difference(images, ours, crops, 4, size, exact=True) < 1e-2
    assert largest_difference(images, ours, crops, 4, size, exact=False) <= 1
    if augmentation != "paper":
        assert largest_difference(images, ours, crops, 4, size, exact=True) == 0


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("augmentation", "size", "padding"), [("paper", 128, 0), ("crop-flip", 224, 4)])
def test_that_large_crops_equal_torchvision(
    augmentation: Augmentation, size: int, padding: int, channels_last: bool
) -> None:
    images, samples = random_images(6, size), torch.arange(6)
    cropper = LargeCropper(augmentation, size, 224, seed=SEED, device=CPU, channels_last=channels_last)
    ours = cropper(images, samples, epoch=0)
    extent = torch.tensor([size + 2 * padding])
    crops = draw_crops(augmentation, sample_words(SEED, 0, samples), extent, extent, 224)
    assert largest_difference(images, ours, crops, padding, 224, exact=True) < 2e-2
    assert largest_difference(images, ours, crops, padding, 224, exact=False) <= 1


def test_that_crops_of_squeezed_originals_resemble_crops_of_the_originals() -> None:
    functional = import_torchvision().transforms.functional
    y, x = torch.meshgrid(torch.linspace(0, 1, 300), torch.linspace(0, 1, 500), indexing="ij")
    original = torch.stack([120 * y + 100 * x, 255 * x, 255 * (1 - y)])
    squeezed = functional.resize(original, [256, 256], antialias=True).round().to(torch.uint8)
    samples = torch.arange(8)
    cropper = LargeCropper(
        "paper",
        256,
        224,
        seed=SEED,
        device=CPU,
        channels_last=False,
        sizes=torch.tensor([[300, 500]]).repeat(8, 1),
    )
    ours = cropper(squeezed.expand(8, 3, 256, 256), samples, epoch=0)
    words = sample_words(SEED, 0, samples)
    crops = random_resized_crops(words, torch.tensor([300]), torch.tensor([500]))
    assert largest_difference(original.expand(8, 3, 300, 500), ours, crops, 0, 224, exact=True) < 3


def reference_crop(words: list[int], height: int, width: int) -> tuple[int, int, int, int]:
    """torchvision's RandomResizedCrop.get_params, written for one sample, with our words as its numbers."""
    area, log_low, log_high = height * width, math.log(3 / 4), math.log(4 / 3)
    for word in words[:10]:
        target_area = area * (0.08 + 0.92 * ((word >> 16) + 0.5) / 65536)
        ratio = math.exp(log_low + (log_high - log_low) * ((word & 0xFFFF) + 0.5) / 65536)
        w, h = round(math.sqrt(target_area * ratio)), round(math.sqrt(target_area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return words[10] * (height - h + 1) >> 32, words[11] * (width - w + 1) >> 32, h, w
    if width / height < 3 / 4:
        w, h = width, round(width / (3 / 4))
    elif width / height > 4 / 3:
        w, h = round(height * (4 / 3)), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


@given(
    words=st.lists(st.integers(0, 2**32 - 1), min_size=16, max_size=16),
    height=st.integers(1, 700),
    width=st.integers(1, 700),
)
def test_that_windows_follow_torchvisions_rule(words: list[int], height: int, width: int) -> None:
    crops = random_resized_crops(torch.tensor([words]), torch.tensor([height]), torch.tensor([width]))
    ours = tuple(int(one) for one in (crops.top, crops.left, crops.height, crops.width))
    assert ours == reference_crop(words, height, width)
    assert 0 <= ours[0] <= height - ours[2]
    assert 0 <= ours[1] <= width - ours[3]


def test_that_windows_are_distributed_as_torchvisions() -> None:
    torchvision = import_torchvision()
    count = 4000
    image, side = torch.empty(3, 40, 40), torch.tensor([40])
    crops = random_resized_crops(range_words(SEED, 0, 0, count, CPU), side, side)
    ours = torch.stack([crops.top, crops.left, crops.height, crops.width], 1).double()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        get_params = torchvision.transforms.RandomResizedCrop.get_params
        drawn = [get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]
    theirs = torch.tensor(drawn, dtype=torch.float64)
    for values, references in ((ours, theirs), (ours.square(), theirs.square())):
        error = (values.var(0) / count + references.var(0) / count).sqrt()
        assert bool(((values.mean(0) - references.mean(0)).abs() < 4 * error).all())
    assert abs(float(crops.flip.double().mean()) - 0.5) < 4 * 0.5 / math.sqrt(count)


@pytest.mark.parametrize("augmentation", ["crop", "crop-flip"])
def test_that_every_window_of_a_padded_image_is_equally_likely(augmentation: Augmentation) -> None:
    places, count = 9 * 9 * (2 if augmentation == "crop-flip" else 1), 81_000  # offsets 0 to 2 x 4 px
    extent = torch.tensor([32 + 8])
    crops = draw_crops(augmentation, range_words(SEED, 0, 0, count, CPU), extent, extent, 32)
    assert bool((crops.height == 32).all())
    assert bool((crops.width == 32).all())
    assert (sorted(set(crops.top.tolist())), sorted(set(crops.left.tolist()))) == ([*range(9)], [*range(9)])
    chosen = (crops.top * 9 + crops.left) + 81 * crops.flip
    found = torch.bincount(chosen, minlength=places).tolist()
    assert len(found) == places
    assert chisquare(found).pvalue > 0.01


@pytest.mark.parametrize("side", [32, 41, 64])
@pytest.mark.parametrize("augmentation", ["crop", "crop-flip"])
def test_that_the_greatest_words_choose_the_last_row_and_column(
    augmentation: Augmentation, side: int
) -> None:
    extent = torch.tensor([side + 8])
    for word, offset in ((0, 0), (2**32 - 1, 8)):
        words = torch.full((1, 16), word, dtype=torch.int64)
        crops = draw_crops(augmentation, words, extent, extent, side)
        assert (int(crops.top), int(crops.left)) == (offset, offset)
        assert bool(crops.flip) == (augmentation == "crop-flip" and word > 0)


@given(epoch=st.integers(0, 1000), first=st.integers(0, 10**6), count=st.integers(1, 40))
def test_that_a_ranges_words_are_its_samples_words(epoch: int, first: int, count: int) -> None:
    samples = torch.arange(first, first + count)
    assert torch.equal(range_words(SEED, epoch, first, count, CPU), sample_words(SEED, epoch, samples))


def small_dataset(augmentation: Augmentation, *, channels_last: bool = False) -> InMemoryDataset:
    images = random_images(50, 32)
    innermost = channels_last if augmentation == "none" else not channels_last
    data = images.permute(0, 2, 3, 1).contiguous() if innermost else images
    cropper: Cropper | None = None
    if augmentation != "none":
        cropper = SmallCropper(augmentation, 32, 50, seed=SEED, device=CPU, channels_last=channels_last)
    return InMemoryDataset(
        InputSpec(3, 32, 32, 10),
        (),
        "",
        (),
        splits={Split.TRAIN: StoredImages(data, torch.arange(50) % 10, innermost)},
        cropper=cropper,
        normalizer=Normalizer(IMAGENET, CPU, channels_last=channels_last),
    )


def views_by_sample(
    dataset: InMemoryDataset, batch_size: int, epoch: int, first: int = 0
) -> dict[int, Tensor]:
    views: dict[int, Tensor] = {}
    for batch in dataset.batches(Split.TRAIN, batch_size, seed=SEED, epoch=epoch, first=first):
        prepared = dataset.prepare(batch, step=0)
        views |= {int(sample): prepared[place] for place, sample in enumerate(batch.samples)}
    return views


def test_that_a_samples_view_depends_on_seed_epoch_and_sample_only() -> None:
    dataset = small_dataset("paper")
    one, other = (views_by_sample(dataset, size, epoch=1) for size in (50, 7))
    assert sorted(one) == sorted(other) == list(range(50))
    for sample, view in one.items():
        torch.testing.assert_close(view, other[sample], rtol=0, atol=1e-5)
    next_epoch = views_by_sample(dataset, 50, epoch=2)
    assert sum(not torch.allclose(one[sample], next_epoch[sample], atol=0.1) for sample in one) > 45


def test_that_going_on_within_an_epoch_gives_the_remaining_batches() -> None:
    dataset = small_dataset("paper")
    whole = [batch.samples.tolist() for batch in dataset.batches(Split.TRAIN, 8, seed=1, epoch=3)]
    rest = [batch.samples.tolist() for batch in dataset.batches(Split.TRAIN, 8, seed=1, epoch=3, first=4)]
    assert rest == whole[4:]
    assert [len(samples) for samples in whole] == [8] * 6 + [2]


@pytest.mark.parametrize("augmentation", ["none", "crop", "crop-flip", "paper"])
def test_that_memory_formats_agree(augmentation: Augmentation) -> None:
    plain, last = (small_dataset(augmentation, channels_last=one) for one in (False, True))
    for batch, batch_last in zip(plain.batches(Split.TRAIN, 16), last.batches(Split.TRAIN, 16), strict=True):
        ours, ours_last = plain.prepare(batch, 0), last.prepare(batch_last, 0)
        assert torch.equal(batch.images, batch_last.images)
        assert ours.is_contiguous()
        assert ours_last.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(ours, ours_last, rtol=0, atol=1e-5)


def test_that_without_augmentation_images_are_only_normalised() -> None:
    transforms = import_torchvision().transforms.functional
    dataset = small_dataset("none")
    batch = next(dataset.batches(Split.TRAIN, 16))
    theirs = transforms.normalize(batch.images.float() / 255, list(IMAGENET.mean), list(IMAGENET.std))
    torch.testing.assert_close(dataset.prepare(batch, 0), theirs, rtol=0, atol=1e-5)


def test_that_one_channel_becomes_three_equal_ones_before_normalising() -> None:
    grey = random_images(4, 32, channels=1)
    normalizer = Normalizer(IMAGENET, CPU, channels_last=False)
    assert torch.equal(normalizer.normalized(grey), normalizer.normalized(grey.repeat(1, 3, 1, 1)))
    assert torch.equal(
        normalizer.normalized(grey.float()), normalizer.normalized(grey.repeat(1, 3, 1, 1).float())
    )


def test_that_views_stay_in_full_precision_under_autocast() -> None:
    dataset = small_dataset("paper")
    batch = next(dataset.batches(Split.TRAIN, 16))
    expected = dataset.prepare(batch, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        view = dataset.prepare(batch, 0)
    assert view.dtype == torch.float32
    assert torch.equal(view, expected)


class FailsOnHostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raises where a value of a tensor is read on the host."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            raise AssertionError(f"{func} reads a value on the host")
        return func(*args, **(kwargs or {}))


def croppers() -> Iterator[tuple[Cropper, Tensor]]:
    yield SmallCropper("paper", 32, 9, seed=1, device=CPU, channels_last=True), random_images(9, 32)
    yield LargeCropper("paper", 96, 224, seed=1, device=CPU, channels_last=False), random_images(3, 96)
    sizes = torch.tensor([[70, 90]]).repeat(3, 1)
    yield (
        LargeCropper("paper", 96, 224, seed=1, device=CPU, channels_last=False, sizes=sizes),
        random_images(3, 96),
    )


def test_that_a_step_reads_no_value_on_the_host() -> None:
    dataset = small_dataset("paper")
    with FailsOnHostReads():  # type: ignore[no-untyped-call]
        for batch in dataset.batches(Split.TRAIN, 16):
            dataset.prepare(batch, 0)
        for cropper, images in croppers():
            cropper(images, torch.arange(len(images)), 5)
        with pytest.raises(AssertionError, match="on the host"):
            torch.ones(1).item()


def test_that_batches_carry_what_they_were_asked_for() -> None:
    dataset = small_dataset("paper")
    batch = next(dataset.batches(Split.TRAIN, 16, seed=1, epoch=7))
    assert isinstance(batch, Batch)
    assert (batch.epoch, batch.split, batch.images.dtype) == (7, Split.TRAIN, torch.uint8)
    assert torch.equal(batch.labels, batch.samples % 10)
    assert dataset.count(Split.VAL) == 0
    assert list(dataset.batches(Split.VAL, 16)) == []
