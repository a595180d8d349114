"""A titled group of option fields: one key folds it, and its heading says how many options were changed."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from iterand_gui.forms.field import OptionField
from iterand_gui.look import theme
from iterand_gui.look.plain import plain, without_mnemonic

SIDE_PX = theme.SPACE_L  # before the fields


class OptionGroup(QWidget):
    """Fields below a heading; without a title there is no heading and they are always shown."""

    folded = Signal()  # or unfolded

    def __init__(self, title: str, help: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._title = title
        self._fields: list[OptionField] = []
        self._open = not title
        self._searching = False
        self.setAccessibleName(title or "Main options")
        self.heading = QToolButton(self)
        self.heading.setAutoRaise(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.setFont(theme.title_font())
        self.heading.setToolTip(plain(help))
        self.heading.setVisible(bool(title))
        self.heading.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._body = QWidget(self)
        self._rows = QVBoxLayout(self._body)
        self._rows.setContentsMargins(SIDE_PX, theme.SPACE_XS, 0, theme.SPACE_S)
        self._rows.setSpacing(theme.SPACE_XS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.heading)
        column.addWidget(self._body)
        self.heading.clicked.connect(self._toggle)
        self._show()

    @property
    def is_open(self) -> bool:
        """Whether the group is unfolded (a search shows its matches in any case)."""
        return self._open

    def set_open(self, open_: bool) -> None:
        self._open = open_
        self._show()
        self.folded.emit()

    def set_fields(self, fields: Sequence[OptionField]) -> None:
        """Show these fields, in this order."""
        for at, field in enumerate(fields):
            self._rows.insertWidget(at, field)
        self._fields = list(fields)
        self._show()

    def show_counts(self, changed: int, wrong: int) -> None:
        """Show in the heading how many options are changed or wrong."""
        said = [f"{changed} changed"] if changed else []
        said += [f"{wrong} wrong"] if wrong else []
        text = f"{self._title}   ({', '.join(said)})" if said else self._title
        self.heading.setText(without_mnemonic(text))
        self.heading.setAccessibleName(text)

    def show_matches(self, words: Sequence[str]) -> None:
        """Show only the fields that hold all these words (casefolded); none shows all."""
        self._searching = bool(words)
        found = 0
        for field in self._fields:
            fits = all(word in field.spec.searched for word in words)
            field.setVisible(fits)
            found += fits
        self.setVisible(found > 0)
        self._show()

    def shown(self) -> list[OptionField]:
        """The fields that fit the search, or all of an unfolded group."""
        return [field for field in self._fields if not field.isHidden() and not self._body.isHidden()]

    def focus_chain(self) -> list[QWidget]:
        """The widgets that Tab visits, in order."""
        return [self.heading, *(part for field in self._fields for part in field.focus_chain())]

    def _toggle(self) -> None:
        self.set_open(not self._open)

    def _show(self) -> None:
        open_ = self.is_open or self._searching
        self._body.setVisible(open_)
        self.heading.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)
        self.heading.setAccessibleDescription("unfolded" if open_ else "folded")
