"""Show a folder in the desktop's file manager."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from iterand_gui.widgets.messages import Messages


def show_folder(folder: Path, messages: Messages) -> None:
    """Show a folder; what is none is said, because the desktop may start a file that it is given."""
    if folder.is_dir():
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
    else:
        messages.error(f"There is no folder {folder}.")
