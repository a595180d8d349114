"""The colours of the window and of runs: plain values and arithmetic, no Qt.

Run colours were chosen by search so that each pair stays apart (0.08 in OKLab, where 0.02 can just be seen)
for people with protan, deutan or tritan vision too; tests/gui/test_colours.py measures it. No more than eight
colours fit, so plots use line styles beside them.
Sources: WCAG 2.2 (contrast), Machado, Oliveira and Fernandes 2009 (colour vision), Ottosson 2020 (OKLab).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Colours:
    """One set of colours, as `#rrggbb`. Text is `text`, `muted`, `accent`, `good`, `warn` or `bad`."""

    dark: bool
    window: str
    base: str
    alternate: str
    button: str
    tooltip: str
    text: str
    muted: str
    line: str
    grid: str
    mark: str
    outline: str
    accent: str
    on_accent: str
    good: str
    warn: str
    bad: str
    runs: tuple[str, ...]


LIGHT = Colours(
    dark=False,
    window="#f3f4f6",
    base="#ffffff",
    alternate="#f7f8fa",
    button="#fafbfc",
    tooltip="#ffffff",
    text="#1c1f24",
    muted="#59616d",
    line="#c9ced6",
    grid="#e6e9ee",
    mark="#8b939f",
    outline="#747c89",
    accent="#2a56d4",
    on_accent="#ffffff",
    good="#17713d",
    warn="#855300",
    bad="#b4232c",
    runs=("#1d42c0", "#bd4a14", "#158455", "#eb0480", "#108ebf", "#b08806", "#8d41e9", "#594c52"),
)
DARK = Colours(
    dark=True,
    window="#202226",
    base="#1a1c20",
    alternate="#1f2226",
    button="#2b2e34",
    tooltip="#2b2e34",
    text="#e7e9ed",
    muted="#a3aab6",
    line="#454a53",
    grid="#2a2d33",
    mark="#767d89",
    outline="#828a97",
    accent="#86aaff",
    on_accent="#10182c",
    good="#5fcf8e",
    warn="#e8b450",
    bad="#ff8185",
    runs=("#4877fa", "#ff8353", "#3be79b", "#fc4b96", "#6eb8de", "#a57f00", "#b387ff", "#e5d5dc"),
)


class RunColours:
    """Which run colour each run or group has, for as long as the program runs and, restored, beyond.

    A key that is asked for the first time gets the first of the colours that were given out least so far.
    """

    def __init__(self, count: int = len(LIGHT.runs)) -> None:
        self._given = [0] * count
        self._numbers: dict[str, int] = {}

    def number(self, key: str) -> int:
        """The place of the key's colour in `Colours.runs`."""
        found = self._numbers.get(key)
        if found is None:
            found = self._given.index(min(self._given))
            self._set(key, found)
        return found

    def restore(self, numbers: Mapping[str, int]) -> None:
        """Restore what `numbers` gave in an earlier start; keys that have a colour already keep it."""
        for key, number in numbers.items():
            if key not in self._numbers and 0 <= number < len(self._given):
                self._set(key, number)

    def numbers(self, newest: int = 1000) -> dict[str, int]:
        """The keys given a colour last and their numbers, to be remembered."""
        return dict(list(self._numbers.items())[-newest:])

    def _set(self, key: str, number: int) -> None:
        self._numbers[key] = number
        self._given[number] += 1
