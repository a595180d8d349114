"""Saves plots: asks where without waiting, writes, and says how it went."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from iterand_gui.look.colours import LIGHT
from iterand_gui.plots import saving
from iterand_gui.plots.tables import Table, csv_parts

_SCALE = 2.0  # pixels of an image for each of the layout


class Saved(Protocol):
    """What a plot gives to be saved."""

    title: str

    def table(self) -> Table:
        """All points."""

    def picture(self, scale: float) -> AbstractContextManager[tuple[QSize, saving.Painter]]:
        """Size and painter in the light colours and final quality, good for as long as it is held.

        Args:
            scale: pixels of the image for each of the layout.
        """


class PlotFiles(QObject):
    """Saves one plot; `widget` is what the question for a path stands above."""

    saved = Signal(str)  # path of a file that was written
    failed = Signal(str)  # a sentence for the user

    def __init__(self, plot: Saved, widget: QWidget) -> None:
        super().__init__(widget)
        self._plot, self._widget = plot, widget

    def save(self, path: Path) -> None:
        """Write the plot as it is seen (.png, .svg) or all points (.csv); `saved` or `failed` follows."""
        match path.suffix.lower():
            case ".csv":
                writer = saving.TextSaving(path, csv_parts(self._plot.table()), self)
                writer.saved.connect(self.saved)
                writer.failed.connect(self.failed)
                return
            case ".png":
                error = saving.write(path, saving.png(self._image()))
            case ".svg":
                with self._plot.picture(1.0) as (size, paint):
                    error = saving.write(path, saving.svg(size, LIGHT.base, self._plot.title, paint))
            case _:
                allowed = ", ".join(saving.SUFFIXES)
                error = f"Cannot save a plot as '{path.name}': its name must end in one of {allowed}."
        if error is None:
            self.saved.emit(str(path))
        else:
            self.failed.emit(error)

    def ask_path(self) -> None:
        """Ask where to save; nothing waits for the answer."""
        dialog = QFileDialog(self._widget, f"Save '{self._plot.title}'")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters([f"{name} (*{suffix})" for suffix, name in saving.SUFFIXES.items()])
        dialog.setDefaultSuffix("png")
        dialog.selectFile(self._plot.title.lower().replace(" ", "-"))
        dialog.filterSelected.connect(self._filter_selected)
        dialog.fileSelected.connect(self._path_chosen)
        dialog.open()

    def copy(self) -> None:
        """Put the plot on the clipboard as an image."""
        QApplication.clipboard().setImage(self._image())

    def _image(self) -> QImage:
        with self._plot.picture(_SCALE) as (size, paint):
            return saving.image(size, LIGHT.base, _SCALE, paint)

    def _filter_selected(self, name: str) -> None:
        dialog = self.sender()
        if isinstance(dialog, QFileDialog):
            dialog.setDefaultSuffix(next(suffix for suffix in saving.SUFFIXES if suffix in name)[1:])

    def _path_chosen(self, path: str) -> None:
        self.save(Path(path))
