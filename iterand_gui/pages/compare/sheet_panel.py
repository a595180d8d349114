"""What lies below the plot: the table side by side, what all have in common, copying."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.machine import texts as shown
from iterand_engine.results.differences import short_names, value_text
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.compare.entries import Comparison
from iterand_gui.pages.compare.sheet import as_csv, as_markdown
from iterand_gui.pages.compare.sheet_model import SheetModel
from iterand_gui.pages.compare.sheet_view import SheetView

# Of what all have in common these are said first; the table has the rest when it is asked for.
_COMMON = ("data.dataset", "model.name", "model.width_factor", "method.name", "method.sparsity")
_BY_THEMSELVES = ("data.dataset", "model.name", "method.name")


class SheetPanel(QWidget):
    """A line of words and buttons, and the table."""

    copied = Signal(str)  # what was copied, in words
    fold_chosen = Signal(bool)
    all_options_chosen = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.model = SheetModel(self)
        self.copy_csv = self._copy_action("Copy as &CSV", "Ctrl+C", self._copy_as_csv)
        self.copy_markdown = self._copy_action("Copy as &Markdown", "Ctrl+Shift+C", self._copy_as_markdown)
        self.view = SheetView(self.model, (self.copy_csv, self.copy_markdown), self)
        self._title, self._words = QLabel("Side by side", self), ElidedLabel(self)
        self._title.setFont(theme.title_font(self.font()))
        self._fold = QCheckBox("Fol&d seeds", self)
        self._fold.setToolTip("Runs that differ only by the seed are one row and one curve")
        self._all_options = QCheckBox("All &options", self)
        self._all_options.setToolTip("Show the options that all have in common too")
        self._copy = QToolButton(self)
        self._lay_out()
        self._fold.toggled.connect(self.fold_chosen)
        self._all_options.toggled.connect(self.all_options_chosen)

    def show_words(self, comparison: Comparison, *, fold: bool) -> None:
        """Say how much is compared, and what all have in common."""
        self._words.set_text(_words(comparison, fold=fold))

    def show_choice(self, *, fold: bool, all_options: bool) -> None:
        """Show how it is laid out."""
        for box, checked in ((self._fold, fold), (self._all_options, all_options)):
            with QSignalBlocker(box):
                box.setChecked(checked)

    def _copy_action(self, text: str, key: str, slot: Callable[[], None]) -> QAction:
        action = QAction(theme.icon("copy"), text, self)
        action.setShortcut(key)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(slot)
        return action

    def _lay_out(self) -> None:
        menu = QMenu(self._copy)
        menu.addActions([self.copy_csv, self.copy_markdown])
        self._copy.setText("&Copy")
        self._copy.setIcon(theme.icon("copy"))
        self._copy.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._copy.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._copy.setMenu(menu)
        self._copy.setAccessibleName("Copy the table")
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_M)
        row.addWidget(self._title)
        row.addWidget(self._words, 1)
        for widget in (self._fold, self._all_options, self._copy):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, theme.SPACE_XS, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addLayout(row)
        column.addWidget(self.view, 1)

    def _copy_as_csv(self) -> None:
        self._put(as_csv(self.model.sheet, self.model.keys), "CSV")

    def _copy_as_markdown(self) -> None:
        self._put(as_markdown(self.model.sheet, self.model.keys), "Markdown")

    def _put(self, text: str, kind: str) -> None:
        QApplication.clipboard().setText(text)
        self.copied.emit(f"Copied {shown.counted(len(self.model.keys), 'row')} as {kind}")


class ElidedLabel(QLabel):
    """A line of small words, cut where there is no room; the tooltip has them whole."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(theme.PLAIN)
        self.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_text(self, text: str) -> None:
        if text != self._whole:
            self._whole = text
            self.setToolTip(plain(text))
            self.setAccessibleName(text)
            self._cut()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt)
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))


def _words(comparison: Comparison, *, fold: bool) -> str:
    """`9 groups of 27 runs; in all of them cifar10, resnet18, sparsity 0.6`."""
    entries = comparison.entries
    runs = shown.counted(comparison.runs_total, "run")
    if not fold or len(entries) == comparison.runs_total:
        much = runs
    else:
        much = f"{shown.counted(comparison.total, 'group')} of {runs}"
    if len(entries) < comparison.total:
        much = f"the first {len(entries)} of {much}; select fewer to see the others"
    if len(entries) < 2:
        return much
    names, shared = short_names(_COMMON), comparison.shared
    common = [
        value_text(shared[option])
        if option in _BY_THEMSELVES
        else f"{names[option]} {value_text(shared[option])}"
        for option in _COMMON
        if option in shared
    ]
    return f"{much}; all with {', '.join(common)}" if common else much
