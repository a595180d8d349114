"""The bounds of a y axis. No Qt."""

from __future__ import annotations

import math
from collections.abc import Iterable

from iterand_engine.config.metrics import Unit
from iterand_gui.plots.link import Span

_MARGIN = 0.04
_LEAST_DECADES = 0.1


def value_range(spans: Iterable[Span | None], unit: Unit, *, log: bool) -> Span:
    """Bounds that leave a little room around all values and change rarely while values come.

    Args:
        spans: least and greatest value of each curve; logarithms on a logarithmic axis.
        unit: what the values are; shares never leave 0 to 1 unless they do.
        log: whether the axis is logarithmic.
    """
    known = [span for span in spans if span is not None]
    if not known:
        return (-1.0, 0.0) if log else (0.0, 1.0)
    low, high = min(low for low, _ in known), max(high for _, high in known)
    if high - low <= 1e-6 * max(abs(low), abs(high)):  # the values differ by rounding alone
        room = _LEAST_DECADES if log else 0.05 * abs(low) or 0.5
        return low - room, high + room
    part = 10.0 ** math.floor(math.log10(high - low)) / 20
    wide = (
        math.floor((low - _MARGIN * (high - low)) / part) * part,
        math.ceil((high + _MARGIN * (high - low)) / part) * part,
    )
    if log:
        return wide
    floor = 0.0 if low >= 0 else -math.inf  # an axis does not go below zero for its margin alone
    ceiling = 1.0 if unit is Unit.SHARE and high <= 1 else math.inf
    # A little room at the bounds, or a curve at 0 or 1 would lie on the frame.
    rim = 0.015 * (wide[1] - wide[0])
    return max(wide[0], floor - rim), min(wide[1], ceiling + rim)


def zoomed(span: Span, factor: float, around: float) -> Span:
    """Bounds moved away from a place (factor above 1) or towards it."""
    low, high = span
    made = around - (around - low) * factor, around + (high - around) * factor
    least = 1e-9 * max(abs(low), abs(high), 1e-9)
    return made if made[1] - made[0] > least else span
