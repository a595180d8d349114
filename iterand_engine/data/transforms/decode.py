"""Decode image files and cut the views that training and evaluation use, as uint8.

Runs in loading processes and threads; needs Pillow, and torch only for the crop's arithmetic.

Source: torchvision's ImageNet recipe (evaluation: short side to 256, centre crop 224; bilinear, antialiased).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from iterand_engine.data.content import MIN_SIZE_PX, ImageFiles
from iterand_engine.data.transforms.augment import Augmentation, draw_crops, padding_of
from iterand_engine.errors import UserError
from iterand_engine.models.spec import SMALL_IMAGE_PX

LARGE_PX = 224
RESIZED_PX = 256

_UNREADABLE = (
    OSError,
    KeyError,  # not in the zip file
    SyntaxError,  # Pillow's word for a damaged PNG
    ValueError,
    Image.DecompressionBombError,
    zipfile.BadZipFile,
)

Pixels = NDArray[np.uint8]
View = Callable[[Image.Image], Pixels]


@dataclass(frozen=True)
class ImageForm:
    """How images of one dataset reach the network.

    Args:
        native: their side as read, in pixels.
        size: the network's side: up to 64 the native one, padded with zeros to 32 where it is less; above,
            224.
    """

    native: int
    size: int

    @classmethod
    def of(cls, native: int) -> ImageForm:
        """The form for images of a given side."""
        return cls(native, max(native, MIN_SIZE_PX) if native <= SMALL_IMAGE_PX else LARGE_PX)

    @property
    def small(self) -> bool:
        """Whether this is the form up to 64 px."""
        return self.native <= SMALL_IMAGE_PX


class ImageReader:
    """Opens images of one folder or zip file; may be sent to another process, used by several threads.

    Args:
        root: a folder or a zip file.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._archive: zipfile.ZipFile | None = None

    def open(self, name: bytes) -> Image.Image:
        """Decode one image as RGB.

        Raises:
            UserError: the image is missing or damaged.
        """
        text = name.decode("utf-8", "surrogateescape")
        try:
            with Image.open(self._stream(text)) as image:
                return image.convert("RGB")
        except _UNREADABLE as error:
            raise UserError(
                f"Cannot read the image {text!r} of {str(self._root)!r} ({error}); replace or remove it."
            ) from None

    def _stream(self, name: str) -> Path | io.BytesIO:
        if self._root.is_dir():
            return self._root / name
        if self._archive is None:
            self._archive = zipfile.ZipFile(self._root)
        return io.BytesIO(self._archive.read(name))

    def close(self) -> None:
        """Close the zip file if one is open; the next `open` opens it again."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def __getstate__(self) -> dict[str, object]:
        return {"_root": self._root, "_archive": None}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def padded(images: Pixels, size: int) -> Pixels:
    """Surround square images with zeros, centred.

    Args:
        images: (..., S, S, C) with S <= size.
    Returns:
        (..., size, size, C).
    """
    before = (size - images.shape[-2]) // 2
    after = size - images.shape[-2] - before
    if before == after == 0:
        return images
    edge = (before, after)
    return np.pad(images, [(0, 0)] * (images.ndim - 3) + [edge, edge, (0, 0)])


def evaluation_view(image: Image.Image, form: ImageForm) -> Pixels:
    """The deterministic view: small images whole, large ones resized to 256 and centre-cropped to 224.

    Returns:
        (size, size, C).
    """
    if form.small:
        side = form.native
        fitted = (
            image if image.size == (side, side) else image.resize((side, side), Image.Resampling.BILINEAR)
        )
        return padded(_pixels(fitted), form.size)
    width, height = image.size
    short = min(width, height)
    wide, tall = (RESIZED_PX * side // short for side in (width, height))
    resized = image.resize((wide, tall), Image.Resampling.BILINEAR)
    left, top = (round((side - LARGE_PX) / 2) for side in (wide, tall))
    return _pixels(resized.crop((left, top, left + LARGE_PX, top + LARGE_PX)))


def whole_view(image: Image.Image) -> Pixels:
    """The whole image squeezed into 256x256; crops are cut from it later. Returns (256, 256, C)."""
    return _pixels(image.resize((RESIZED_PX, RESIZED_PX), Image.Resampling.BILINEAR))


def training_view(
    image: Image.Image, form: ImageForm, augmentation: Augmentation, words: tuple[int, ...]
) -> Pixels:
    """The augmented view of one image.

    Args:
        image: RGB, as read.
        form: of the dataset.
        augmentation: as configured.
        words: the sample's 16 words of this epoch; not used for "none".
    Returns:
        (size, size, 3).
    """
    if augmentation == "none":
        return evaluation_view(image, form)
    if form.small or augmentation != "paper":
        padding = padding_of(augmentation, small=form.small)
        image = Image.fromarray(padded(evaluation_view(image, form), form.size + 2 * padding))
    width, height = (torch.tensor([side]) for side in image.size)
    crops = draw_crops(augmentation, torch.tensor([words]), height, width, form.size)
    left, top, wide, tall = (int(one) for one in (crops.left, crops.top, crops.width, crops.height))
    window = image.crop((left, top, left + wide, top + tall))
    view = _pixels(window.resize((form.size, form.size), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(view[:, ::-1]) if bool(crops.flip) else view


def views_of(images: Pixels, form: ImageForm, threads: int) -> Pixels:
    """Evaluation views of square images in memory.

    Args:
        images: (N, S, S, C).
    Returns:
        (N, size, size, C).
    """
    if form.small:
        return padded(images, form.size)
    out = np.empty((len(images), form.size, form.size, images.shape[3]), np.uint8)

    def fill(index: int) -> None:
        pixels = images[index]
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        out[index] = evaluation_view(image, form)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, range(len(images))):
            pass
    return out


def decode_all(files: ImageFiles, view: View, side: int, threads: int) -> tuple[Pixels, NDArray[np.int64]]:
    """Decode every file once.

    Args:
        files: what to decode.
        view: makes (side, side, 3) of an image.
        threads: decoding at once.
    Returns:
        (N, side, side, 3), and the originals' heights and widths, (N, 2).
    Raises:
        UserError: an image is missing or damaged.
    """
    out = np.empty((len(files.names), side, side, 3), np.uint8)
    sizes = np.empty((len(files.names), 2), np.int64)

    def fill(index: int) -> None:
        image = reader.open(files.names[index])
        out[index], sizes[index] = view(image), (image.height, image.width)

    with ImageReader(files.root) as reader, ThreadPoolExecutor(threads) as pool:
        try:
            for _ in pool.map(fill, range(len(files.names))):
                pass
        except UserError:
            pool.shutdown(cancel_futures=True)
            raise
    return out, sizes


def largest_side(files: ImageFiles, probes: int) -> tuple[int, bool]:
    """Look at the headers of evenly spaced images.

    Returns:
        The largest side in pixels, and whether all of them are squares of that side.
    """
    count = len(files.names)
    chosen = sorted({index * count // min(probes, count) for index in range(min(probes, count))})
    with ImageReader(files.root) as reader:
        sizes = {reader.open(files.names[index]).size for index in chosen}
    return max(max(size) for size in sizes), len(sizes) == 1 and len(set(next(iter(sizes)))) == 1


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
