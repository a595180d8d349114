"""Turn an image of any mode that Pillow opens into RGB with 8 bits, on purpose: what is changed is said.

A mode without an entry here is refused. What an image is converted to is part of what stored runs mean: a
change needs the next number of the behaviour "image-files" in `runs.group_key`.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image

FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # of others, some run programs
_WHITE = (255, 255, 255, 255)
_ORIENTATION, _PHOTOMETRIC, _WHITE_IS_ZERO = 274, 262, 0  # EXIF's and TIFF's tags
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LONGEST = (
    256  # times the shorter side: the view of a longer one, resized by its short side, would fill memory
)
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L"}
_LARGEST = {"I;16": 65_535, "I;16B": 65_535, "I;16L": 65_535, "I;12": 4095}  # of grey, by raw mode
_WITH_ALPHA = {"RGBA": "RGBA", "LA": "LA", "PA": "PA", "RGBa": "RGBA", "La": "LA"}  # to: not premultiplied
_CONVERTED = {"CMYK", "YCbCr", "HSV", "RGBX"}
_PLAIN = {"1", "L", "P", "RGB"}


class Change(StrEnum):
    """What was done to an image so that it is upright RGB with 8 bits."""

    DEPTH = "with 16 bits: scaled to 8 bits"
    ALPHA = "with transparent pixels: laid on white"
    TURNED = "turned as the EXIF orientation says"
    FRAMES = "with several pictures: the first is used"
    COLOURS = "in other colours than RGB: converted by Pillow"


@dataclass(frozen=True)
class Decoded:
    """An upright RGB image, and what was done to it."""

    image: Image.Image
    changes: frozenset[Change] = frozenset()


def to_rgb(image: Image.Image) -> Decoded:
    """Convert an image that was just opened.

    Args:
        image: of one of `FORMATS`; it is loaded here.
    Raises:
        ValueError: its mode has no known range or no known conversion; the text says which.
        OSError, ...: Pillow cannot read it.
    """
    if max(image.size) > _LONGEST * min(image.size):
        raise ValueError(
            f"it is {image.width}x{image.height} px, and one side is over {_LONGEST} times the other"
        )
    changes = {Change.FRAMES} if getattr(image, "n_frames", 1) > 1 else set()
    orientation, raw, deep = _orientation(image), _raw_mode(image), _is_deep(image)
    image.load()
    if deep and image.mode not in _DEEP_MODES and "transparency" in image.info:
        raise ValueError("it has 16 bits and one transparent colour; save it with an alpha channel")
    rgb, more = _in_rgb(_scaled_grey(image, raw) if image.mode in _DEEP_MODES else image)
    turn = _TURNS.get(_orientation(image))  # Pillow itself turns a TIFF as it loads it
    upright = rgb if turn is None else rgb.transpose(turn)
    changes |= (
        more | ({Change.DEPTH} if deep else set()) | ({Change.TURNED} if orientation in _TURNS else set())
    )
    return Decoded(upright, frozenset(changes))


def _in_rgb(image: Image.Image) -> tuple[Image.Image, set[Change]]:
    """Convert an image with 8 bits."""
    if image.mode in _WITH_ALPHA or (image.mode in _PLAIN and "transparency" in image.info):
        straight = image.convert(_WITH_ALPHA.get(image.mode, "RGBA")).convert("RGBA")
        low, _ = straight.getchannel("A").getextrema()
        if low == 255:
            return straight.convert("RGB"), set()
        ground = Image.new("RGBA", straight.size, _WHITE)
        return Image.alpha_composite(ground, straight).convert("RGB"), {Change.ALPHA}
    if image.mode in _PLAIN:
        return image.convert("RGB"), set()
    if image.mode in _CONVERTED:
        return image.convert("RGB"), {Change.COLOURS}
    raise ValueError(f"its pixels are of the mode {image.mode!r}, which has no known range or conversion")


def _scaled_grey(image: Image.Image, raw: str) -> Image.Image:
    """Grey of 16 bits as grey of 8; white where it is transparent."""
    largest = 65_535 if image.format in ("PPM", "PNG") else _LARGEST.get(raw)
    if largest is None:
        raise ValueError(f"its pixels are of the raw mode {raw!r}, whose range the file does not state")
    values = np.asarray(image).astype(np.int64)
    grey = (values * 255 + largest // 2) // largest
    if image.format == "TIFF" and image.getexif().get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    alpha = np.where(values == image.info.get("transparency", -1), 0, 255)
    if alpha.all():
        return Image.fromarray(grey.astype(np.uint8))
    return Image.merge("LA", [Image.fromarray(one.astype(np.uint8)) for one in (grey, alpha)])


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1, upright, where none can be read."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, KeyError, TypeError, struct.error):  # the picture itself may be whole
        return 1
    return found if isinstance(found, int) else 1


def _arguments(image: Image.Image) -> tuple[object, ...]:
    """What Pillow's decoder of the file gets; its words for how pixels lie in it come first."""
    tiles = getattr(image, "tile", [])
    given = tiles[0][3] if tiles else ()
    return given if isinstance(given, tuple) else (given,)


def _raw_mode(image: Image.Image) -> str:
    return next((one for one in _arguments(image) if isinstance(one, str)), "")


def _is_deep(image: Image.Image) -> bool:
    """Whether the file has more than 8 bits a value."""
    if image.mode in _DEEP_MODES or ";16" in _raw_mode(image):
        return True
    largest = _arguments(image)[1:2] if image.format == "PPM" else ()
    return any(isinstance(one, int) and one > 255 for one in largest)


def notes_of(changes: Counter[Change], looked_at: int, *, all_of_them: bool) -> tuple[str, ...]:
    """Say once what was done to how many images.

    Args:
        changes: how many images each was done to.
        looked_at: the images that were counted.
        all_of_them: whether the dataset has no others.
    """
    of = f"{looked_at:,}" if all_of_them else f"{looked_at:,} that were looked at"
    return tuple(f"Images {change}: {changes[change]:,} of {of}." for change in Change if changes[change])
