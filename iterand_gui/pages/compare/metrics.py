"""The series that can be laid side by side: what each is called, and what its values are. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from iterand_gui.plots.units import Unit

CLOCK: Final = "elapsed_s"  # training time, which places points on the time axis
_STEP, _EPOCH, _CLOCK = "with the first steps", "with the first epoch", "with the first seconds"
_MASK, _REDRAW = "with the first steps of runs that learn a mask", "with the first redraw of IteRand"


@dataclass(frozen=True)
class Metric:
    """One series: its name in the store, what it is called, its unit, and when its points come.

    `over` divides it by the one value of another series.
    """

    series: str
    title: str
    unit: Unit
    comes: str
    over: str = ""

    @property
    def empty_text(self) -> str:
        """What a plot without points says."""
        return f"Nothing recorded yet: points come {self.comes}."

    @property
    def names(self) -> tuple[str, ...]:
        """The series that it needs, that which divides first."""
        return (self.over, self.series) if self.over else (self.series,)


METRICS: Final = (
    Metric("val_accuracy", "Validation accuracy", Unit.SHARE, _EPOCH),
    Metric("val_loss", "Validation loss", Unit.NUMBER, _EPOCH),
    Metric("train_accuracy", "Training accuracy, by epoch", Unit.SHARE, _EPOCH),
    Metric("train_loss", "Training loss, by epoch", Unit.NUMBER, _EPOCH),
    Metric("accuracy", "Training accuracy, by step", Unit.SHARE, _STEP),
    Metric("loss", "Training loss, by step", Unit.NUMBER, _STEP),
    Metric("mask_flips", "Mask flips", Unit.SHARE, _MASK),
    Metric("mask_distance", "Mask distance over chance", Unit.NUMBER, _MASK, over="mask_distance_chance"),
    Metric("revived", "Redrawn and kept", Unit.SHARE, _REDRAW),
    Metric("lr", "Learning rate", Unit.NUMBER, _STEP),
    Metric("images_per_s", "Throughput in images/s", Unit.COUNT, _CLOCK),
    Metric("memory_bytes", "Memory", Unit.BYTES, _CLOCK),
    Metric("gpu_share", "GPU load", Unit.SHARE, "with the first seconds on a GPU"),
    Metric("epoch_s", "Time of an epoch", Unit.SECONDS, _EPOCH),
)


def metric_of(series: object) -> Metric:
    """A metric by the name of its series; the first where there is none of that name."""
    return next((metric for metric in METRICS if metric.series == series), METRICS[0])
