"""My dataset: bars in four directions. Change it to read what you have."""

# iterand check FILE_NAME                  does it keep the contract?
# iterand extensions enable FILE_NAME      lets it run, as it is now; again after each edit
# iterand train CONFIG.yaml --set data.dataset=my-dataset --set data.noise=0.3

from pathlib import Path
from typing import Annotated

import numpy as np

from iterand_engine.extending import ArrayContent, Field, ImageArrays, dataset

SIZE_PX = 32  # images are square; below 32 px they are padded with black
CLASSES = ("horizontal", "vertical", "falling", "rising")


# `path` is data.path, or None where it is not set; write `path: Path` where the dataset requires it.
# Every other argument has a type and a default, and is an option: data.noise.
@dataset(label="My dataset")
def my_dataset(path: Path | None, noise: Annotated[float, Field(ge=0, le=1)] = 0.2) -> ArrayContent:
    """Images of bars.

    Args:
        noise: share of pixels that are random
    """
    # A fixed seed, because a dataset must be the same each time it is read. The seed of a run draws the order
    # and the augmentation of its images.
    random = np.random.default_rng(0)
    return ArrayContent(train=bars(1000, noise, random), test=bars(200, noise, random), class_names=CLASSES)


def bars(count: int, noise: float, random: np.random.Generator) -> ImageArrays:
    """Images, uint8 (N, size, size) or (N, size, size, 3), and their labels, whole numbers from 0, (N,)."""
    labels = random.integers(0, len(CLASSES), count)
    rows, columns = np.indices((SIZE_PX, SIZE_PX))
    waves = np.stack([rows, columns, rows + columns, rows - columns])[labels]
    shift = random.integers(0, 8, (count, 1, 1))
    images = np.where((waves + shift) % 8 < 4, 255, 0)
    images = np.where(random.random(images.shape) < noise, random.integers(0, 256, images.shape), images)
    return ImageArrays(images.astype(np.uint8), labels)


# Image files are returned as FolderContent(train, test, class_names), with parts made by
# image_files(root, names, labels); import both from iterand_engine.extending.
