"""The list of presets, searchable by every word of their names and titles."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QLabel, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from iterand_engine.config.presets import Preset, presets
from iterand_gui.look import theme
from iterand_gui.look.plain import plain

_NAME = Qt.ItemDataRole.UserRole
_ROW_PX = 24


class PresetList(QWidget):
    """Chooses where the form starts; `chosen` reports the preset when one is clicked or Return is pressed."""

    chosen = Signal(object)  # Preset

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._presets: dict[str, Preset] = presets()
        heading = QLabel("Prese&ts", self)
        heading.setFont(theme.title_font(self.font()))
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search presets")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search presets")
        self.search.addAction(theme.icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(self._find)
        self.list = QListWidget(self)
        self.list.setAccessibleName("Presets")
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._choose)
        self.list.itemClicked.connect(self._choose)
        heading.setBuddy(self.list)
        for preset in self._presets.values():
            item = QListWidgetItem(preset.name, self.list)
            item.setData(_NAME, preset.name)
            item.setSizeHint(QSize(0, _ROW_PX))
            item.setToolTip(plain(f"{preset.title}\n{preset.description}"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, theme.SPACE_S, 0)
        column.setSpacing(theme.SPACE_S)
        for widget in (heading, self.search, self.list):
            column.addWidget(widget)

    def shown(self) -> list[str]:
        """The names that the search leaves."""
        items = (self.list.item(row) for row in range(self.list.count()))
        return [item.data(_NAME) for item in items if not item.isHidden()]

    def _find(self, text: str) -> None:
        words = text.lower().split()
        for row in range(self.list.count()):
            item = self.list.item(row)
            preset = self._presets[item.data(_NAME)]
            where = f"{preset.name} {preset.title} {preset.description}".lower()
            item.setHidden(not all(word in where for word in words))

    def _choose(self, item: QListWidgetItem) -> None:
        self.chosen.emit(self._presets[item.data(_NAME)])
