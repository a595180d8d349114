"""The same configuration as text: see, edit, paste, open and save."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from PySide6.QtCore import Signal, SignalInstance, Slot
from PySide6.QtGui import QTextCharFormat, QTextCursor
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.config.run_config import RunConfig, read_mapping, to_yaml
from iterand_engine.errors import OptionError, UserError, upwards
from iterand_engine.machine.yaml import YamlError, compose_yaml, parse_yaml
from iterand_gui.forms.error_line import ErrorLine
from iterand_gui.look import theme

_OF_SEVERAL = "# The first of several runs: used as it stands, this text is one run. The form varies:\n"
_FILES = "Configurations (*.yaml *.yml);;All files (*)"


class YamlPane(QWidget):
    """A text of options; `taken` and `opened` say the mapping that the user wants in the form."""

    taken = Signal(object)  # dict[str, Any]: what the text says, checked
    opened = Signal(object)  # the same of a file
    edited = Signal(bool)  # whether the text is other than the form's by now

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = ""  # the text of the form
        self._was_edited = False
        self.text = QPlainTextEdit(self)
        self.text.setFont(theme.fixed_font())
        self.text.setAccessibleName("Configuration as YAML")
        self.text.setTabChangesFocus(True)
        self.text.textChanged.connect(self._edited)
        self.problem = ErrorLine("What is wrong with the text", self)
        self._use = self._button("&Use this text", self.take)
        self._use.setEnabled(False)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_S)
        row.addWidget(self._button("&Open...", self._ask_open))
        row.addWidget(self._button("&Save as...", self._ask_save))
        row.addStretch(1)
        row.addWidget(self._use)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, theme.SPACE_S, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self.text, 1)
        column.addWidget(self.problem)
        column.addLayout(row)

    @property
    def is_edited(self) -> bool:
        """Whether the text was changed and not taken yet."""
        return self.text.toPlainText() != self._shown

    def show_config(self, config: RunConfig, varying: Mapping[str, str]) -> None:
        """Show a configuration, unless the user is editing.

        Args:
            config: of the first run.
            varying: options that have several values, with those as a text: a comment names them.
        """
        if not self.is_edited:
            lines = [f"#   {option}: {values}\n" for option, values in varying.items()]
            self._show("".join([_OF_SEVERAL, *lines] if lines else []) + to_yaml(config))

    def drop_edits(self) -> None:
        """Bring back the text as it was before it was edited."""
        self._show(self._shown)

    def _show(self, text: str) -> None:
        self._shown = text
        if self.text.toPlainText() != text:  # else the cursor stays
            self.text.setPlainText(text)

    def open_file(self, path: str) -> None:
        """Take a file into the form, or say what is wrong with it."""
        self._try(lambda: read_mapping(Path(path)), self.opened)

    def save_file(self, path: str) -> None:
        """Write the text as it stands."""
        try:
            Path(path).write_text(self.text.toPlainText(), encoding="utf-8")
        except OSError as error:
            self.problem.say(f"Cannot write {path} ({error.strerror}): choose another place.")

    @Slot()
    def take(self) -> bool:
        """Put the text into the form, or say what is wrong with it; whether it could be taken."""
        text = self.text.toPlainText()
        error = self._try(lambda: _mapping_of(text), self.taken)
        if error is not None:
            self._go_to_line(line_of(error, text))
        return error is None

    def _try(self, read: Callable[[], dict[str, Any]], said: SignalInstance) -> UserError | None:
        """Take what is read, or show the error that is returned."""
        try:
            mapping = read()
            RunConfig.from_mapping(mapping)
        except UserError as error:
            self.problem.say(str(error))
            return error
        self.problem.say("")
        said.emit(mapping)
        return None

    def _go_to_line(self, line: int | None) -> None:
        """Put the cursor at the begin of a line (from 1), and underline it until the text is edited."""
        if line is None:
            return
        cursor = QTextCursor(self.text.document().findBlockByNumber(line - 1))
        self.text.setTextCursor(cursor)
        self.text.centerCursor()
        self.text.setFocus()
        mark = QTextEdit.ExtraSelection()
        mark.cursor = cursor
        mark.cursor.movePosition(cursor.MoveOperation.EndOfBlock, cursor.MoveMode.KeepAnchor)
        mark.format.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
        mark.format.setUnderlineColor(theme.colour("bad"))
        self.text.setExtraSelections([mark])

    def _edited(self) -> None:
        self.problem.say("")
        self.text.setExtraSelections([])
        self._use.setEnabled(self.is_edited)
        if self.is_edited != self._was_edited:
            self._was_edited = self.is_edited
            self.edited.emit(self._was_edited)

    def _button(self, text: str, act: Callable[[], object]) -> QPushButton:
        button = QPushButton(text, self)
        button.clicked.connect(act)
        return button

    def _ask_open(self) -> None:
        dialog = QFileDialog(self, "Open a configuration", "", _FILES)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.open_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _ask_save(self) -> None:
        dialog = QFileDialog(self, "Save the configuration", "config.yaml", _FILES)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.fileSelected.connect(self.save_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()


def line_of(error: UserError, text: str) -> int | None:
    """The line that an error is about, from 1, where there is one.

    Args:
        error: of the text; what is not YAML has its line itself, an option (or what holds it) is looked for.
        text: as it stands.
    """
    if isinstance(error.__cause__, YamlError):
        return error.__cause__.line
    if not isinstance(error, OptionError):
        return None
    try:
        lines = dict(_entries(compose_yaml(text)))
    except YamlError:
        return None
    options = (option for named in (error.option, *error.beside) for option in upwards(named))
    return next((lines[option] for option in options if option in lines), None)


def _entries(node: yaml.Node | None, above: str = "") -> Iterator[tuple[str, int]]:
    """Every option as (dotted name, line)."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else []:
        path = f"{above}{key.value}"
        yield path, key.start_mark.line + 1
        yield from _entries(value, f"{path}.")


def _mapping_of(text: str) -> dict[str, Any]:
    try:
        mapping = parse_yaml(text)
    except YamlError as error:
        raise UserError(f"The text is not valid YAML: {error}.") from error
    if not isinstance(mapping, dict):
        raise UserError("The text must be a mapping of options, like `model: {name: conv4}`.")
    return mapping
