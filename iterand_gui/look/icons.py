"""Icons of one set (Phosphor, from QtAwesome's files), drawn in the palette of the moment.

QtAwesome itself is not imported: that takes 0.15 s of the window's start (twelve fonts, and qtpy), and its
icons keep the colour they were made with. An icon from here changes with the theme by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPixmap,
)

_GLYPH_SHARE = 0.94  # of the icon's height: Phosphor's glyphs stand in a margin of their own
_GROUPS = {
    QIcon.Mode.Normal: (QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText),
    QIcon.Mode.Active: (QPalette.ColorGroup.Active, QPalette.ColorRole.ButtonText),
    QIcon.Mode.Disabled: (QPalette.ColorGroup.Disabled, QPalette.ColorRole.ButtonText),
    QIcon.Mode.Selected: (QPalette.ColorGroup.Active, QPalette.ColorRole.HighlightedText),
}


@dataclass(frozen=True)
class _IconFont:
    family: str
    glyphs: dict[str, str]


@cache
def _icon_font() -> _IconFont:
    """Load the font; needs a QGuiApplication.

    Raises:
        FileNotFoundError: QtAwesome is not installed, or its files have other names.
    """
    spec = find_spec("qtawesome")
    places = spec.submodule_search_locations if spec else None
    folder = Path(places[0] if places else "qtawesome") / "fonts"
    fonts, codes = sorted(folder.glob("phosphor-*.ttf")), sorted(folder.glob("phosphor-charmap-*.json"))
    if not fonts or not codes:
        raise FileNotFoundError(f"there is no icon font in {folder}; install qtawesome>=1.4 again")
    family = QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(fonts[-1])))[0]
    points: dict[str, str] = json.loads(codes[-1].read_text(encoding="utf-8"))
    return _IconFont(family, {name: chr(int(point, 16)) for name, point in points.items()})


def glyph_icon(name: str, colour: Callable[[], str] | None = None) -> QIcon:
    """An icon of the set.

    Args:
        name: as Phosphor calls it, for example `check-circle` or `play-fill`.
        colour: asked at each painting; None for the colour of button text.
    Raises:
        KeyError: the set has no icon of that name.
    """
    if name not in _icon_font().glyphs:
        raise KeyError(f"Phosphor has no icon '{name}'")
    return QIcon(_GlyphEngine(name, colour))


class _GlyphEngine(QIconEngine):
    def __init__(self, name: str, colour: Callable[[], str] | None) -> None:
        super().__init__()
        self._name = name
        self._colour = colour

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        icons = _icon_font()
        font = QFont(icons.family)
        font.setPixelSize(max(1, round(_GLYPH_SHARE * rect.height())))
        painter.save()
        painter.setFont(font)
        painter.setPen(self._pen_colour(mode))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, icons.glyphs[self._name])
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        return _GlyphEngine(self._name, self._colour)

    def _pen_colour(self, mode: QIcon.Mode) -> QColor:
        if self._colour is not None and mode not in (QIcon.Mode.Disabled, QIcon.Mode.Selected):
            return QColor(self._colour())
        return QGuiApplication.palette().color(*_GROUPS[mode])
