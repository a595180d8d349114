"""Format numbers for readers: 91.24 %, 2.80 M, 3 h 12 min left, 2 min ago, 41 GB.

The window and the command line use these. Plain text with ordinary spaces, so that it can be searched and
copied. What is not known (None, NaN, an infinity) is a dash. Rounding never leaves its unit: 999,999 is
1.00 M, not 1000 k.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TypeGuard

MISSING = "—"
_LARGEST_COUNT = 9.995e14  # rounds to 1e15
_SMALL_PERCENT = 0.1  # below it two digits count, wherever they stand
_DAYS_OF_AGE = 30  # from then on a date says more
_DURATIONS = (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))


def percent(share: float | str | None, digits: int = 2) -> str:
    """A share as percent: 0.9124 is 91.24 %, 0.000034 is 0.0034 %; only zero reads as zero.

    Args:
        share: 0-1; a word (`locked`) stays as it is.
        digits: behind the point; below 0.1 % there are two significant digits instead.
    """
    if isinstance(share, str):
        return str(share)
    return f"{_percents(share, digits, share)} %" if _is_known(share) else MISSING


def percent_spread(mean: float | None, deviation: float | None, digits: int = 2) -> str:
    """Mean and deviation of shares: 91.24 ± 0.31 %, 0.012 ± 0.004 %; just the mean where it is of one run."""
    if not _is_known(mean) or not _is_known(deviation):
        return percent(mean, digits)
    return f"{_percents(mean, digits, mean)} ± {_percents(deviation, digits, mean)} %"


def points(difference: float | None, digits: int = 2) -> str:
    """A difference of two shares in percentage points, with its sign: +0.42."""
    if not _is_known(difference):
        return MISSING
    text = _fixed(100 * difference, digits)
    return f"+{text}" if float(text) > 0 else text


def number(value: float | None, digits: int = 4) -> str:
    """A number of any size, such as a loss or a learning rate: 0.1, 2.303, 35,200, 1e-5.

    Args:
        value: the number.
        digits: significant ones; whole numbers below a million are shown in full.
    """
    if not _is_known(value):
        return MISSING
    if float(value).is_integer() and abs(value) < 1e6:
        return whole(value)
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def number_spread(mean: float | None, deviation: float | None, digits: int = 4) -> str:
    """Mean and deviation of numbers, the deviation to two digits: 0.2314 ± 0.012."""
    if not _is_known(mean) or not _is_known(deviation):
        return number(mean, digits)
    return f"{number(mean, digits)} ± {number(deviation, 2)}"


def whole(value: float | None) -> str:
    """A whole number in full: 35,200."""
    return f"{round(value):,}" if _is_known(value) else MISSING


def count(value: float | None) -> str:
    """A number of things to three digits: 987, 12.3 k, 2.80 M, 1.23 G; 1e20 from 1e15 on."""
    if _is_known(value) and abs(value) >= _LARGEST_COUNT:
        return number(value, 3)
    return _scaled(value, ("", " k", " M", " G", " T"), digits=3)


def size(count_bytes: float | None, *, tenths: bool = False) -> str:
    """A number of bytes, decimal as disks are sold: 999 B, 1.2 GB, 41 GB.

    Args:
        count_bytes: the number.
        tenths: always with one digit behind the point, from 1 kB on: 41.3 GB.
    """
    units = (" B", " kB", " MB", " GB", " TB")
    return _in_tenths(count_bytes, units, 1000) if tenths else _scaled(count_bytes, units, digits=2)


def memory(count_bytes: float | None) -> str:
    """A number of bytes, binary as memory is sold: 999 bytes, 79.6 GiB."""
    return _in_tenths(count_bytes, (" bytes", " KiB", " MiB", " GiB", " TiB"), 1024)


def counted(value: int, thing: str, things: str | None = None) -> str:
    """A number with its noun: 1 run, 6 runs, 35,200 steps.

    Args:
        value: how many.
        thing: the noun for one.
        things: for several, where it is not `thing` and an s.
    """
    return f"{whole(value)} {thing if value == 1 else things or thing + 's'}"


def progress(done: int, total: int | None) -> str:
    """How far something is: 1,200 / 35,200; only the first where the total is not known."""
    return whole(done) if total is None else f"{whole(done)} / {whole(total)}"


def rate(per_s: float | None, things: str = "images") -> str:
    """A number of things per second: 12.3 k images/s."""
    if not _is_known(per_s):
        return MISSING
    amount = number(per_s, 3) if abs(per_s) < 100 else count(per_s)
    return f"{amount} {things}/s"


def duration(seconds: float | None, *, in_full: bool = False) -> str:
    """A length of time in its two largest units: 350 ms, 4.2 s, 41 s, 3 h 12 min, 2 d.

    Args:
        seconds: how long.
        in_full: whole seconds, and the smaller unit also where it is 0: 0 s, 4 s, 2 d 0 h.
    """
    if not _is_known(seconds):
        return MISSING
    seconds = max(0.0, seconds)
    if seconds < 0.9995 and not in_full:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.95 and not in_full:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    left = round(seconds)
    for unit, unit_s, part, part_s in _DURATIONS:
        if left >= unit_s:
            whole_units, rest = divmod(left, unit_s)
            parts = rest // part_s
            return f"{whole_units} {unit} {parts} {part}" if parts or in_full else f"{whole_units} {unit}"
    return f"{left} s"


def time_left(seconds: float | None) -> str:
    """Remaining time: 3 h 12 min left; an empty text where it is not known."""
    if not _is_known(seconds):
        return ""
    return f"{duration(round(seconds))} left" if seconds >= 1 else "less than 1 s left"


def age(at: float | None, now: float) -> str:
    """How long ago something was: just now, 41 s ago, 2 min ago, 3 d ago, and the date after a month.

    Args:
        at: the moment, seconds since 1970.
        now: the present, seconds since 1970.
    """
    if not _is_known(at):
        return MISSING
    passed = math.floor(now - at)
    if passed < 5:
        return "just now"
    if passed >= _DAYS_OF_AGE * 86_400:
        return time.strftime("%Y-%m-%d", time.localtime(at))
    unit, unit_s = next(((unit, unit_s) for unit, unit_s, _, _ in _DURATIONS if passed >= unit_s), ("s", 1))
    return f"{passed // unit_s} {unit} ago"


def moment(at: float | None) -> str:
    """A point in time, local: 2026-03-01 14:05.

    Args:
        at: seconds since 1970.
    """
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if _is_known(at) else MISSING


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _fixed(value: float, digits: int) -> str:
    """A number with `digits` digits behind the point, and no minus before a zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _percents(share: float, digits: int, like: float) -> str:
    """A share times 100, with as many digits as the percent text of `like` has; below 0.0001 as 9e-6."""
    if not 0 < 100 * like < _SMALL_PERCENT:
        return _fixed(100 * share, digits)
    power = int(f"{100 * like:.1e}".partition("e")[2])
    return _fixed(100 * share, 1 - power) if power >= -4 else number(100 * share, 2)


def _in_tenths(value: float | None, units: Sequence[str], step: int) -> str:
    """A number in the smallest unit in which it is below `step`; each unit is `step` times the one before."""
    if not _is_known(value):
        return MISSING
    for unit in units[:-1]:
        if round(value, 1) < step:
            return f"{value:.0f}{unit}" if unit == units[0] else f"{value:.1f}{unit}"
        value /= step
    return f"{value:.1f}{units[-1]}"


def _scaled(value: float | None, units: Sequence[str], digits: int) -> str:
    """A number with `digits` digits in the smallest unit in which it reads below 1000."""
    if not _is_known(value):
        return MISSING
    text = whole(value)
    for unit in units:
        if unit != units[0]:
            value /= 1000
            rounded = f"{abs(value):.{digits}g}".partition(".")[0]
            before_point = max(len(rounded), len(str(int(abs(value)))))
            text = f"{value:,.{max(0, digits - before_point)}f}"
        if abs(float(text.replace(",", ""))) < 1000:
            return text + unit
    return text + units[-1]
