"""Numbers in the window: rounded to what a reader wants, in the right unit; a dash for what is missing."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iterand_engine.machine import texts as fmt
from iterand_engine.store import Locked

UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
NOTHING = (None, math.nan, math.inf, -math.inf)


def parsed(text: str, units: dict[str, float]) -> float:
    """The number that a text says: numbers and units in turn, or one number alone."""
    words = text.replace(",", "").split()
    pairs = zip(words[::2], words[1::2] or [""], strict=True)
    return sum(float(amount) * units[unit] for amount, unit in pairs)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.9124, "91.24 %"),
        (1.0, "100.00 %"),
        (0.0, "0.00 %"),
        (-1e-9, "0.00 %"),
        (0.001, "0.10 %"),
        (0.000999, "0.10 %"),
        (0.000123, "0.012 %"),
        (0.0000341, "0.0034 %"),
        (9e-8, "9e-6 %"),
        (Locked.LOCKED, "locked"),
        *((nothing, "—") for nothing in NOTHING),
    ],
)
def test_that_shares_are_percent(share: float | Locked | None, text: str) -> None:
    assert fmt.percent(share) == text


@given(st.floats(1e-9, 1))
def test_that_only_nothing_reads_as_nothing(share: float) -> None:
    said = float(fmt.percent(share).removesuffix(" %")) / 100
    assert math.isclose(said, share, rel_tol=0.051)


def test_that_percent_takes_fewer_digits() -> None:
    assert fmt.percent(0.6, 0) == "60 %"


def test_that_a_mean_comes_with_its_deviation_where_there_is_one() -> None:
    assert fmt.percent_spread(0.9124, 0.0031) == "91.24 ± 0.31 %"
    assert fmt.percent_spread(0.9792, 1e-17) == "97.92 ± 0.00 %"
    assert fmt.percent_spread(0.00012, 0.00004) == "0.012 ± 0.004 %"
    assert fmt.percent_spread(0.0, 0.0) == "0.00 ± 0.00 %"
    assert fmt.percent_spread(0.9124, None) == "91.24 %"
    assert fmt.percent_spread(None, None) == "—"
    assert fmt.number_spread(0.23141, 0.0123) == "0.2314 ± 0.012"
    assert fmt.number_spread(0.23141, math.nan) == "0.2314"


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.0042, "+0.42"), (-0.0042, "-0.42"), (1e-7, "0.00"), (-1e-7, "0.00"), (0, "0.00"), (None, "—")],
)
def test_that_differences_of_shares_have_a_sign(difference: float | None, text: str) -> None:
    assert fmt.points(difference) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (2.302585, "2.303"),
        (35_200, "35,200"),
        (1.0, "1"),
        (-0.0, "0"),
        (1e-5, "1e-5"),
        (5e-4, "0.0005"),
        (-2.5e-7, "-2.5e-7"),
        (2.8e6, "2.8e6"),
        *((nothing, "—") for nothing in NOTHING),
    ],
)
def test_that_numbers_have_the_digits_that_count(value: float | None, text: str) -> None:
    assert fmt.number(value) == text


@given(st.floats(-1e12, 1e12))
def test_that_a_number_is_what_was_meant(value: float) -> None:
    assert math.isclose(float(fmt.number(value).replace(",", "")), value, rel_tol=5.1e-4, abs_tol=1e-300)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (987, "987"),
        (999.6, "1.00 k"),
        (9_676, "9.68 k"),
        (9_996, "10.0 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (2_800_000, "2.80 M"),
        (11_173_962, "11.2 M"),
        (1.23e9, "1.23 G"),
        (5e14, "500 T"),
        (9.996e14, "1e15"),
        (5e15, "5e15"),
        (-1e20, "-1e20"),
        (None, "—"),
    ],
)
def test_that_counts_have_three_digits(value: float | None, text: str) -> None:
    assert fmt.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567_890, "1.2 GB"),
        (9_960_000, "10 MB"),
        (41_200_000_000, "41 GB"),
        (None, "—"),
    ],
)
def test_that_bytes_are_decimal(value: float | None, text: str) -> None:
    assert fmt.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (20 * 2**30, "20.0 GiB"),
    ],
)
def test_that_memory_is_binary(value: float, text: str) -> None:
    assert fmt.memory(value) == text


def test_that_tenths_stay_in_their_unit_too() -> None:
    assert [fmt.size(value, tenths=True) for value in (999, 999_949, 999_950, None)] == [
        *("999 B", "999.9 kB", "1.0 MB"),
        fmt.MISSING,
    ]


@given(st.integers(0, 10**17))
def test_that_scaled_numbers_stay_in_their_unit_and_say_what_was_meant(value: int) -> None:
    for text, units, worst in ((fmt.count(value), UNITS, 0.0051), (fmt.size(value), BYTES, 0.051)):
        assert math.isclose(parsed(text, units), value, rel_tol=worst)
        assert float(text.split()[0].replace(",", "")) < 1000 or text.endswith("TB") or "e" in text


@given(st.integers(0, 10**16), st.integers(0, 10**16))
def test_that_a_larger_count_is_never_shown_as_smaller(one: int, other: int) -> None:
    small, large = sorted((one, other))
    assert parsed(fmt.count(small), UNITS) <= parsed(fmt.count(large), UNITS)
    assert parsed(fmt.size(small), BYTES) <= parsed(fmt.size(large), BYTES)


def test_that_things_are_counted_with_their_noun() -> None:
    assert fmt.counted(1, "run") == "1 run"
    assert fmt.counted(0, "run") == "0 runs"
    assert fmt.counted(35_200, "step") == "35,200 steps"
    assert fmt.counted(2, "entry", "entries") == "2 entries"
    assert fmt.progress(1200, 35_200) == "1,200 / 35,200"
    assert fmt.progress(1200, None) == "1,200"


def test_that_rates_are_short() -> None:
    assert fmt.rate(12_345.6) == "12.3 k images/s"
    assert fmt.rate(3.257, "steps") == "3.26 steps/s"
    assert fmt.rate(math.nan) == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (0.35, "350 ms"),
        (0.9996, "1 s"),
        (4.2, "4.2 s"),
        (9.96, "10 s"),
        (41, "41 s"),
        (59.7, "1 min"),
        (95, "1 min 35 s"),
        (3599.7, "1 h"),
        (11_520, "3 h 12 min"),
        (86_399, "23 h 59 min"),
        (180_000, "2 d 2 h"),
        *((nothing, "—") for nothing in NOTHING),
    ],
)
def test_that_durations_have_their_two_largest_units(seconds: float | None, text: str) -> None:
    assert fmt.duration(seconds) == text


@given(st.floats(0, 1e7))
def test_that_a_duration_says_what_was_meant(seconds: float) -> None:
    text = fmt.duration(seconds)
    parts = dict(zip(text.split()[1::2], map(float, text.split()[::2]), strict=True))
    too_much = {"h": 24, "min": 60, "s": 60, "ms": 1000}
    assert all(amount < too_much.get(unit, math.inf) for unit, amount in parts.items())
    smallest = TIMES[list(parts)[-1]] if "d" not in parts else TIMES["h"]
    smallest = max(smallest, {"h": 60.0, "min": 1.0}.get(next(iter(parts)), 0.0))
    assert abs(parsed(text, TIMES) - seconds) <= smallest + 0.5


def test_that_time_left_is_told_only_where_it_is_known() -> None:
    assert fmt.time_left(11_520) == "3 h 12 min left"
    assert fmt.time_left(4.4) == "4 s left"
    assert fmt.time_left(0.4) == "less than 1 s left"
    assert fmt.time_left(math.nan) == fmt.time_left(None) == ""


@pytest.mark.parametrize(
    ("passed_s", "text"),
    [
        (-2, "just now"),
        (4.9, "just now"),
        (41.7, "41 s ago"),
        (60, "1 min ago"),
        (179, "2 min ago"),
        (7199, "1 h ago"),
        (3 * 86_400, "3 d ago"),
    ],
)
def test_that_an_age_has_one_unit(passed_s: float, text: str) -> None:
    now = 1_772_000_000.0
    assert fmt.age(now - passed_s, now) == text


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local time that is not that of Greenwich."""
    if sys.platform == "win32":
        pytest.skip("the local time zone cannot be set here")
    with monkeypatch.context() as change:
        change.setenv("TZ", "XYZ-9")
        time.tzset()
        yield
    time.tzset()


def test_that_what_is_long_ago_has_a_local_date(far_east: None) -> None:
    at = 1_772_000_000.0  # 2026-02-25 06:13:20 UTC
    assert fmt.moment(at) == "2026-02-25 15:13"
    assert fmt.age(at, at + 31 * 86_400) == "2026-02-25"
    assert fmt.moment(None) == fmt.age(None, at) == "—"
