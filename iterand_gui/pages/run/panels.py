"""Which plots the Curves tab has, and of which recorded series; a new one is an entry. No Qt."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from iterand_gui.plots.units import Unit

MARKS: Final = "redrawn"  # the series whose points are the redraw events
CLOCK: Final = "elapsed_s"  # training time, for an axis that counts it


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
    empty: str = "Nothing recorded yet: points come with the first steps."

    @property
    def series(self) -> tuple[str, ...]:
        """The series that it needs, those that divide before what they divide."""
        return tuple(name for curve in self.curves for name in (curve.over, curve.series) if name)


PANELS: Final[tuple[Panel, ...]] = (
    Panel(
        "accuracy",
        "Accuracy",
        Unit.SHARE,
        (
            Shown("val_accuracy", "Validation"),
            Shown("train_accuracy", "Training, by epoch", line=1),
            Shown("accuracy", "Training, by step", faint=True),
        ),
        marked=True,
        is_first=True,
    ),
    Panel(
        "flips",
        "Mask flips",
        Unit.SHARE,
        (Shown("mask_flips", "Weights that changed sides since the last look"),),
        of_masks=True,
        marked=True,
        is_first=True,
    ),
    Panel(
        "loss",
        "Loss",
        Unit.NUMBER,
        (
            Shown("val_loss", "Validation"),
            Shown("train_loss", "Training, by epoch", line=1),
            Shown("loss", "Training, by step", faint=True),
        ),
    ),
    Panel(
        "distance",
        "Mask distance over chance",
        Unit.NUMBER,
        (
            Shown(
                "mask_distance",
                "From the first mask; 1 is what chance alone gives",
                over="mask_distance_chance",
            ),
        ),
        of_masks=True,
        marked=True,
    ),
    Panel(
        "revived",
        "Redrawn and kept",
        Unit.SHARE,
        (Shown("revived", "Of those redrawn, kept at the next redraw"),),
        of_masks=True,
    ),
    Panel("lr", "Learning rate", Unit.NUMBER, (Shown("lr", "Learning rate"),)),
    Panel("throughput", "Throughput", Unit.COUNT, (Shown("images_per_s", "Images a second"),)),
    Panel("memory", "Memory", Unit.BYTES, (Shown("memory_bytes", "Held by the training"),)),
    Panel(
        "gpu",
        "GPU load",
        Unit.SHARE,
        (Shown("gpu_share", "Share of the time"),),
        empty="Nothing recorded: only runs on a GPU have this.",
    ),
)


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
