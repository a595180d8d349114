"""Read MNIST and Fashion-MNIST: four gzip-compressed IDX files in one folder.

Source: http://yann.lecun.com/exdb/mnist (the IDX format), arXiv:1708.07747 (Fashion-MNIST).
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iterand_engine.data.content import ArrayContent, ImageArrays, check_arrays
from iterand_engine.errors import UserError

_UINT8 = 0x08  # the IDX code of the only element type these sets use
_DIGITS = tuple(str(digit) for digit in range(10))
_CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def mnist(path: Path) -> ArrayContent:
    """Read MNIST from the folder that holds its four files.

    Raises:
        UserError: a file is missing or is not a gzip-compressed IDX file.
    """
    return _read(path, _DIGITS)


def fashion_mnist(path: Path) -> ArrayContent:
    """Read Fashion-MNIST from the folder that holds its four files; see `mnist`."""
    return _read(path, _CLOTHES)


def _read(folder: Path, class_names: tuple[str, ...]) -> ArrayContent:
    train, test = (
        ImageArrays(
            read_idx(folder / f"{part}-images-idx3-ubyte.gz"),
            read_idx(folder / f"{part}-labels-idx1-ubyte.gz").astype(np.int64),
        )
        for part in ("train", "t10k")
    )
    content = ArrayContent(train, test, class_names)
    check_arrays(content, f"folder {str(folder)!r}")
    return content


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one gzip-compressed IDX file of unsigned bytes.

    Returns:
        uint8, of the shape the file states.
    Raises:
        UserError: the file is missing or is no such file.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"Cannot read {str(path)!r}: there is no such file.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"Cannot read {str(path)!r}: it is not a complete gzip file ({error}).") from None
    dims = data[3] if len(data) >= 4 else 0
    header = 4 + 4 * dims
    if dims == 0 or data[:3] != bytes((0, 0, _UINT8)) or len(data) < header:
        raise UserError(f"Cannot read {str(path)!r}: it is not an IDX file of unsigned bytes.")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", count=dims, offset=4))
    if len(data) != header + math.prod(shape):
        raise UserError(
            f"Cannot read {str(path)!r}: its header states {shape} bytes, but {len(data) - header} follow."
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
