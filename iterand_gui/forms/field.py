"""One option of a form: label, editor, unit, a button that resets it, and its error below.

A field knows nothing of other options; the form decides what is wrong and what a reset brings back.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QFont, QPalette, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from iterand_engine.errors import UserError
from iterand_engine.machine.user_path import user_path
from iterand_gui.forms.error_line import ErrorLine
from iterand_gui.forms.specs import PATH, Spec
from iterand_gui.forms.values import text_of
from iterand_gui.look import theme
from iterand_gui.look.plain import plain

RESET_KEYS = "Ctrl+Shift+Backspace"
_TIP_LETTERS = 72  # in a line
_UNIT_PX = 64
_EDITOR_LEAST_PX = 88
_UNLIMITED_PX = 16_777_215  # Qt's QWIDGETSIZE_MAX
_LABEL_ABOVE, _EDITOR_ROW, _ERROR_ROW = range(3)
_PATH = "path"  # the last part of options that name files or folders


class ChoiceBox(QComboBox):
    """Names to choose from; several can be written with commas between. The wheel scrolls the form."""

    def __init__(self, names: tuple[str, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setMaxVisibleItems(20)
        self.addItems(names)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Leave it to the scroll area."""
        event.ignore()


class OptionField(QWidget):
    """Shows and edits the text of one option; `edited` reports each change that the user makes."""

    edited = Signal(str, str)  # path, text
    reset_asked = Signal(str)  # path
    entered = Signal(str)  # path, when the editor gets the keyboard

    def __init__(self, spec: Spec, parent: QWidget, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(parent)
        self.spec = spec
        self._showing = False
        self._is_label_above = False
        self._label = QLabel(spec.label, self, textFormat=theme.PLAIN)
        self._unit = QLabel(spec.unit, self, textFormat=theme.PLAIN)
        self._reset = _tool(self, "undo", f"Reset {spec.label}")
        self._reset.clicked.connect(self._ask_reset)
        self._error: ErrorLine | None = None  # made when something is wrong first: most options never are
        names = spec.choices or suggestions
        self._box = ChoiceBox(names, self) if names else None
        line = self._box.lineEdit() if self._box is not None else None
        self._line = QLineEdit(self) if line is None else line
        self.editor: QWidget = self._line if self._box is None else self._box
        self._browse = self._browser() if spec.path.rpartition(".")[2] == _PATH else None
        self._set_up_parts()
        self._lay_out()
        self._line.textChanged.connect(self._report_edit)
        self.show_state("", changed=False)

    @property
    def text(self) -> str:
        """The text in the editor, as it was typed."""
        return self._line.text()

    def set_text(self, text: str) -> None:
        """Show another text; `edited` stays silent."""
        self._showing = True
        if self._box is not None:
            self._box.setCurrentIndex(self._box.findText(text))
        self._line.setText(text)
        self._line.setCursorPosition(0)
        self._showing = False

    def show_state(self, base_text: str, *, changed: bool, problem: str = "") -> None:
        """Mark the option.

        Args:
            base_text: what a reset brings back.
            changed: whether it differs from that.
            problem: what is wrong with it, in one sentence.
        """
        font = QFont(self.font())
        font.setBold(changed)
        self._label.setFont(font)
        self._reset.setVisible(changed)
        back = base_text or ("null" if self.spec.nullable else "nothing")
        self._reset.setToolTip(plain(_wrapped(f"Reset to {back} ({RESET_KEYS})")))
        if problem and self._error is None:
            self._error = ErrorLine(f"What is wrong with {self.spec.label}", self)
            self._grid.addWidget(self._error, _ERROR_ROW, 1, 1, 3)
        if self._error is not None:
            self._error.say(problem)
        said = [self.spec.label, *(["changed"] if changed else []), *(["wrong"] if problem else [])]
        self.editor.setAccessibleName(", ".join(said))
        self.editor.setAccessibleDescription(problem or self.hint)

    @property
    def problem(self) -> str:
        """The sentence that is shown below it; empty where nothing is wrong."""
        return self._error.text if self._error is not None else ""

    @property
    def hint(self) -> str:
        """What the option means, for tooltips and the line below the form."""
        spec = self.spec
        allowed = f" Allowed: {spec.allowed}." if not spec.allowed.startswith("text") else ""
        return f"{spec.path}: {spec.help}.{allowed}"

    @property
    def label_width(self) -> int:
        """The width in pixels that its label needs when it is marked as changed."""
        font = QFont(self.font())
        font.setBold(True)
        self._label.setFont(font)
        return self._label.sizeHint().width()

    @property
    def least_editing_width(self) -> int:
        """The width in pixels that it needs beside its label at least."""
        unit = max(_UNIT_PX, self._unit.sizeHint().width())
        return _EDITOR_LEAST_PX + unit + self._reset.sizeHint().width() + 3 * theme.SPACE_S

    def set_label(self, width: int, *, above: bool) -> None:
        """Place the label so that the editors of a form stand in one column.

        Args:
            width: the label's width in pixels where it stands beside the editor.
            above: whether the label stands above the editor, because there is too little room beside it.
        """
        self._label.setMinimumWidth(0 if above else width)
        self._label.setMaximumWidth(_UNLIMITED_PX if above else width)
        if above != self._is_label_above:
            self._is_label_above = above
            self._grid.removeWidget(self._label)
            self._place_label()

    def _place_label(self) -> None:
        if self._is_label_above:
            self._grid.addWidget(self._label, _LABEL_ABOVE, 1, 1, 3)
        else:
            self._grid.addWidget(self._label, _EDITOR_ROW, 0)

    def focus_chain(self) -> list[QWidget]:
        """The widgets that Tab visits, in order."""
        return [self.editor, *([self._browse] if self._browse is not None else []), self._reset]

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Take the unit's colour from the new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Emit `entered` when the editor gets the keyboard."""
        if event.type() == QEvent.Type.FocusIn:
            self.entered.emit(self.spec.path)
        return super().eventFilter(watched, event)

    def _set_up_parts(self) -> None:
        self.editor.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.editor.setMinimumWidth(_EDITOR_LEAST_PX)
        self.editor.installEventFilter(self)
        if self.spec.nullable:
            self._line.setPlaceholderText("null")
        self._label.setBuddy(self.editor)
        self._unit.setMinimumWidth(_UNIT_PX)
        keeps_place = self._reset.sizePolicy()
        keeps_place.setRetainSizeWhenHidden(True)
        self._reset.setSizePolicy(keeps_place)
        for part in (self._label, self.editor, self._unit):
            part.setToolTip(plain(_wrapped(self.hint)))
        self._colour()

    def _colour(self) -> None:
        palette = self._unit.palette()
        palette.setColor(QPalette.ColorRole.WindowText, theme.colour("muted"))
        self._unit.setPalette(palette)

    def _lay_out(self) -> None:
        self._grid = grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.SPACE_S)
        grid.setVerticalSpacing(theme.SPACE_XS)
        self._place_label()
        grid.addWidget(self.editor, _EDITOR_ROW, 1)
        if self._browse is not None:
            grid.addWidget(self._browse, _EDITOR_ROW, 2, Qt.AlignmentFlag.AlignLeft)
            self._unit.hide()
        grid.addWidget(self._unit, _EDITOR_ROW, 2)
        grid.setColumnMinimumWidth(2, _UNIT_PX)
        grid.addWidget(self._reset, _EDITOR_ROW, 3)
        grid.setColumnStretch(1, 1)

    def _browser(self) -> QToolButton:
        button = _tool(self, "folder", f"Choose {self.spec.label}")
        menu = QMenu(button)
        menu.addAction("Choose a &file...").triggered.connect(self._choose_file)
        menu.addAction("Choose a f&older...").triggered.connect(self._choose_folder)
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        return button

    @Slot()
    def _choose_file(self) -> None:
        self._choose(QFileDialog.FileMode.ExistingFile)

    @Slot()
    def _choose_folder(self) -> None:
        self._choose(QFileDialog.FileMode.Directory)

    def _choose(self, mode: QFileDialog.FileMode) -> None:
        dialog = QFileDialog(self, f"Choose {self.spec.label}")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        try:
            now = user_path(self.text.strip("\"'"), PATH)
        except UserError:
            now = Path.home()
        dialog.setDirectory(str(now.parent if now.parent.is_dir() else Path.home()))
        dialog.fileSelected.connect(self.put_path)
        dialog.open()

    @Slot(str)
    def put_path(self, path: str) -> None:
        """Take a chosen path as if it were typed."""
        self._line.setText(text_of(self.spec, path))

    @Slot(str)
    def _report_edit(self, text: str) -> None:
        if not self._showing:
            self.edited.emit(self.spec.path, text)

    @Slot()
    def _ask_reset(self) -> None:
        self.reset_asked.emit(self.spec.path)


def _tool(parent: QWidget, icon: str, name: str) -> QToolButton:
    button = QToolButton(parent)
    button.setAutoRaise(True)
    button.setIcon(theme.icon(icon))
    button.setAccessibleName(name)
    button.setToolTip(plain(name))
    return button


def _wrapped(text: str) -> str:
    """Break a tooltip into lines, which Qt does only with HTML."""
    return "\n".join(textwrap.fill(line, _TIP_LETTERS) for line in text.splitlines())
