"""The same configuration as text: see, edit, paste, open and save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.config import RunConfig, read_mapping, to_yaml
from iterand_engine.errors import UserError
from iterand_engine.yaml_text import parse_yaml
from iterand_gui import theme

_FILES = "Configurations (*.yaml *.yml);;All files (*)"


class YamlPane(QWidget):
    """A text of options; `taken` tells the mapping that the user wants in the form."""

    taken = Signal(object)  # dict[str, Any], a checked partial configuration

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QPlainTextEdit(self)
        self.text.setFont(theme.fixed_font())
        self.text.setAccessibleName("Configuration as YAML")
        self.text.setTabChangesFocus(True)
        self.text.textChanged.connect(self._edited)
        self._problem = QLabel(self)
        self._problem.setTextFormat(theme.PLAIN)
        self._problem.setWordWrap(True)
        self._problem.setAccessibleName("What is wrong with the text")
        self._use = self._button("&Use this text", self._take)
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
        column.addWidget(self._problem)
        column.addLayout(row)
        self._problem.hide()

    @property
    def is_edited(self) -> bool:
        """Whether the text was changed and not taken yet."""
        return self._use.isEnabled()

    def show_config(self, config: RunConfig) -> None:
        """Show a configuration, unless the user is editing."""
        if not self.is_edited:
            self.text.blockSignals(True)
            self.text.setPlainText(to_yaml(config))
            self.text.blockSignals(False)

    def open_file(self, path: str) -> None:
        """Take a file into the form, or say what is wrong with it."""
        self._try(lambda: read_mapping(Path(path)))

    def save_file(self, path: str) -> None:
        """Write the text as it stands."""
        try:
            Path(path).write_text(self.text.toPlainText(), encoding="utf-8")
        except OSError as error:
            self._tell(f"Cannot write {path} ({error.strerror}): choose another place.")

    def _take(self) -> None:
        self._try(lambda: _mapping_of(self.text.toPlainText()))

    def _try(self, read: Callable[[], dict[str, Any]]) -> None:
        try:
            mapping = read()
            RunConfig.from_mapping(mapping)
        except UserError as error:
            self._tell(str(error))
            return
        self._tell("")
        self._use.setEnabled(False)
        self.taken.emit(mapping)

    def _edited(self) -> None:
        self._use.setEnabled(True)
        self._tell("")

    def _tell(self, problem: str) -> None:
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))

    def _button(self, text: str, act: Callable[[], None]) -> QPushButton:
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


def _mapping_of(text: str) -> dict[str, Any]:
    try:
        mapping = parse_yaml(text)
    except ValueError as error:
        raise UserError(f"The text is not valid YAML: {error}.") from None
    if not isinstance(mapping, dict):
        raise UserError("The text must be a mapping of options, like `model: {name: conv4}`.")
    return mapping
