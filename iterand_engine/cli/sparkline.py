"""Draws a curve and a share as a few characters, for terminals.

Limits: a sparkline shows means of stretches, scaled between their lowest and highest; it has no axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Strokes:
    """The characters to draw with: of a curve from low to high, of a bar done and left."""

    levels: str
    done: str
    left: str


BLOCKS = Strokes("▁▂▃▄▅▆▇█", "━", "─")
ASCII = Strokes("_.-=+*#@", "#", "-")


def strokes_for(encoding: str) -> Strokes:
    """Choose block characters if the terminal's encoding has them, else plain ASCII."""
    try:
        (BLOCKS.levels + BLOCKS.done + BLOCKS.left).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS


def sparkline(values: NDArray[np.float32], width: int, strokes: Strokes = BLOCKS) -> str:
    """Draw values as a line of characters of different heights.

    Args:
        values: (n,), evenly spaced; values that are not finite are left out of the means.
        width: the most characters to draw.
        strokes: the characters to draw with.
    Returns:
        One character for each of `width` equal stretches of the values, a blank if none is finite.
    """
    stretches = np.array_split(values.astype(np.float64), min(width, len(values))) if len(values) else []
    means = [
        float(part[np.isfinite(part)].mean()) if np.isfinite(part).any() else math.nan for part in stretches
    ]
    known = [mean for mean in means if not math.isnan(mean)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    top = len(strokes.levels) - 1
    scale = top / (high - low) if high > low else 0.0
    return "".join(
        " " if math.isnan(mean) else strokes.levels[min(top, round((mean - low) * scale))] for mean in means
    )


def bar(share: float, width: int, strokes: Strokes = BLOCKS) -> str:
    """Draw a share, 0 to 1, as a bar of `width` characters; it is full only for 1."""
    done = math.floor(max(0.0, min(1.0, share)) * width)
    return strokes.done * done + strokes.left * (width - done)
