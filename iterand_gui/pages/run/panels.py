"""Which plots the Curves tab has, and of which recorded series, as these are declared. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from iterand_engine.config.metrics import METRICS, Metric, Plot, Unit


@dataclass(frozen=True)
class Shown:
    """One curve: a series and its name; `over` divides it by the one value of another series.

    `line` is its place in `legend.LINES`; `faint` is for the noise of single steps.
    """

    series: str
    name: str
    line: int = 0
    faint: bool = False
    over: str = ""


@dataclass(frozen=True)
class Panel:
    """One plot.

    `of_masks`: runs without masks have none; `marked`: has ticks at redraws; `is_first`: shown before anybody
    asks for more; `empty` stands where it has no points.
    """

    key: str
    title: str
    unit: Unit
    curves: tuple[Shown, ...]
    of_masks: bool = False
    marked: bool = False
    is_first: bool = False
    empty: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """The series that it needs, those that divide before what they divide."""
        return tuple(name for curve in self.curves for name in (curve.over, curve.series) if name)


def _panels(metrics: Iterable[Metric]) -> Iterator[Panel]:
    """The plots of the declared series, in the order in which these name them."""
    plots: dict[Plot, list[Metric]] = {}
    for metric in metrics:
        if metric.panel is not None:
            plots.setdefault(metric.panel, []).append(metric)
    for plot, shown in plots.items():
        soonest = next((metric for metric in shown if metric.axis == "step"), shown[0])
        yield Panel(
            plot.key,
            plot.title,
            shown[0].unit,
            tuple(_curves(shown)),
            of_masks=all(metric.by_layer for metric in shown),
            marked=plot.marked,
            is_first=plot.is_first,
            empty=soonest.empty_text,
        )


def _curves(shown: Sequence[Metric]) -> Iterator[Shown]:
    line = 0
    for metric in shown:
        faint = metric.axis == "step" and len(shown) > 1
        yield Shown(metric.name, metric.curve or metric.label, 0 if faint else line, faint, metric.over)
        line += not faint


PANELS: Final = tuple(sorted(_panels(METRICS), key=lambda panel: not panel.is_first))


def known_keys(keys: Iterable[object]) -> tuple[str, ...]:
    """Those of the keys that name panels, in the order of the panels; the first ones where none does."""
    wanted = set(keys)
    found = tuple(panel.key for panel in PANELS if panel.key in wanted)
    return found or tuple(panel.key for panel in PANELS if panel.is_first)


def shown_panels(chosen: Collection[str], masks: bool) -> tuple[Panel, ...]:
    """The chosen panels that a run has, with masks or without; the loss stands in where not two are left."""
    keys = {panel.key for panel in PANELS if panel.key in chosen and (masks or not panel.of_masks)}
    if len(keys) < len(set(chosen)) and len(keys) < 2:
        keys.add("loss")
    return tuple(panel for panel in PANELS if panel.key in keys)
