"""A dataset too large for memory: loading processes decode and crop, the device normalises.

Crops are drawn from the same counter-based words as on the device, sent along with each sample's number, so a
sample's view depends on (seed, epoch, sample) and not on the number of processes.

Limits: one pass over the training split and one over the others at a time. Processes are spawned (never
forked: CUDA does not survive that) and kept between epochs.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from iterand_engine.data.content import ImageFiles
from iterand_engine.data.dataset import Batch, Dataset, Split, sample_order
from iterand_engine.data.transforms.augment import Augmentation
from iterand_engine.data.transforms.crops import sample_words
from iterand_engine.data.transforms.decode import (
    ImageForm,
    ImageReader,
    Pixels,
    evaluation_view,
    training_view,
)
from iterand_engine.data.transforms.normalize import Normalizer
from iterand_engine.errors import UserError
from iterand_engine.machine.launch import safe_imports
from iterand_engine.models.spec import InputSpec


@dataclass(frozen=True)
class _Order:
    """A request to a loading process: one sample of a split; `words` only where it is augmented."""

    split: Split
    sample: int
    words: tuple[int, ...] = ()


class _Views(torch.utils.data.Dataset[Pixels | UserError]):
    """The part of the dataset that is pickled and sent to the loading processes."""

    def __init__(
        self, files: Mapping[Split, ImageFiles], form: ImageForm, augmentation: Augmentation
    ) -> None:
        self._files = dict(files)
        self._readers = {
            split: ImageReader(part.root, published=part.published) for split, part in files.items()
        }
        self._form = form
        self._augmentation: Augmentation = augmentation

    def __getitem__(self, order: _Order) -> Pixels | UserError:
        try:
            image = self._readers[order.split].open(self._files[order.split].names[order.sample]).image
        except UserError as error:  # raised in the main process, where its one sentence survives
            return error
        if order.split is Split.TRAIN:
            return training_view(image, self._form, self._augmentation, order.words)
        return evaluation_view(image, self._form)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


class _Plan:
    """The loader's batch sampler: gives the orders of whichever pass was set last."""

    def __init__(self) -> None:
        self.orders: Callable[[], Iterator[list[_Order]]] = lambda: iter(())

    def __iter__(self) -> Iterator[list[_Order]]:
        return self.orders()


def _stacked(views: list[Pixels | UserError]) -> Tensor | UserError:
    for view in views:
        if isinstance(view, UserError):
            return view
    return torch.from_numpy(np.stack([view for view in views if not isinstance(view, UserError)]))


def _leave_interrupts_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class StreamedDataset(Dataset):
    """Images are decoded when their batch is due.

    Args:
        files: of each split, in the split's own numbering; a split without images is left out.
        form: of the images.
        augmentation: of training images.
        normalizer: of all images.
        seed: keys the augmentation.
        workers: loading processes for training, and as many for the other splits; 0 loads in this process.
    """

    def __init__(
        self,
        spec: InputSpec,
        class_names: tuple[str, ...],
        fingerprint: str,
        notes: tuple[str, ...],
        *,
        files: Mapping[Split, ImageFiles],
        form: ImageForm,
        augmentation: Augmentation,
        normalizer: Normalizer,
        seed: int,
        device: torch.device,
        workers: int,
    ) -> None:
        super().__init__(spec, class_names, fingerprint, notes)
        self._labels = {split: torch.from_numpy(part.labels) for split, part in files.items()}
        self._views = _Views(files, form, augmentation)
        self._augmented = augmentation != "none"
        self._normalizer = normalizer
        self._seed, self._device, self._workers = seed, device, workers
        self._loaders: dict[bool, tuple[_Plan, DataLoader[Pixels | UserError]]] = {}

    def count(self, split: Split) -> int:
        return len(self._labels[split]) if split in self._labels else 0

    def batches(
        self, split: Split, batch_size: int, *, seed: int = 0, epoch: int = 0, first: int = 0
    ) -> Iterator[Batch]:
        if split not in self._labels:
            return
        order = sample_order(split, self.count(split), seed, epoch, torch.device("cpu"))
        parts = torch.split(order, batch_size)[first:]
        plan, loader = self._loader(split)
        plan.orders = partial(self._orders, split, epoch, parts)
        with safe_imports():  # here its processes start
            all_views = iter(loader)
        for samples, views in zip(parts, all_views, strict=True):
            if isinstance(views, UserError):
                raise views
            images = views.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
            labels = self._labels[split][samples].to(self._device, non_blocking=True)
            yield Batch(images, labels, samples.to(self._device, non_blocking=True), epoch, split)

    def prepare(self, batch: Batch, step: int) -> Tensor:
        with torch.no_grad():
            return self._normalizer.normalized(batch.images)

    def close(self) -> None:
        for _, loader in self._loaders.values():
            iterator = getattr(loader, "_iterator", None)  # persistent workers end with it, or here
            if iterator is not None:
                iterator._shutdown_workers()
        self._loaders.clear()
        self._views.close()

    def _orders(self, split: Split, epoch: int, parts: tuple[Tensor, ...]) -> Iterator[list[_Order]]:
        for samples in parts:
            if split is Split.TRAIN and self._augmented:
                drawn = sample_words(self._seed, epoch, samples).tolist()
                yield [
                    _Order(split, sample, tuple(words))
                    for sample, words in zip(samples.tolist(), drawn, strict=True)
                ]
            else:
                yield [_Order(split, sample) for sample in samples.tolist()]

    def _loader(self, split: Split) -> tuple[_Plan, DataLoader[Pixels | UserError]]:
        training = split is Split.TRAIN
        if training not in self._loaders:
            plan, several = _Plan(), self._workers > 0
            self._loaders[training] = (
                plan,
                DataLoader(
                    self._views,
                    batch_sampler=plan,
                    num_workers=self._workers,
                    collate_fn=_stacked,
                    pin_memory=self._device.type == "cuda",
                    worker_init_fn=_leave_interrupts_to_the_parent,
                    multiprocessing_context="spawn" if several else None,
                    persistent_workers=several,
                    generator=torch.Generator(),  # so that torch's global generator stays untouched
                ),
            )
        return self._loaders[training]
