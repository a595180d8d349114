"""Decode image files and cut the views that training and evaluation use, as uint8.

Runs in loading processes and threads; needs Pillow, and torch only for the crop's arithmetic.

Source: torchvision's ImageNet recipe (evaluation: short side to 256, centre crop 224; bilinear, antialiased).
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
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
from iterand_engine.data.transforms.rgb import FORMATS, Change, Decoded, to_rgb
from iterand_engine.errors import UserError
from iterand_engine.models.spec import SMALL_IMAGE_PX

LARGE_PX = 224
RESIZED_PX = 256

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
        published: as in `ImageFiles`.
    """

    def __init__(self, root: Path, *, published: bool = False) -> None:
        self._root, self._published = root, published
        self._archive: zipfile.ZipFile | None = None

    def open(self, name: bytes) -> Decoded:
        """Decode one image as upright RGB.

        Raises:
            UserError: the image is missing, damaged, too large, or of a mode that cannot be converted.
        """
        text = name.decode("utf-8", "surrogateescape")
        try:
            with Image.open(self._stream(text), formats=FORMATS) as image:
                return Decoded(image.convert("RGB")) if self._published else to_rgb(image)
        except Image.DecompressionBombError:
            reason = "it has more pixels than any picture should"
        except Exception as error:  # noqa: BLE001 - Pillow raises whatever a damaged file leads it to
            reason = str(error) or type(error).__name__
        raise UserError(
            f"Cannot read the image {text!r} of {str(self._root)!r} ({reason}); replace or remove it."
        )

    def _stream(self, name: str) -> Path | io.BytesIO:
        if self._root.is_dir():
            if not (self._root / name).is_file():  # a pipe would never end
                raise FileNotFoundError("there is no such file")
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
        return {"_root": self._root, "_published": self._published, "_archive": None}

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


@dataclass(frozen=True)
class DecodedFiles:
    """Every image of a list of files.

    Args:
        images: (N, side, side, 3).
        sizes: the originals' heights and widths, (N, 2).
        changes: how many images each change was done to.
    """

    images: Pixels
    sizes: NDArray[np.int64]
    changes: Counter[Change]


def decode_all(files: ImageFiles, view: View, side: int, threads: int) -> DecodedFiles:
    """Decode every file once.

    Args:
        files: what to decode.
        view: makes (side, side, 3) of an image.
        threads: decoding at once.
    Raises:
        UserError: an image is missing or damaged.
    """
    out = np.empty((len(files.names), side, side, 3), np.uint8)
    sizes = np.empty((len(files.names), 2), np.int64)
    changes: Counter[Change] = Counter()

    def fill(index: int) -> frozenset[Change]:
        decoded = reader.open(files.names[index])
        image = decoded.image
        out[index], sizes[index] = view(image), (image.height, image.width)
        return decoded.changes

    with ImageReader(files.root, published=files.published) as reader, ThreadPoolExecutor(threads) as pool:
        try:
            for made in pool.map(fill, range(len(files.names))):
                changes.update(made)
        except UserError:
            pool.shutdown(cancel_futures=True)
            raise
    return DecodedFiles(out, sizes, changes)


@dataclass(frozen=True)
class Looked:
    """What some images of a list of files are.

    Args:
        side: the largest, in pixels.
        uniform: whether all are squares of that side.
        changes: how many of them each change is done to.
        count: of the images.
    """

    side: int
    uniform: bool
    changes: Counter[Change]
    count: int


def look_at(files: ImageFiles, probes: int) -> Looked:
    """Look at evenly spaced images.

    Raises:
        UserError: one of them is missing or damaged.
    """
    count = len(files.names)
    chosen = sorted({index * count // min(probes, count) for index in range(min(probes, count))})
    sizes, changes = set(), Counter[Change]()
    with ImageReader(files.root, published=files.published) as reader:
        for index in chosen:
            decoded = reader.open(files.names[index])
            sizes.add(decoded.image.size)
            changes.update(decoded.changes)
    uniform = len(sizes) == 1 and len(set(next(iter(sizes)))) == 1
    return Looked(max(max(size) for size in sizes), uniform, changes, len(chosen))


def _pixels(image: Image.Image) -> Pixels:
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
