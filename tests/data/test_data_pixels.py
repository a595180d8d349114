"""Every mode that Pillow opens reaches the network with known values, or is refused by its file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iterand_engine.config.run_config import DataConfig
from iterand_engine.data.content import image_files
from iterand_engine.data.dataset import Split
from iterand_engine.data.facts import data_facts
from iterand_engine.data.readers.image_folder import image_folder
from iterand_engine.data.transforms.decode import ImageReader
from iterand_engine.data.transforms.rgb import Change, Decoded, to_rgb
from iterand_engine.errors import UserError
from tests.data.test_data_folders import opened, write_classes

Pixel = tuple[int, int, int]
RED, WHITE = (255, 0, 0), (255, 255, 255)
NONE: set[Change] = set()


def one(mode: str, value: Any) -> Image.Image:
    return Image.new(mode, (2, 2), value)


def palette(mode: str = "P", **info: Any) -> Image.Image:
    """The first colour is red."""
    image = Image.new("P", (2, 2), 0)
    image.putpalette([*RED, 0, 255, 0])
    image.info.update(info)
    if mode == "P":
        return image
    alpha = Image.merge("LA", [image.convert("L"), one("L", 0)])
    made = image.convert("PA")
    made.putalpha(alpha.getchannel("A"))
    return made


def with_info(image: Image.Image, **info: Any) -> Image.Image:
    image.info.update(info)
    return image


MADE: dict[str, tuple[Callable[[], Image.Image], Pixel, set[Change]]] = {
    "1": (lambda: one("1", 1), WHITE, NONE),
    "L": (lambda: one("L", 7), (7, 7, 7), NONE),
    "L with a transparent grey": (lambda: with_info(one("L", 7), transparency=7), WHITE, {Change.ALPHA}),
    "P": (palette, RED, NONE),
    "P with a transparent colour": (lambda: palette(transparency=0), WHITE, {Change.ALPHA}),
    "P with alphas": (lambda: palette(transparency=b"\x80\xff"), (255, 127, 127), {Change.ALPHA}),
    "P with another transparent colour": (lambda: palette(transparency=1), RED, NONE),
    "PA": (lambda: palette("PA"), WHITE, {Change.ALPHA}),
    "RGB": (lambda: one("RGB", (1, 2, 3)), (1, 2, 3), NONE),
    "RGB with a transparent colour": (
        lambda: with_info(one("RGB", (1, 2, 3)), transparency=(1, 2, 3)),
        WHITE,
        {Change.ALPHA},
    ),
    "RGBA": (lambda: one("RGBA", (255, 0, 0, 51)), (255, 204, 204), {Change.ALPHA}),
    "RGBA without holes": (lambda: one("RGBA", (9, 8, 7, 255)), (9, 8, 7), NONE),
    "RGBa": (lambda: one("RGBa", (51, 0, 0, 51)), (255, 204, 204), {Change.ALPHA}),
    "LA": (lambda: one("LA", (0, 51)), (204, 204, 204), {Change.ALPHA}),
    "La": (lambda: one("La", (0, 51)), (204, 204, 204), {Change.ALPHA}),
    "RGBX": (lambda: one("RGBX", (1, 2, 3, 4)), (1, 2, 3), {Change.COLOURS}),
    "CMYK": (lambda: one("CMYK", (0, 255, 255, 0)), RED, {Change.COLOURS}),
    "YCbCr": (lambda: one("YCbCr", (128, 128, 128)), (128, 128, 128), {Change.COLOURS}),
    "HSV": (lambda: one("HSV", (0, 255, 255)), RED, {Change.COLOURS}),
}
REFUSED = {"I": 70_000, "F": 0.5, "LAB": (1, 2, 3)}
IN_FILES = {"I;16", "I;16B", "I;16L", "I;16N"}  # 16-bit grey: below, with the files that have it


@pytest.mark.parametrize(("made", "pixel", "changes"), MADE.values(), ids=MADE.keys())
def test_that_a_mode_becomes_rgb_with_known_values(
    made: Callable[[], Image.Image], pixel: Pixel, changes: set[Change]
) -> None:
    decoded = to_rgb(made())
    assert decoded.image.mode == "RGB"
    assert decoded.image.getpixel((1, 1)) == pixel
    assert decoded.changes == changes


@pytest.mark.parametrize("mode", REFUSED)
def test_that_a_mode_without_a_known_range_is_refused_by_the_name_of_its_file(
    mode: str, tmp_path: Path
) -> None:
    one(mode, REFUSED[mode]).save(tmp_path / "x.tiff")
    with pytest.raises(UserError, match=r"image 'x\.tiff'.*(mode|raw mode)"):
        decoded_file(tmp_path / "x.tiff")


def test_that_every_mode_of_pillow_is_thought_of() -> None:
    known = {name.split(" ")[0] for name in MADE} | set(REFUSED) | IN_FILES
    assert set(Image.MODES) <= known


def decoded_file(path: Path) -> Decoded:
    with ImageReader(path.parent) as reader:
        return reader.open(path.name.encode())


# 16 bits

DEEP = np.array([[0, 257, 65_535, 40_000]], np.uint16)
GREY = [0, 1, 255, 156]  # rounded: 40,000 / 257 = 155.6


def greys(decoded: Decoded) -> list[int]:
    assert decoded.changes == {Change.DEPTH}
    pixels = np.asarray(decoded.image)
    assert (pixels == pixels[:, :, :1]).all()
    return [int(grey) for grey in pixels[0, :, 0]]


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_that_16_bit_grey_is_scaled(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(DEEP).save(path)
    assert greys(decoded_file(path)) == GREY


def test_that_big_endian_and_inverted_tiffs_are_read_as_they_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.frombytes("I;16B", (4, 1), DEEP.astype(">u2").tobytes()).save(path)
    assert greys(decoded_file(path)) == GREY
    Image.fromarray(DEEP).save(path, tiffinfo={262: 0})
    inverted = bytearray(path.read_bytes())
    where = inverted.index(b"\x06\x01\x03\x00")  # the photometric interpretation, which Pillow writes as 1
    inverted[where + 8] = 0
    path.write_bytes(inverted)
    assert greys(decoded_file(path)) == [255 - grey for grey in GREY]


def test_that_the_range_that_a_pgm_or_ppm_states_is_used(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 4 1 65535\n" + DEEP.astype(">u2").tobytes())
    assert greys(decoded_file(tmp_path / "a.pgm")) == GREY
    (tmp_path / "b.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([4095, 0], ">u2").tobytes())
    assert greys(decoded_file(tmp_path / "b.pgm")) == [255, 0]
    (tmp_path / "c.ppm").write_bytes(b"P6 1 1 65535\n" + np.array([65_535, 257, 0], ">u2").tobytes())
    colour = decoded_file(tmp_path / "c.ppm")
    assert colour.image.getpixel((0, 0)) == (255, 1, 0)
    assert colour.changes == {Change.DEPTH}


# Orientation, frames, files that are no pictures

MARKED = np.zeros((32, 48, 3), np.uint8)
MARKED[:8, :8] = 255  # the top left corner, when the picture is upright
TURNS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("orientation", TURNS)
def test_that_the_exif_orientation_is_applied(orientation: int, ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    Image.fromarray(MARKED).save(path, exif=exif)
    decoded = decoded_file(path)
    assert decoded.changes == ({Change.TURNED} if orientation > 1 else set())
    pixels = np.asarray(decoded.image)
    assert pixels.shape[:2] == ((32, 48) if orientation < 5 else (48, 32))
    bottom, right = TURNS[orientation]
    assert pixels[-4 if bottom else 3, -4 if right else 3, 0] > 200
    assert int((pixels[:, :, 0] > 128).sum()) in range(50, 80)


@pytest.mark.parametrize("ending", ["png", "tiff", "webp"])
def test_that_the_first_of_several_pictures_is_used(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    options: dict[str, Any] = {"lossless": True} if ending == "webp" else {}
    one("RGB", RED).save(path, save_all=True, append_images=[one("RGB", (0, 0, 255))], **options)
    decoded = decoded_file(path)
    assert decoded.image.getpixel((0, 0)) == RED
    assert decoded.changes == {Change.FRAMES}


def test_that_bombs_truncated_files_and_other_formats_are_refused_by_name(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for ending in ("png", "jpg", "bmp", "tiff", "webp"):
        path = tmp_path / f"cut.{ending}"
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(UserError, match=rf"image 'cut\.{ending}'.*replace or remove it"):
            decoded_file(path)
    (tmp_path / "bomb.pgm").write_bytes(b"P5 60000 60000 255\n")
    with pytest.raises(UserError, match=r"image 'bomb\.pgm'.*more pixels than any picture should"):
        decoded_file(tmp_path / "bomb.pgm")
    Image.new("L", (60_000, 1)).save(tmp_path / "line.png")
    with pytest.raises(UserError, match=r"image 'line\.png'.*60000x1 px, and one side is over 256 times"):
        decoded_file(tmp_path / "line.png")
    (tmp_path / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(UserError, match=r"image 'eps\.png'.*cannot identify"):
        decoded_file(tmp_path / "eps.png")


def test_that_images_of_a_published_set_are_read_as_its_figures_were(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(MARKED).save(tmp_path / "a.png", exif=exif)
    with ImageReader(tmp_path, published=True) as reader:
        decoded = reader.open(b"a.png")
    assert np.array_equal(np.asarray(decoded.image), MARKED)
    assert decoded.changes == NONE
    assert not image_files(tmp_path, ["a.png"], [0]).published


# What was done is said


def test_that_what_was_done_is_said_before_training_and_by_the_run(tmp_path: Path) -> None:
    write_classes(tmp_path, "train", 4)
    write_classes(tmp_path, "test", 2)
    deep = np.full((40, 40), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "train" / "ant" / "00.png")
    Image.fromarray(deep).save(tmp_path / "test" / "ant" / "00.png")
    Image.new("RGBA", (40, 40)).save(tmp_path / "train" / "bee" / "00.png")
    config = DataConfig(dataset="image-folder", path=str(tmp_path))
    looked = (
        "Images with 16 bits: scaled to 8 bits: 1 of 8 that were looked at.",
        "Images with transparent pixels: laid on white: 1 of 8 that were looked at.",
    )
    assert set(looked) <= set(data_facts(config, [], 1 << 40).notes)
    assert set(looked) <= set(opened(tmp_path, memory_bytes=1).notes)
    dataset = opened(tmp_path, augmentation="none")
    assert {
        "Images with 16 bits: scaled to 8 bits: 2 of 12.",
        "Images with transparent pixels: laid on white: 1 of 12.",
    } <= set(dataset.notes)
    batch = next(dataset.batches(Split.TEST, 1))
    assert np.unique(batch.images.numpy()).tolist() == [156]
    assert image_folder(tmp_path).notes == ()
