"""One stall of the event loop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stall:
    """How late a timer was, and how much of that the GUI thread was at work; in seconds."""

    late_s: float
    worked_s: float
