"""One curve in a plot: its points reduced to a view, and the shapes that draw them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen

from iterand_gui.look import theme
from iterand_gui.plots.curve_data import CurveData
from iterand_gui.plots.curve_set import FAINT_SHARE
from iterand_gui.plots.items import NOTHING, Band, BandShape, LineShape, Shape
from iterand_gui.plots.legend import LINES
from iterand_gui.plots.link import Span
from iterand_gui.plots.reduction import RAW_PER_COLUMN, ColumnCache, Polyline, Steps, Values, visible, zigzag
from iterand_gui.plots.strokes import Stroke, travel
from iterand_gui.plots.x_axis import Positions, XAxis

_DOT_APART_PX = 14  # points that are further apart are marked
_DOT_PX = 5.0
_BAND_SHARE, _BEHIND_SHARE = 0.16, 0.30
_FAST_PX, _FINE_PX, _STRONG_PX = 1.0, 1.5, 2.25
_DASHES_TAKE = 4.0  # times as long as a line of pieces
_LARGEST = 2**62


@dataclass(frozen=True, eq=False)
class ViewColumns:
    """The columns of the screen that a view has, for the runs whose steps stand at the same places.

    `edges` are their bounds in steps, (columns + 1,), `centres` their middles on the x axis, (columns,).
    """

    axis: XAxis
    positions: Positions
    edges: Steps
    centres: NDArray[np.float64]
    width_px: int

    @classmethod
    def of_view(cls, axis: XAxis, positions: Positions, view: Span, count: int, width_px: int) -> ViewColumns:
        """Cut a view into columns; it is so many pixels of the layout wide."""
        places = np.linspace(*view, count + 1)
        steps = np.clip(np.ceil(positions.steps(axis, places)), -_LARGEST, _LARGEST)
        return cls(axis, positions, steps.astype(np.int64), (places[:-1] + places[1:]) / 2, width_px)

    def places(self, steps: Steps) -> NDArray[np.float64]:
        """Where steps stand on the x axis."""
        return self.positions.places(self.axis, steps)


@dataclass(frozen=True)
class DrawnStyle:
    """The style in which a curve is drawn."""

    colour: QColor
    ground: QColor
    line: int
    stroke: Stroke
    strong: bool
    behind: bool
    faint: bool
    scale: float  # pixels of the screen or image for one of the layout


class DrawnCurve:
    """The shapes of one curve."""

    def __init__(self) -> None:
        self._band, self._raw, self._line = BandShape(1.0), LineShape(2.0), LineShape(3.0)
        self._caches = {part: ColumnCache() for part in ("shown", "smoothed", "low", "high")}
        self._has_dots = False
        self._styled: tuple[DrawnStyle, bool] | None = None

    def shapes(self) -> list[Shape]:
        """The shapes to paint: band, single points behind a mean, and line."""
        return [self._band, self._raw, self._line]

    @property
    def line(self) -> Polyline:
        """The line that is drawn: smoothed values where smoothing is on."""
        return self._line.line

    def length_px(self, px_per_value: float, line: int) -> float:
        """How far the lines go up and down, in pixels; dashes count more, as they take longer to draw."""
        drawn = [self._line.line.values, *self._band.outline]
        return px_per_value * sum(map(travel, drawn)) * (_DASHES_TAKE if line else 1)

    def show(self, data: CurveData, columns: ViewColumns) -> Span | None:
        """Reduce a curve to the columns of a view and keep the result for drawing.

        Returns:
            The least and greatest value drawn; None where nothing is.
        """
        changed = data.take_changes()
        part = visible(data.steps, int(columns.edges[0]), int(columns.edges[-1]))
        few = part.stop - part.start <= RAW_PER_COLUMN * len(columns.centres)
        raw = self._reduced("shown", data, data.shown, part if few else None, columns, changed.shown)
        smoothed = data.smoothed
        if smoothed is None:
            self._show_lines(raw, NOTHING)
        else:
            mean = self._reduced("smoothed", data, smoothed, part if few else None, columns, changed.smoothed)
            self._show_lines(mean, raw)
        band = self._band_of(data, part if few else None, columns)
        self._band.show_band(band)
        self._has_dots = few and len(raw.x) > 1 and _spacing_px(raw, columns) > _DOT_APART_PX
        return _span([raw.values] if band is None else [raw.values, band.low, band.high])

    def set_style(self, style: DrawnStyle) -> None:
        """Draw the curve in other colours or another quality."""
        if (style, self._has_dots) == self._styled:
            return
        self._styled = (style, self._has_dots)
        share = _BEHIND_SHARE if style.behind else FAINT_SHARE if style.faint and not style.strong else 1.0
        colour = theme.mixed(style.colour, style.ground, share)
        # A pen of one pixel is drawn many times faster than any other, however fine the screen's pixels are.
        stroke = max(style.stroke, Stroke.WIDE) if style.strong else style.stroke
        wide = style.scale * (_STRONG_PX if style.strong else _FINE_PX)
        self._line.set_pen(
            _pen(colour, wide if stroke >= Stroke.WIDE else _FAST_PX, style.line),
            antialias=style.stroke > Stroke.FAST,
            dot_px=_DOT_PX if self._has_dots else 0.0,
            in_pieces=stroke is Stroke.WIDE,
        )
        self._raw.set_pen(_pen(theme.mixed(colour, style.ground, FAINT_SHARE), _FAST_PX, 0), antialias=False)
        self._band.colour = QColor(colour)
        self._band.colour.setAlphaF(_BAND_SHARE)
        # A jagged outline takes three times as long with it.
        self._band.antialias = style.stroke >= Stroke.WIDE
        self._line.z = 4.0 if style.strong else 2.5 if share < 1 else 3.0

    def _show_lines(self, line: Polyline, raw: Polyline) -> None:
        self._line.show_line(line)
        self._raw.show_line(raw)

    def _reduced(
        self,
        name: str,
        data: CurveData,
        values: Values,
        part: slice | None,
        columns: ViewColumns,
        changed: int,
    ) -> Polyline:
        """The points of a part, or all points in view reduced to columns."""
        cache = self._caches[name]
        if part is not None:
            cache.forget()
            return Polyline(columns.places(data.steps[part]), values[part], raw=True)
        return zigzag(cache.reduce(data.steps, values, columns.edges, changed), columns.centres)

    def _band_of(self, data: CurveData, part: slice | None, columns: ViewColumns) -> Band | None:
        band = data.band()
        if band is None:
            return None
        if part is not None:
            return Band(columns.places(data.steps[part]), band[0][part], band[1][part])
        low, high = (
            self._caches[name].reduce(data.steps, values, columns.edges, 0)
            for name, values in zip(("low", "high"), band, strict=True)
        )
        return Band(columns.centres[high.filled], low.low[high.filled], high.high[high.filled])


def _pen(colour: QColor, width: float, line: int) -> QPen:
    """A pen whose width does not depend on the view."""
    made = QPen(colour, width, LINES[line], Qt.PenCapStyle.FlatCap if line else Qt.PenCapStyle.RoundCap)
    made.setCosmetic(True)
    return made


def _spacing_px(line: Polyline, columns: ViewColumns) -> float:
    """How far apart points are on average."""
    span = float(columns.centres[-1] - columns.centres[0]) or 1.0
    return float(line.x[-1] - line.x[0]) / span * columns.width_px / (len(line.x) - 1)


def _span(drawn: list[Values]) -> Span | None:
    values = drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
    if not len(values):
        return None
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    return (low, high) if low == low else None
