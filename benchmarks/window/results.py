"""The result of a measurement: a line of the table, with its bar if it has one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.window.stall import Stall


@dataclass(frozen=True)
class Line:
    """One line; `median`, `high` (95th percentile) and `worst` are in `unit`.

    `bar` holds for the value that `judged` names; where more is better, `more` says so.
    """

    what: str
    unit: str
    n: int
    median: float
    high: float
    worst: float
    bar: float | None = None
    judged: str = "median"
    more: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the bar is met; empty without one."""
        if self.bar is None:
            return ""
        value: float = getattr(self, self.judged)
        return "met" if (value >= self.bar if self.more else value <= self.bar) else "NOT met"

    def cells(self) -> list[str]:
        """The line as cells of a Markdown table."""
        sign, of = ("at least", self.judged) if self.more else ("at most", self.judged)
        named = {"median": "median", "high": "p95", "worst": "slowest"}[of]
        bar = "" if self.bar is None else f"{named} {sign} {_text(self.bar)}"
        values = [_text(value) for value in (self.median, self.high, self.worst)]
        return [f"{self.what}, {self.unit}", bar, str(self.n), *values, self.verdict, self.note]

    def to_json(self) -> str:
        """The line as JSON, for the parent process."""
        return json.dumps(asdict(self))


HEADER = ["what", "bar", "n", "median", "p95", "slowest", "", "note"]


def line(
    what: str,
    values: Sequence[float],
    unit: str = "ms",
    *,
    bar: float | None = None,
    judged: str = "median",
    note: str = "",
) -> Line:
    """A line of times in seconds, shown in ms or s."""
    scale = {"ms": 1e3, "s": 1.0}[unit]
    scaled = np.array(values) * scale
    median, high = (float(np.percentile(scaled, share)) for share in (50, 95))
    return Line(what, unit, len(scaled), median, high, float(scaled.max()), bar, judged, note=note)


def stall_line(what: str, stalls: Sequence[Stall], bar: float | None = None) -> Line:
    """A line of the longest stalls."""
    worst = max(stalls, key=lambda stall: stall.late_s)
    note = f"{1e3 * worst.worked_s:.0f} ms of the longest at work"
    late = [stall.late_s for stall in stalls]
    return line(f"{what}: longest stall of the event loop", late, bar=bar, judged="worst", note=note)


def _text(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
