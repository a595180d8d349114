"""The Configuration tab: the options of the run, where its starts took place, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.machine import texts
from iterand_engine.store import RunRow
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.pages.run.option_rows import OptionRow, option_rows, yaml_of
from iterand_gui.pages.run.run_facts import EnvironmentRow, RunFacts, environment_rows, read_facts
from iterand_gui.pages.run.tab import RunTab
from iterand_gui.pages.run.tables import BLANK, TextCell, TextTable
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session
from iterand_gui.widgets.folder import show_folder

_CHANGED = "pencil-simple"


class ConfigurationTab(RunTab):
    """What the current run was made with."""

    key = "configuration"
    title = "Confi&guration"

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._rows: tuple[OptionRow, ...] = ()
        self._seen: tuple[object, int] = ("", -1)  # state and epoch when it was read last
        self._is_reading = False
        self._must_read_again = False
        self.options = TextTable("Options", ("Option", "Value", "Default"), self)
        self.environment = TextTable("Environment", ("", ""), self)
        self.files = TextTable("Files", ("File", "Size"), self)
        self._search, self._only = QLineEdit(self), QCheckBox("Onl&y changed", self)
        self._count, self._size = QLabel(self), QLabel(self)
        self._copy = QPushButton(theme.icon("copy"), "Copy as Y&AML", self)
        self._open = QPushButton(theme.icon("folder"), "Open folder", self)
        self._split = QSplitter(Qt.Orientation.Horizontal, self)
        self._set_up()
        self._lay_out()

    def enter(self, row: RunRow) -> None:
        """Show the options, and read the rest."""
        self._rows = option_rows(self.config)
        self._show_options()
        self._read()

    def forget(self) -> None:
        self._rows = ()
        for table in (self.options, self.environment, self.files):
            table.show_rows(())
        self._size.clear()

    def run_changed(self, row: RunRow) -> None:
        """Starts and files may be more: looked at when its state or its epoch is another."""
        if self._seen != (row.state, row.epoch):
            self._read()

    # Reading: one at a time, the newest state last.

    def _read(self) -> None:
        row = self.row
        if row is None or self._is_reading:
            self._must_read_again = row is not None
            return
        self._is_reading, self._must_read_again = True, False
        self._seen = (row.state, row.epoch)
        session, run_id = self.session, row.id

        def work(_: Control) -> RunFacts:
            return read_facts(session.workspace, session.store, run_id)

        job = self.session.readings.run(work, "Read the run")
        job.succeeded.connect(self._take)
        job.failed.connect(self.session.messages.error)
        job.ended.connect(self._read_ended)

    def _read_ended(self) -> None:
        self._is_reading = False
        if self._must_read_again and self.isVisible():
            self._read()

    def _take(self, facts: RunFacts) -> None:
        if facts.detail.id != self.run_id:
            return
        rows = environment_rows(facts.detail.environments) if facts.detail.environments else ()
        starts = [f"Start {environment.start + 1}" for environment in facts.detail.environments]
        titles = ["", *starts] if starts else ["", ""]
        said = [_environment_cells(row) for row in rows]
        self.environment.show_rows(said or [[TextCell("Not started yet", muted=True), TextCell("")]], titles)
        self.files.show_rows([_file_cells(entry.text, entry.size_bytes) for entry in facts.files])
        self._size.setText(f"{texts.size(facts.size_bytes)} in all" if facts.files else "No files yet")
        self._open.setEnabled(bool(facts.files))

    # Options.

    def _show_options(self) -> None:
        wanted = self._search.text().strip().casefold()
        rows = [
            row
            for row in self._rows
            if (row.is_changed or not self._only.isChecked())
            and wanted in f"{row.path} {row.value} {row.help}".casefold()
        ]
        self.options.text_model.show_rows([_option_cells(row) for row in rows])
        self.options.fit_columns()
        changed = sum(row.is_changed for row in self._rows)
        self._count.setText(f"{len(self._rows)} options, {changed} changed")

    def _copy_yaml(self) -> None:
        if self.row is not None:
            QGuiApplication.clipboard().setText(yaml_of(self.config))
            self.session.messages.say("The configuration is on the clipboard as YAML")

    def _open_folder(self) -> None:
        if self.row is not None:
            folder = self.session.workspace.run_dir(self.row.id)
            show_folder(folder, self.session.messages)

    def commands(self) -> list[Command]:
        return [Command("Copy the configuration as YAML", self._copy_yaml)]

    def save_state(self) -> Json:
        """The filter and the split."""
        sizes = self._split.sizes() if self._split.isVisible() else []
        return {"only_changed": self._only.isChecked(), "split": sizes}

    def restore_state(self, state: Mapping[str, object]) -> None:
        self._only.setChecked(state.get("only_changed") is True)
        self._search.clear()
        split = state.get("split")
        valid = isinstance(split, list) and len(split) == 2 and all(isinstance(size, int) for size in split)
        self._split.setSizes(split if valid and isinstance(split, list) else [3000, 2000])

    # Look.

    def _set_up(self) -> None:
        self._search.setPlaceholderText("Find an option")
        self._search.setAccessibleName("Find an option")
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._show_options)
        self._only.toggled.connect(self._show_options)
        self._only.setToolTip("Hide options that have their default")
        self._copy.clicked.connect(self._copy_yaml)
        self._copy.setToolTip("A file of this text makes the same run")
        self._open.clicked.connect(self._open_folder)
        for label in (self._count, self._size):
            label.setTextFormat(theme.PLAIN)
            label.setForegroundRole(QPalette.ColorRole.PlaceholderText)

    def _lay_out(self) -> None:
        self._split.addWidget(
            _part(self, "Options", [self._count, self._only, self._search, self._copy], self.options)
        )
        right = QSplitter(Qt.Orientation.Vertical, self)
        right.addWidget(_part(self, "Environment", [], self.environment))
        right.addWidget(_part(self, "Files", [self._size, self._open], self.files))
        self._split.addWidget(right)
        for split in (self._split, right):
            split.setChildrenCollapsible(False)
            split.setHandleWidth(theme.SPACE_M)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_S, theme.SPACE_M, theme.SPACE_M)
        column.addWidget(self._split)


def _part(parent: QWidget, heading: str, beside: Sequence[QWidget], table: QWidget) -> QWidget:
    """A heading, what can be done there, and a table below."""
    part = QWidget(parent)
    title = QLabel(heading, part)
    title.setFont(theme.title_font(part.font()))
    row = QHBoxLayout()
    row.setSpacing(theme.SPACE_S)
    row.addStrut(theme.ROW_PX)  # headings beside each other stand at one height, whatever is beside them
    row.addWidget(title)
    labels = [widget for widget in beside if isinstance(widget, QLabel)]
    for label in labels:
        row.addWidget(label)
    row.addStretch(1)
    for widget in beside:
        if widget not in labels:
            row.addWidget(widget)
    column = QVBoxLayout(part)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(theme.SPACE_S)
    column.addLayout(row)
    column.addWidget(table, 1)
    return part


def _option_cells(row: OptionRow) -> list[TextCell]:
    help_text = f"{row.help}. Changed from {row.default}" if row.is_changed else row.help
    return [
        TextCell(
            row.path,
            help_text,
            strong=row.is_changed,
            icon=_CHANGED if row.is_changed else BLANK,
            role="accent",
        ),
        TextCell(row.value, row.help, strong=row.is_changed),
        TextCell(row.default, row.help, muted=True),
    ]


def _environment_cells(row: EnvironmentRow) -> list[TextCell]:
    cells = [TextCell(row.name, muted=True)]
    for start, value in enumerate(row.values):
        other = row.differs(start) and row.name != "started"
        cells.append(TextCell(value, "Not as at the first start" if other else value, strong=other))
    return cells


def _file_cells(name: str, size_bytes: int) -> list[TextCell]:
    return [TextCell(name), TextCell(texts.size(size_bytes))]
