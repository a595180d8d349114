"""Read an npz file in the MedMNIST layout: train_images, train_labels, test_images, test_labels, maybe val_*.

The headers come first: what an array is, and how much memory it takes, is judged before any of it is read, so
a file that declares or unpacks to more than this machine can hold costs nothing. Nothing in it is executed.

Source: the layout of MedMNIST, arXiv:2110.14795.
"""

from __future__ import annotations

import io
import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil
from numpy.lib import format as npy
from numpy.typing import NDArray

from iterand_engine.data.content import ArrayContent, ArrayForm, Contents, ImageArrays, check_forms
from iterand_engine.errors import UserError
from iterand_engine.machine.texts import size as bytes_text

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("val_images", "val_labels")
_NEEDS = f"An npz dataset needs {', '.join(REQUIRED[:-1])} and {REQUIRED[-1]}; see docs/datasets.md."
_MAX_CLASSES = 100_000
_MOST_HEADER_BYTES = 1 << 12  # that of a plain array has 118
_BOMB_BYTES = 1 << 28  # below this, packing ratios do not matter
_BOMB_RATIO = 200  # photographs pack 1 to 3 times, drawings up to some dozens
_MEMORY_SHARE = 2  # the arrays may take this part of the machine's memory: a half
_PIECE_BYTES = 1 << 24
_ENCRYPTED = 1  # the flag of a zip file's member
_NAMED = 8  # of the arrays that were found, in an error
_NO_HEADER = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError)
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    NotImplementedError,  # a packing method that Python lacks
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True)
class _Header:
    """What an array of the file declares to be."""

    form: ArrayForm
    fortran: bool
    offset: int  # of its values within the member of the archive


class _NpzReader:
    """An npz file whose headers have been read and found to be those of a dataset.

    Args:
        archive: the open file.
        source: how the user knows it, for errors.
    Raises:
        UserError: an array is missing, is not what it must be, or does not fit into memory.
    """

    def __init__(self, archive: zipfile.ZipFile, source: str) -> None:
        self._archive, self._source = archive, source
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        names = _wanted(list(members), source)
        self._members = {name: members[name] for name in names}
        self._headers = {name: self._header(name) for name in names}
        self.forms = {name: header.form for name, header in self._headers.items()}
        self.parts = [part for part in ("train", "val", "test") if f"{part}_images" in names]
        check_forms({part: self.forms[f"{part}_images"] for part in self.parts}, source)
        for part in self.parts:
            self._check_label_form(part)
        self._check_memory()

    def labels(self) -> dict[str, NDArray[np.int64]]:
        """The labels of each part, int64, (N,), each of them a class."""
        return {part: self._labels(f"{part}_labels") for part in self.parts}

    def images(self, part: str) -> NDArray[np.uint8]:
        """The images of a part, uint8, in C order."""
        return np.ascontiguousarray(self._array(f"{part}_images"))

    def _header(self, name: str) -> _Header:
        if self._members[name].flag_bits & _ENCRYPTED:
            raise UserError(f"Cannot read {self._source}: {name} is encrypted; save it without a password.")
        with self._reading(name), self._archive.open(self._members[name]) as stream:
            shape, fortran, dtype, offset = _read_header(stream)
        if dtype.hasobject:
            raise UserError(
                f"Cannot read {self._source}: {name} holds Python objects, which are never loaded; "
                "save plain arrays."
            )
        declared, held = math.prod(shape) * dtype.itemsize, self._members[name].file_size - offset
        if declared != held:
            raise UserError(
                f"Cannot read {self._source}: {name} declares {bytes_text(declared)} but the file has "
                f"{bytes_text(held)} of it; save it anew."
            )
        return _Header(ArrayForm(shape, dtype), fortran, offset)

    def _check_label_form(self, part: str) -> None:
        name, count = f"{part}_labels", self.forms[f"{part}_images"].shape[0]
        shape, dtype = self.forms[name].shape, self.forms[name].dtype
        if dtype.kind not in "iu":
            hint = f"; save {name}.astype('int64')" if dtype.kind in "fb" else ""
            raise UserError(
                f"Cannot use {self._source}: {name} has dtype {dtype}; labels must be whole numbers "
                f"from 0{hint}."
            )
        if shape not in ((count,), (count, 1)):
            raise UserError(
                f"Cannot use {self._source}: {name} has shape {shape} but {part}_images has {count} "
                "images; each image needs exactly one label, as (N) or (N, 1)."
            )

    def _check_memory(self) -> None:
        held = sum(member.file_size for member in self._members.values())
        packed = sum(member.compress_size for member in self._members.values())
        if held > _BOMB_BYTES and held > packed * _BOMB_RATIO:
            raise UserError(
                f"Cannot use {self._source}: its {bytes_text(packed)} unpack to {bytes_text(held)}, "
                f"{held // max(packed, 1):,} times as much, which no pictures do; save it with np.savez."
            )
        memory = psutil.virtual_memory().total
        if held * _MEMORY_SHARE > memory:
            raise UserError(
                f"Cannot use {self._source}: its arrays take {bytes_text(held)}, more than half of this "
                f"machine's memory ({bytes_text(memory)}); use fewer images, or a folder of them, which can "
                "be streamed."
            )

    def _labels(self, name: str) -> NDArray[np.int64]:
        labels = self._array(name).reshape(-1)
        low, high = int(labels.min()), int(labels.max())
        if low < 0:
            raise UserError(
                f"Cannot use {self._source}: {name} goes from {low} to {high}; labels must be whole numbers "
                "from 0."
            )
        if high >= _MAX_CLASSES:
            raise UserError(
                f"Cannot use {self._source}: its highest label is {high}; labels must be classes counted "
                "from 0."
            )
        return labels.astype(np.int64)

    def _array(self, name: str) -> NDArray[Any]:
        header = self._headers[name]
        with self._reading(name), self._archive.open(self._members[name]) as stream:
            stream.read(header.offset)
            values = np.empty(math.prod(header.form.shape), header.form.dtype)
            _fill(values.view(np.uint8), stream)
        return values.reshape(header.form.shape, order="F" if header.fortran else "C")

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except _NotNpyError:
            raise UserError(
                f"Cannot read {self._source}: {name} is not an array in npy format. {_NEEDS}"
            ) from None
        except _DAMAGED as error:
            raise UserError(f"Cannot read {self._source}: {name} is damaged ({_brief(error)}).") from None


