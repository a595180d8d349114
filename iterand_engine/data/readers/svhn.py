"""Read SVHN (cropped digits): train_32x32.mat and test_32x32.mat.

Source: http://ufldl.stanford.edu/housenumbers.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from iterand_engine.data.content import ArrayContent, ImageArrays, check_arrays
from iterand_engine.errors import UserError

_DIGITS = tuple(str(digit) for digit in range(10))


def svhn(path: Path) -> ArrayContent:
    """Read SVHN from the folder that holds its two files; the digit 0 is class 0 (10 in the files).

    Raises:
        UserError: a file is missing or not what SVHN's files are.
    """
    train, test = (_part(path / f"{part}_32x32.mat") for part in ("train", "test"))
    content = ArrayContent(train, test, _DIGITS)
    check_arrays(content, f"folder {str(path)!r}")
    return content


def _part(path: Path) -> ImageArrays:
    if not path.is_file():  # scipy's error would not say that the file is missing
        raise UserError(f"Cannot read {str(path)!r}: there is no such file.")
    try:
        arrays = loadmat(path, variable_names=["X", "y"])
    except (OSError, EOFError, ValueError, TypeError, NotImplementedError, MatReadError, zlib.error) as error:
        raise UserError(f"Cannot read {str(path)!r}: it is not a MATLAB 5 file ({error}).") from None
    images, labels = arrays.get("X"), arrays.get("y")
    if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray) or images.ndim != 4:
        raise UserError(
            f"Cannot read {str(path)!r}: it needs X of shape (size, size, 3, N) and y of shape (N, 1)."
        )
    digits = labels.reshape(-1).astype(np.int64)
    digits[digits == 10] = 0
    return ImageArrays(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), digits)
