"""The line above the options of a form: a search, and the button that unfolds all groups."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from iterand_gui.look import theme
from iterand_gui.look.plain import plain

ALL_KEYS = "Ctrl+Shift+F"


class OptionHead(QWidget):
    """Search and `All options`; the form decides what they do."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search all options (Ctrl+F)")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search all options")
        self.search.addAction(theme.icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.all_options = QToolButton(self)
        self.all_options.setText("&All options")
        self.all_options.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.all_options.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.all_options.setAccessibleName("All options")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self.search, 1)
        row.addWidget(self.all_options)
        self.show_all_open(False)

    def show_all_open(self, all_open: bool) -> None:
        """Show whether all groups are unfolded."""
        self.all_options.setArrowType(Qt.ArrowType.DownArrow if all_open else Qt.ArrowType.RightArrow)
        self.all_options.setAccessibleDescription("unfolded" if all_open else "folded")
        does = "Fold all groups" if all_open else "Unfold all groups"
        self.all_options.setToolTip(plain(f"{does} ({ALL_KEYS})"))
