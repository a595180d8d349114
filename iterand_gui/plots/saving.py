"""Plots as files: PNG and SVG on white for a paper or a page, CSV with all points. No pyqtgraph.

Each file is written beside and renamed, so that a file that was there stays whole if something fails. CSV is
written in slices of a few milliseconds: the window goes on meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QRect, QSaveFile, QSize, QTimer, Signal
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter

Painter = Callable[[QPainter], None]
SLICE_S = 0.008
SUFFIXES = {".png": "PNG image", ".svg": "SVG drawing", ".csv": "CSV table"}


def image(size: QSize, ground: str, scale: float, paint: Painter) -> QImage:
    """An image.

    Args:
        size: in pixels of the layout.
        ground: colour behind it.
        scale: pixels of the image for each of those.
        paint: draws in pixels of the layout.
    """
    picture = QImage(size * scale, QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(scale)
    picture.fill(QColor(ground))
    painter = QPainter(picture)
    paint(painter)
    painter.end()
    return picture


def png(picture: QImage) -> QByteArray:
    """The content of a PNG file."""
    buffer = _open_buffer()
    picture.save(buffer, "PNG")  # type: ignore[call-overload]
    return buffer.data()


def svg(size: QSize, ground: str, title: str, paint: Painter) -> QByteArray:
    """A drawing of lines and texts, not of pixels; arguments as for `image`."""
    from PySide6.QtSvg import QSvgGenerator  # a library more, which only this needs

    buffer = _open_buffer()
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    # Axes are pictures, played back by the device's resolution: it must be that of the screen they are for.
    generator.setResolution(round(QGuiApplication.primaryScreen().logicalDotsPerInch()))
    generator.setViewBox(QRect(0, 0, size.width(), size.height()))
    generator.setTitle(title)
    painter = QPainter(generator)
    painter.fillRect(0, 0, size.width(), size.height(), QColor(ground))
    paint(painter)
    painter.end()
    return buffer.data()


def write(path: Path, content: QByteArray) -> str | None:
    """Write a file; return a sentence about the error, or None."""
    file = QSaveFile(str(path))
    if (
        file.open(QIODevice.OpenModeFlag.WriteOnly)
        and file.write(content) == content.size()
        and file.commit()
    ):
        return None
    return _cannot(path, file)


class TextSaving(QObject):
    """Writes a text of many parts while the window goes on; deletes itself at the end."""

    saved = Signal(str)  # path
    failed = Signal(str)  # a sentence about the error

    def __init__(self, path: Path, parts: Iterator[str], parent: QObject) -> None:
        super().__init__(parent)
        self._path, self._parts = path, parts
        self._file = QSaveFile(str(path), self)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._slice)
        self._timer.start(0)

    def _slice(self) -> None:
        if not self._file.isOpen() and not self._file.open(QIODevice.OpenModeFlag.WriteOnly):
            self._end(_cannot(self._path, self._file))
            return
        until = time.monotonic() + SLICE_S
        while time.monotonic() < until:
            part = next(self._parts, None)
            if part is None:
                self._end(None if self._file.commit() else _cannot(self._path, self._file))
                return
            content = QByteArray(part.encode())
            if self._file.write(content) != content.size():
                self._end(_cannot(self._path, self._file))
                return

    def _end(self, error: str | None) -> None:
        self._timer.stop()
        if error is None:
            self.saved.emit(str(self._path))
        else:
            self.failed.emit(error)
        self.deleteLater()


def _cannot(path: Path, file: QSaveFile) -> str:
    return f"Cannot write '{path}': {file.errorString()}. Choose another folder or make room."


def _open_buffer() -> QBuffer:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    return buffer
