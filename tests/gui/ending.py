"""How what a test showed goes away: at once, and not in the middle of the next test."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QObject


def put_away(*objects: QObject) -> None:
    """Destroy objects of Qt with all that belongs to them."""
    for one in objects:
        one.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QCoreApplication.processEvents()
