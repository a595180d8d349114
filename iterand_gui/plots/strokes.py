"""Chooses how finely lines are drawn from their length: wide antialiased lines cost time by their length.

By Qt's raster engine, a microsecond draws some 60 pixels of an antialiased line one pixel wide, one or two of
a wider one in pieces, and a quarter of a pixel of a wider one that goes up and down as a whole.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from iterand_gui.plots.reduction import Values

ALWAYS_WIDE_PX = 3_000  # lines of this length cost little even in each of six live plots
_WHOLE_PX = 2_500
_WIDE_PX = 50_000
_SMOOTH_PX = 2_000_000


class Stroke(IntEnum):
    """Ways to draw a line, from fast to fine. Dashed lines are drawn whole: pieces lose the dashes."""

    FAST = 0  # one pixel wide, jagged
    SMOOTH = 1  # one pixel wide, antialiased
    WIDE = 2  # in pieces, whose joints are seen at a close look
    WHOLE = 3


def finest(length_px: float) -> Stroke:
    """The finest stroke that draws lines of this total length without delaying the window."""
    limits = {Stroke.WHOLE: _WHOLE_PX, Stroke.WIDE: _WIDE_PX, Stroke.SMOOTH: _SMOOTH_PX}
    return next((stroke for stroke, limit in limits.items() if length_px <= limit), Stroke.FAST)


def travel(values: Values) -> float:
    """How far a line goes up and down in all, in the unit of its values; gaps (NaN) count nothing."""
    return float(np.nansum(np.abs(np.diff(values.astype(np.float64)))))
