"""Places and texts of the ticks of an axis. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from iterand_engine.config.metrics import Unit
from iterand_engine.machine import texts

TICK_DISTANCE_X_PX = 110.0
TICK_DISTANCE_Y_PX = 44.0
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_LETTERS = ((1e12, "T"), (1e9, "G"), (1e6, "M"))
_LARGEST_IN_UNITS = 1e15  # beyond it powers of ten say more
_CLOCK_S = (1.0, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, where the axis has it; without text a small one."""

    at: float
    text: str


def ticks(low: float, high: float, length_px: float, distance_px: float, unit: Unit) -> list[Tick]:
    """Marks at round values.

    Args:
        low, high: bounds of the axis, low < high.
        length_px: length of the axis.
        distance_px: the least distance of two marks.
        unit: what the values are.
    """
    at_least = (high - low) * distance_px / max(length_px, 1.0)
    gap = _round_gap(at_least, unit)
    first, last = math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9)
    values = [n * gap for n in range(first, last + 1)]
    return [Tick(value, _tick_text(value, gap, max(abs(low), abs(high)), unit)) for value in values]


def log_ticks(low: float, high: float, length_px: float, distance_px: float, unit: Unit) -> list[Tick]:
    """Marks of a logarithmic axis at 1, 2 and 5 times powers of ten, those with room with text.

    Args:
        low, high: bounds of the axis as logarithms to base 10, low < high.
        length_px, distance_px, unit: as for `ticks`.
    """
    decades_apart = (high - low) * distance_px / max(length_px, 1.0)
    if high - low < 0.7:  # within a decade or so: round values, placed by their logarithms
        return _round_values_on_log(low, high, length_px, distance_px, unit)
    every = max(1, math.ceil(decades_apart))
    named = (1, 2, 5) if decades_apart < 0.3 else (1,)
    marks = []
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in (1, 2, 5) if every == 1 else (1,):
            at = power + math.log10(factor)
            if low - 1e-9 <= at <= high + 1e-9:
                has_text = factor in named and power % every == 0
                marks.append(Tick(at, _log_text(factor * 10.0**power, unit) if has_text else ""))
    return marks


def _round_values_on_log(low: float, high: float, length: float, distance: float, unit: Unit) -> list[Tick]:
    found = ticks(10.0**low, 10.0**high, length, distance, unit)
    return [Tick(math.log10(tick.at), tick.text) for tick in found if tick.at > 0]


def _round_gap(at_least: float, unit: Unit) -> float:
    """The least round distance of marks that is at least so much."""
    if unit is Unit.SECONDS and at_least >= 1:
        whole_days = math.ceil(at_least / 86_400) * 86_400.0
        return next((gap for gap in _CLOCK_S if gap >= at_least), whole_days)
    scale = 10.0 ** math.floor(math.log10(at_least))
    gap = next(factor * scale for factor in _NICE if factor * scale >= at_least * (1 - 1e-9))
    return max(1.0, gap) if unit is Unit.COUNT else gap


def _tick_text(value: float, gap: float, largest: float, unit: Unit) -> str:
    match unit:
        case Unit.SHARE:
            return f"{100 * value:.{_digits(100 * gap)}f} %"
        case Unit.SECONDS:
            return _clock_text(value, largest) if largest >= 60 else f"{value:.{_digits(gap)}f} s"
        case Unit.BYTES:
            return texts.size(value) if value else "0"
        case Unit.COUNT | Unit.NUMBER:
            return _number_text(value, gap, largest)


def _number_text(value: float, gap: float, largest: float) -> str:
    """The digits that distinguish a number from its neighbours; powers of ten if very large or small."""
    if value == 0:
        return "0"
    if 1e6 <= largest < _LARGEST_IN_UNITS:
        scale, letter = next((s, letter) for s, letter in _LETTERS if largest >= s)
        return f"{value / scale:.{_digits(gap / scale)}f} {letter}"
    if largest < 1e-3 or largest >= _LARGEST_IN_UNITS:
        power = math.floor(math.log10(largest))
        return f"{value / 10.0**power:.{_digits(gap / 10.0**power)}f}e{power}"
    return f"{value:,.{_digits(gap)}f}"


def _clock_text(seconds: float, largest: float) -> str:
    """Time of an axis: 5:00 is minutes and seconds below an hour; beyond it hours and minutes, then days."""
    whole = round(seconds)
    if largest < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if largest < 3 * 86_400:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{seconds / 86_400:g} d"


def _log_text(value: float, unit: Unit) -> str:
    if unit is Unit.SHARE:
        return f"{100 * value:g} %"
    return unit.text(value) if unit in (Unit.BYTES, Unit.SECONDS) else texts.number(value)


def _digits(gap: float) -> int:
    """Digits behind the point that multiples of a round distance need."""
    return next((n for n in range(12) if abs(gap * 10**n - round(gap * 10**n)) < 1e-6 * 10**n * gap), 12)
