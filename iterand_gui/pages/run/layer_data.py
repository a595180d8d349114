"""What is recorded of each layer of one run, and what tables and pictures show of it. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from iterand_engine.config import metrics
from iterand_engine.config.metrics import BY_LAYER, METRICS, Unit
from iterand_engine.machine.workspace import Workspace
from iterand_engine.results.epoch_masks import read_epoch, stored_epochs
from iterand_engine.store import Series
from iterand_gui.plots.heat.columns import Matrix
from iterand_gui.plots.heat.heatmap import Quantity
from iterand_gui.plots.reduction import Steps

_OVER = {metric.over for metric in METRICS if metric.by_layer and metric.over}  # they only divide
_SHOWN = {
    metric.panel.key if metric.panel else metric.name: metric
    for metric in METRICS
    if metric.by_layer and metric.name not in _OVER
}
FLIPS: Final = f"mask_flips{BY_LAYER}"
DISTANCE: Final = f"mask_distance{BY_LAYER}"
CHANCE: Final = f"mask_distance_chance{BY_LAYER}"
REDRAWN: Final = f"{metrics.REDRAWN}{BY_LAYER}"
REVIVED: Final = f"revived{BY_LAYER}"
SERIES: Final = tuple(
    f"{name}{BY_LAYER}" for name in (*sorted(_OVER), *(metric.name for metric in _SHOWN.values()))
)
QUANTITIES: Final = tuple(  # of redraws, the share of a layer's weights
    Quantity(key, metric.label, Unit.SHARE if metric.name == metrics.REDRAWN else metric.unit)
    for key, metric in _SHOWN.items()
)
_WEIGHT = ".weight"


@dataclass(frozen=True)
class LayerSize:
    """Weights of a layer and how many of them are kept; None where that is not known."""

    weights: int
    kept: int | None


Sizes = Mapping[str, LayerSize]


class GrowingRows:
    """A matrix that grows at its end; views handed out before never change."""

    def __init__(self, width: int) -> None:
        self._steps = np.empty(0, np.int64)
        self._values: Matrix = np.empty((0, width), np.float32)
        self._count = 0

    @property
    def steps(self) -> Steps:
        return self._steps[: self._count]

    @property
    def values(self) -> Matrix:
        return self._values[: self._count]

    def take(self, first: int, steps: Steps, values: Matrix) -> None:
        """Keep the first `first` rows and put others behind them."""
        end = first + len(steps)
        if end > len(self._steps) or first < self._count:
            room = max(256, end + end // 2)
            grown, matrix = np.empty(room, np.int64), np.empty((room, values.shape[1]), np.float32)
            grown[:first], matrix[:first] = self.steps[:first], self.values[:first]
            self._steps, self._values = grown, matrix
        self._steps[first:end], self._values[first:end] = steps, values
        self._count = end


class LayerBook:
    """The series by layer of one run."""

    def __init__(self) -> None:
        self.layers: tuple[str, ...] = ()
        self._rows: dict[str, GrowingRows] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The layers as a reader wants them: without the name of the parameter, which is the same for all."""
        return tuple(name.removesuffix(_WEIGHT) or name for name in self.layers)

    def take(self, part: Series) -> None:
        """Take new points of one of `SERIES`."""
        if part.layers is None:
            return
        if part.layers != self.layers:
            self.layers, self._rows = part.layers, {}
        rows = self._rows.setdefault(part.name, GrowingRows(len(part.layers)))
        rows.take(min(part.first, len(rows.steps)), part.steps, part.values)

    def rows(self, name: str) -> GrowingRows:
        """The points of a series so far."""
        return self._rows.get(name) or GrowingRows(len(self.layers))

    def series_of(self, quantity: str) -> str:
        """The series that a quantity is made of."""
        return f"{_SHOWN[quantity].name}{BY_LAYER}"

    def quantity(self, key: str, sizes: Sizes) -> tuple[Steps, Matrix]:
        """What a picture shows: steps (n,) and values (n, layers).

        Args:
            key: of one of `QUANTITIES`.
            sizes: of the layers by name, for shares of their weights.
        """
        metric, rows = _SHOWN[key], self.rows(self.series_of(key))
        if metric.over:
            return rows.steps, _divided(rows.values, self._first(f"{metric.over}{BY_LAYER}"))
        if metric.name == metrics.REDRAWN:
            weights = [sizes[name].weights if name in sizes else math.nan for name in self.layers]
            return rows.steps, _divided(rows.values, np.array(weights, np.float32))
        return rows.steps, rows.values

    @property
    def over_chance(self) -> NDArray[np.float32]:
        """The newest distance over that of chance, (layers,); NaN where either is not recorded."""
        return _divided(self.latest(DISTANCE), self._first(CHANCE))

    def _first(self, name: str) -> NDArray[np.float32]:
        values = self.rows(name).values
        return values[0] if len(values) else np.full(len(self.layers), np.nan, np.float32)

    def latest(self, name: str) -> NDArray[np.float32]:
        """The newest point of a series, (layers,); NaN where there is none."""
        values = self.rows(name).values
        return values[-1] if len(values) else np.full(len(self.layers), np.nan, np.float32)

    def total(self, name: str) -> NDArray[np.float64]:
        """The sum of all points of a series, (layers,)."""
        total: NDArray[np.float64] = np.nansum(self.rows(name).values, axis=0, dtype=np.float64)
        return total


def _divided(values: Matrix, by: NDArray[np.float32]) -> Matrix:
    """Values over one number a layer; NaN where that is not known or not above zero."""
    known = np.where(by > 0, by, np.nan).astype(np.float32)
    shares: Matrix = values / known
    return shares


def read_sizes(workspace: Workspace, run_id: str) -> dict[str, LayerSize]:
    """Weights and kept weights of each masked layer by the newest masks on disk; empty where there are none.

    Raises:
        UserError: the files are damaged.
    """
    folder = workspace.run_dir(run_id) / "masks"
    epochs = stored_epochs(folder)
    if not epochs:
        return {}
    masks = read_epoch(folder, epochs[-1])
    return {
        name: LayerSize(math.prod(mask.shape), int(np.count_nonzero(mask.kept)))
        for name, mask in masks.layers.items()
    }
