"""The bundled digits: 1,797 handwritten digits of 8x8 pixels, upscaled to 32x32 when loaded.

`resources/datasets/digits.npz` holds them in the npz layout with a fixed stratified split (1,437 train, 360
test) and grey levels 0-16 scaled to 0-255. Its licence note lies beside it.

Source: UCI Machine Learning Repository, "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak),
its test part, as scikit-learn distributes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iterand_engine.data.content import ArrayContent, ImageArrays
from iterand_engine.data.readers.npz import npz

UPSCALED_PX = 32


def digits(path: Path) -> ArrayContent:
    """Read the bundled digits.

    Args:
        path: of digits.npz.
    Returns:
        Its content, images upscaled to 32x32.
    Raises:
        UserError: the file is missing or damaged.
    """
    content = npz(path)
    train, test = (
        ImageArrays(upscaled(part.images, UPSCALED_PX), part.labels) for part in (content.train, content.test)
    )
    return ArrayContent(train, test, content.class_names)


def upscaled(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Enlarge square grey images bilinearly (pixel centres aligned), rounding half to even.

    Args:
        images: (N, s, s), with ``size`` a multiple of s: then every product is exact in float32, so that
            the result is the same on every machine.
    Returns:
        (N, size, size).
    """
    source = images.shape[1]
    centres = (np.arange(size) + 0.5) * source / size
    distances = np.abs(np.arange(source) + 0.5 - centres[:, None].clip(0.5, source - 0.5))
    weights = np.maximum(0, 1 - distances).astype(np.float32)
    enlarged: NDArray[np.float32] = weights @ images.astype(np.float32) @ weights.T
    return np.rint(enlarged).astype(np.uint8)