class _NotNpyError(Exception):
    """A member of the archive does not begin as an npy file does."""


def npz(path: Path) -> ArrayContent:
    """Read and check an npz dataset.

    Args:
        path: the file.
    Returns:
        Its content; classes are 0 to the highest label, named by their numbers.
    Raises:
        UserError: the file is missing, is no npz, lacks an array, or an array is not what it must be.
    """
    source = _source(path)
    with _opened(path, source) as reader:
        labels = reader.labels()
        parts = {part: ImageArrays(reader.images(part), labels[part]) for part in reader.parts}
    return ArrayContent(parts["train"], parts["test"], _class_names(labels), parts.get("val"))


def counted(path: Path) -> Contents:
    """What a file holds, by its headers and labels; errors as `npz`."""
    with _opened(path, _source(path)) as reader:
        labels = reader.labels()
        shape = reader.forms["train_images"].shape
    names, counts = _class_names(labels), {part: len(one) for part, one in labels.items()}
    return Contents(
        *(shape[1], shape[3] if len(shape) == 4 else 1, len(names)),
        *(counts["train"], counts["test"], counts.get("val")),
        in_files=False,
        labels=labels,
        class_names=names,
    )


def _source(path: Path) -> str:
    return f"data.path {str(path)!r}"


def _class_names(labels: Mapping[str, NDArray[np.int64]]) -> tuple[str, ...]:
    highest = max(int(part.max()) for part in labels.values())
    return tuple(str(number) for number in range(highest + 1))


@contextmanager
def _opened(path: Path, source: str) -> Iterator[_NpzReader]:
    if not path.is_file():
        raise UserError(f"Cannot read {source}: there is no such file.")
    try:
        stream = path.open("rb")
    except OSError as error:
        raise UserError(f"Cannot read {source}: {error.strerror}.") from None
    with stream:
        if stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX:
            raise UserError(f"Cannot read {source}: it holds a single array, not an npz archive. {_NEEDS}")
        try:
            archive = zipfile.ZipFile(stream)
        except _DAMAGED as error:
            raise UserError(
                f"Cannot read {source}: it is not an npz file, or not all of one ({_brief(error)}). {_NEEDS}"
            ) from None
        with archive:
            yield _NpzReader(archive, source)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Read an npy header.

    Returns:
        The shape, whether values are in Fortran order, their dtype, and the header's length in bytes.
    Raises:
        _NotNpyError: the file does not begin as an npy file does.
        ValueError, SyntaxError: it is damaged.
    """
    start = stream.read(npy.MAGIC_LEN)
    if not start.startswith(npy.MAGIC_PREFIX) or len(start) < npy.MAGIC_LEN:
        raise _NotNpyError
    width = 2 if start[-2] == 1 else 4
    length = stream.read(width)
    header_bytes = int.from_bytes(length, "little")
    if len(length) < width or header_bytes > _MOST_HEADER_BYTES:
        raise ValueError("its header is longer than a header can be")
    text = stream.read(header_bytes)
    try:
        # The header of version 3 is that of version 2 in UTF-8, which only field names need.
        read = npy.read_array_header_1_0 if width == 2 else npy.read_array_header_2_0
        shape, fortran, dtype = read(io.BytesIO(length + text), max_header_size=_MOST_HEADER_BYTES)
    except _NO_HEADER:  # without numpy's text, which may advise to trust the file
        raise ValueError("its header cannot be read") from None
    if any(side < 0 for side in shape):
        raise ValueError(f"its header declares the shape {shape}")
    return shape, fortran, dtype, npy.MAGIC_LEN + width + header_bytes


def _fill(room: NDArray[np.uint8], stream: IO[bytes]) -> None:
    """Read as many bytes as there is room for, in pieces: a member unpacks to no more than it declares."""
    for start in range(0, len(room), _PIECE_BYTES):
        piece = room[start : start + _PIECE_BYTES]
        data = stream.read(len(piece))
        if len(data) < len(piece):
            raise EOFError("it ends too early")
        piece[:] = np.frombuffer(data, np.uint8)


def _wanted(found: list[str], source: str) -> list[str]:
    present = [name for name in OPTIONAL if name in found]
    if len(present) == 1:
        missing = next(name for name in OPTIONAL if name not in found)
        raise UserError(
            f"Cannot read {source}: it has {present[0]!r} but no {missing!r}; give both or neither."
        )
    for name in REQUIRED:
        if name not in found:
            alike = next((one for one in found if one.lower() == name), None)
            if alike is not None:
                raise UserError(f"Cannot read {source}: it has {alike!r}; name that array {name!r}.")
            shown = ", ".join(one[:40] for one in found[:_NAMED]) or "nothing"
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise UserError(
                f"Cannot read {source}: it has no array {name!r} (found: {shown}{more}). {_NEEDS}"
            )
    return [*REQUIRED, *present]


def _brief(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
