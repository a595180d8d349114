"""Every series that a run records: its name, what it is called, its unit, and where it is shown.

A line of `METRICS` is all that the command line and the window need to know of a series; training declares
them to the store and appends their points. A series that stands in no line is shown with its bare name.
Torch-free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from iterand_engine.machine import texts

_Axis = Literal["step", "epoch", "clock", "event"]
Better = Literal["higher", "lower", ""]

BY_LAYER: Final = ".layers"  # ends the name of the twin of a series that has one value for each layer
CLOCK: Final = "elapsed_s"  # training time, which places points on the time axis
REDRAWN: Final = "redrawn"  # its points are the redraw events
VAL_ACCURACY: Final = "val_accuracy"
LOSS: Final = "loss"


class Unit(Enum):
    """The kind of a series' values, which decides how they are shown."""

    NUMBER = "number"
    SHARE = "share"  # 0 to 1, shown as percent
    COUNT = "count"
    BYTES = "bytes"
    SECONDS = "seconds"

    def text(self, value: float | None) -> str:
        """A value with its unit, and as many digits as a reader needs; None is a dash."""
        match self:
            case Unit.NUMBER:
                return texts.number(value)
            case Unit.SHARE:
                return texts.percent(value)
            case Unit.COUNT:
                return texts.whole(value) if value is None or abs(value) < 1e6 else texts.count(value)
            case Unit.BYTES:
                return texts.size(value)
            case Unit.SECONDS:
                return texts.duration(value)

    def spread_text(self, mean: float, deviation: float) -> str:
        """A mean with its deviation, as `mean ± deviation`; only the mean if the deviation is not finite."""
        match self:
            case Unit.NUMBER:
                return texts.number_spread(mean, deviation)
            case Unit.SHARE:
                return texts.percent_spread(mean, deviation)
        return f"{self.text(mean)} ± {self.text(deviation)}" if math.isfinite(deviation) else self.text(mean)


@dataclass(frozen=True)
class Plot:
    """A plot of one run that several series may share.

    `is_first`: the page shows it before the user asks for more plots; `marked`: it has ticks at redraws.
    """

    key: str
    title: str
    is_first: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Metric:
    """One series.

    Args:
        name: of the series in the store, for ever.
        label: what it is called where it stands alone.
        unit: of its values.
        axis: what its points follow.
        better: which of two values is the better one, where that can be said.
        by_layer: only runs with masks have it, and it has a twin with one value for each masked layer.
        over: the series whose one value divides it where it is shown.
        plot: the plot of a run that it is a curve of, None for none; by default a plot of its own.
        curve: what its curve is called there, by default as its label.
        compared: whether it can be laid side by side for several runs.
        comes: when its points come, where the axis does not say it.
    """

    name: str
    label: str
    unit: Unit
    axis: _Axis
    better: Better = ""
    by_layer: bool = False
    over: str = ""
    plot: Plot | Literal["own"] | None = "own"
    curve: str = ""
    compared: bool = True
    comes: str = ""

    @property
    def panel(self) -> Plot | None:
        """The plot that it is a curve of; None where it is in none."""
        return Plot(self.name, self.label) if self.plot == "own" else self.plot

    @property
    def names(self) -> tuple[str, ...]:
        """The series that it needs where it is shown, that which divides first."""
        return (self.over, self.name) if self.over else (self.name,)

    @property
    def empty_text(self) -> str:
        """What a plot without points says."""
        when = _COMES[self.axis] + (
            " of runs that learn a mask" if self.by_layer and self.axis == "step" else ""
        )
        return f"Nothing recorded yet: points come {self.comes or when}."

    def best(self, values: Sequence[float]) -> int | None:
        """The index of the best value, the first of equals; None where no value is a number or better."""
        known = [index for index, value in enumerate(values) if not math.isnan(value)]
        if not self.better or not known:
            return None
        return (max if self.better == "higher" else min)(known, key=lambda index: values[index])


_COMES: dict[_Axis, str] = {
    "step": "with the first steps",
    "epoch": "with the first epoch",
    "clock": "with the first seconds",
    "event": "with the first redraw of IteRand",
}
_ACCURACY = Plot("accuracy", "Accuracy", is_first=True, marked=True)
_LOSS = Plot("loss", "Loss")
_FLIPS = Plot("flips", "Mask flips", is_first=True, marked=True)
_DISTANCE = Plot("distance", "Mask distance over chance", marked=True)
_THROUGHPUT, _MEMORY, _GPU = (
    Plot("throughput", "Throughput"),
    Plot("memory", "Memory"),
    Plot("gpu", "GPU load"),
)
# fmt: off
METRICS: Final = (
    Metric(VAL_ACCURACY, "Validation accuracy", Unit.SHARE, "epoch", "higher",
           plot=_ACCURACY, curve="Validation"),
    Metric("val_loss", "Validation loss", Unit.NUMBER, "epoch", "lower", plot=_LOSS, curve="Validation"),
    Metric("train_accuracy", "Training accuracy, by epoch", Unit.SHARE, "epoch", "higher",
           plot=_ACCURACY, curve="Training, by epoch"),
    Metric("train_loss", "Training loss, by epoch", Unit.NUMBER, "epoch", "lower",
           plot=_LOSS, curve="Training, by epoch"),
    Metric("accuracy", "Training accuracy, by step", Unit.SHARE, "step", "higher",
           plot=_ACCURACY, curve="Training, by step"),
    Metric(LOSS, "Training loss, by step", Unit.NUMBER, "step", "lower",
           plot=_LOSS, curve="Training, by step"),
    Metric("mask_flips", "Mask flips", Unit.SHARE, "step", by_layer=True,
           plot=_FLIPS, curve="Weights that changed sides since the last look"),
    Metric("mask_distance", "Mask distance over chance", Unit.NUMBER, "step", by_layer=True,
           over="mask_distance_chance", plot=_DISTANCE,
           curve="From the first mask; 1 is what chance alone gives"),
    Metric("mask_distance_chance", "Mask distance by chance", Unit.SHARE, "step", by_layer=True,
           plot=None, compared=False),
    Metric(REDRAWN, "Redrawn weights", Unit.COUNT, "event", by_layer=True, plot=None, compared=False),
    Metric("revived", "Redrawn and kept", Unit.SHARE, "event", by_layer=True,
           curve="Of those redrawn, kept at the next redraw"),
    Metric("lr", "Learning rate", Unit.NUMBER, "step"),
    Metric("images_per_s", "Throughput in images/s", Unit.COUNT, "clock", "higher",
           plot=_THROUGHPUT, curve="Images a second"),
    Metric("memory_bytes", "Memory", Unit.BYTES, "clock", "lower",
           plot=_MEMORY, curve="Held by the training"),
    Metric("gpu_share", "GPU load", Unit.SHARE, "clock", plot=_GPU, curve="Share of the time",
           comes="with the first seconds on a GPU"),
    Metric("epoch_s", "Time of an epoch", Unit.SECONDS, "epoch", "lower", plot=None),
    Metric(CLOCK, "Training time", Unit.SECONDS, "clock", plot=None, compared=False),
)
# fmt: on
_BY_NAME: Final = {metric.name: metric for metric in METRICS}


def metric_of(name: str) -> Metric:
    """The declaration of a series, or of its twin by layer; one that is not declared is a number."""
    return _BY_NAME.get(name.removesuffix(BY_LAYER)) or Metric(name, name, Unit.NUMBER, "step")
