"""What is unusual about the labels of a user's dataset, as one run uses it: gaps, parts without a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iterand_engine.data.splits import split_counts, split_train
from iterand_engine.machine.texts import counted

if TYPE_CHECKING:
    from iterand_engine.config.run_config import DataConfig

Labels = NDArray[np.int64]
_NAMED = 5  # of the classes that a sentence is about


def label_notes(
    config: DataConfig, labels: Mapping[str, Labels], class_names: Sequence[str]
) -> tuple[str, ...]:
    """Say what is unusual about the labels as a run uses them.

    Args:
        config: the run's data options; they must leave something to train on.
        labels: of each part of the dataset, (N,), from 0: train, test, and perhaps val.
        class_names: in the order of the labels.
    """
    has_images = {part: np.unique(one) for part, one in labels.items()}
    everywhere = np.unique(np.concatenate(list(has_images.values())))
    trained, validated = _split(config, labels)
    return tuple(
        note
        for note in (
            _alone(has_images["train"], len(labels["train"]), class_names),
            _gaps(everywhere, class_names),
            _untaught(has_images, class_names),
            _lacking("test", everywhere, has_images["test"], class_names),
            _lacking("training", has_images["train"], trained, class_names, _after_split(config)),
            _lacking(
                "validation",
                has_images["train"],
                validated,
                class_names,
                _advice(config, labels, len(has_images["train"])),
            )
            if len(validated)
            else "",
        )
        if note
    )


def _split(config: DataConfig, labels: Mapping[str, Labels]) -> tuple[Labels, Labels]:
    """The classes of the images that are trained on, and of those that validate."""
    of_train = labels["train"]
    own = labels.get("val")
    fraction = config.val_fraction if own is None else 0.0
    strata = of_train if config.split == "stratified" else None
    train, held_out = split_train(len(of_train), fraction, config.train_limit, strata)
    validated = of_train[held_out.numpy()] if own is None else own
    return np.unique(of_train[train.numpy()]), np.unique(validated)


def _alone(present: Labels, count: int, names: Sequence[str]) -> str:
    if len(present) > 1:
        return ""
    return f"All {count:,} training images are of one class ({names[present[0]]!r}): nothing is told apart."


def _gaps(present: Labels, names: Sequence[str]) -> str:
    empty = _missing(np.arange(len(names)), present)
    if not len(empty):
        return ""
    if empty.tolist() == list(range(len(empty))):
        return (
            f"Labels start at {len(empty)} and not at 0: the network gets {counted(len(empty), 'output')} "
            "that no image belongs to."
        )
    return (
        f"{_classes(empty, names)} of {len(names):,} {_have(empty)} no images in any part: the labels have "
        "gaps, and the network gets outputs that no image belongs to."
    )


def _untaught(has_images: Mapping[str, Labels], names: Sequence[str]) -> str:
    others = np.unique(np.concatenate([one for part, one in has_images.items() if part != "train"]))
    only = _missing(others, has_images["train"])
    if not len(only):
        return ""
    return (
        f"{_classes(only, names)} {_have(only)} no training images, but images to test or validate with: "
        "no step teaches what they look like."
    )


def _lacking(part: str, wanted: Labels, found: Labels, names: Sequence[str], more: str = "") -> str:
    absent = _missing(wanted, found)
    if not len(absent):
        return ""
    return f"{_classes(absent, names)} of {len(wanted):,} {_have(absent)} no {part} images{more}."


def _after_split(config: DataConfig) -> str:
    return " left after the split and data.train_limit" if config.train_limit else " left after the split"


def _advice(config: DataConfig, labels: Mapping[str, Labels], classes: int) -> str:
    if "val" in labels or config.split != "fixed":
        return ""
    held_out = split_counts(len(labels["train"]), config.val_fraction, config.train_limit)[1]
    return "; data.split: stratified holds out a share of each class" if held_out >= classes else ""


def _missing(wanted: Labels, found: Labels) -> Labels:
    return np.setdiff1d(wanted, found)


def _classes(numbers: Labels, names: Sequence[str]) -> str:
    shown = ", ".join(repr(names[number]) for number in numbers[:_NAMED])
    more = f" and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else ""
    return f"{counted(len(numbers), 'class', 'classes')} ({shown}{more})"


def _have(numbers: Labels) -> str:
    return "has" if len(numbers) == 1 else "have"
