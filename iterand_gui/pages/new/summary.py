"""What the runs would be, in words and numbers, and the grid of the runs themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtWidgets import QFormLayout, QHeaderView, QLabel, QPushButton, QTableView, QVBoxLayout, QWidget

from iterand_engine.machine.texts import count, counted, duration, number, percent, size, whole
from iterand_engine.preflight.messages import Answer
from iterand_engine.runs.sweeps import Cell, SweepPlan
from iterand_gui.look import theme
from iterand_gui.look.fusion import give_room
from iterand_gui.look.plain import plain
from iterand_gui.pages.new.outlook import Outlook, spread

_ROWS = (
    ("weights", "Weights", "Convolution and linear weights of the network"),
    ("kept", "Kept", "Weights that the masks keep"),
    ("steps", "Steps", "Optimiser updates of one run"),
    ("events", "Redraw events", "How often removed weights are redrawn"),
    ("values", "Values per slot", "Values that a weight takes which stays removed: 1 + rate x redraws"),
    ("memory", "Memory", "Expected peak of one run on its device"),
    ("disk", "Disk", "What all runs leave when they have finished"),
    ("time", "Time", "For all runs, from recorded runs of the same network and kind of device"),
)
Index = QModelIndex | QPersistentModelIndex


class CellsModel(QAbstractTableModel):
    """The runs of a plan: a row each, a column for every option that varies."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._options: tuple[str, ...] = ()
        self._cells: tuple[Cell, ...] = ()

    def show_plan(self, plan: SweepPlan | None) -> None:
        self.beginResetModel()
        self._options = tuple(plan.axes) if plan is not None else ()
        self._cells = plan.cells if plan is not None else ()
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's
        return 0 if parent.isValid() else len(self._cells)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's
        return 0 if parent.isValid() else len(self._options)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """A value as the configuration has it; — where the run has no such option."""
        if role == Qt.ItemDataRole.DisplayRole:
            values = self._cells[index.row()].values
            option = self._options[index.column()]
            return str(values[option]) if option in values else "—"
        return None

    def headerData(  # noqa: N802 - Qt's
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """The last part of the option's name; its whole name as tooltip."""
        if orientation is Qt.Orientation.Vertical:
            return str(section + 1) if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._options[section].removesuffix(".name").rpartition(".")[2]
        return plain(self._options[section]) if role == Qt.ItemDataRole.ToolTipRole else None


class Summary(QWidget):
    """The right side of the page."""

    measure_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._heading = QLabel("What this would be", self)
        self._heading.setFont(theme.title_font(self.font()))
        self._heading.setTextFormat(theme.PLAIN)
        self._heading.setWordWrap(True)
        self._values: dict[str, QLabel] = {}
        form = QFormLayout()
        form.setHorizontalSpacing(theme.SPACE_L)
        form.setVerticalSpacing(theme.SPACE_XS)
        for key, name, help_text in _ROWS:
            form.addRow(self._label(name, help_text), self._value(key, name, help_text))
        self._measure = QPushButton("&Measure", self)
        self._measure.setToolTip("Times some steps in a process of its own")
        self._measure.clicked.connect(self.measure_asked)
        form.addRow("", self._measure)
        self._notes = QLabel(self)
        self._notes.setTextFormat(theme.PLAIN)
        self._notes.setWordWrap(True)
        self._notes.setAccessibleName("Warnings and notes")
        self.cells = CellsModel(self)
        self._table = QTableView(self)
        give_room(self._table)
        self._table.setModel(self.cells)
        self._table.setAccessibleName("Runs that would be queued")
        self._table.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = self._table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setResizeContentsPrecision(0)  # of what is seen: a sweep may have thousands of runs
        header.setStretchLastSection(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._table.setSelectionMode(QTableView.SelectionMode.NoSelection)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_M)
        column.addWidget(self._heading)
        column.addLayout(form)
        column.addWidget(self._notes)
        column.addWidget(self._table, 1)
        column.addStretch()
        self.show_plan(None)
        self.show_outlook(None)

    def text(self, key: str) -> str:
        return self._values[key].text()

    @property
    def notes(self) -> str:
        """The warnings and notes shown."""
        return self._notes.text()

    def show_plan(self, plan: SweepPlan | None) -> None:
        """Show the grid of the runs, where there are several."""
        many = plan is not None and len(plan.cells) > 1
        self.cells.show_plan(plan if many else None)
        self._table.setVisible(many)

    def show_outlook(self, outlook: Outlook | None, notes: Sequence[str] = ()) -> None:
        """Show what is known; nothing is known of a form that has mistakes."""
        answers = outlook.answers if outlook is not None else ()
        self._heading.setText(_headline(outlook))
        texts = dict.fromkeys(self._values, "—")
        if outlook is not None and answers:
            texts |= _known(answers) | {
                "disk": size(outlook.disk_bytes),
                "time": duration(outlook.seconds) if outlook.seconds is not None else "not known",
            }
        for key, text in texts.items():
            self._values[key].setText(text)
        self._measure.setVisible(outlook is not None and bool(answers) and outlook.seconds is None)
        sentences = [*(outlook.warnings if outlook is not None else ()), *_whose(outlook), *notes]
        self._notes.setText("\n".join(dict.fromkeys(sentences)))
        self._notes.setVisible(bool(sentences))

    def show_measuring(self, running: bool) -> None:
        """Say that steps are being timed."""
        self._measure.setEnabled(not running)
        self._measure.setText("Measuring..." if running else "&Measure")

    def _label(self, name: str, help_text: str) -> QLabel:
        label = QLabel(name, self)
        label.setToolTip(plain(help_text))
        label.setEnabled(True)
        return label

    def _value(self, key: str, name: str, help_text: str) -> QLabel:
        value = QLabel(self)
        value.setTextFormat(theme.PLAIN)
        value.setFont(theme.number_font(self.font()))
        value.setTextInteractionFlags(theme.SELECTABLE)
        value.setToolTip(plain(help_text))
        value.setAccessibleName(name)
        self._values[key] = value
        return value


def _headline(outlook: Outlook | None) -> str:
    """`60 runs, 3 h on 4 slots, 2.1 GB`."""
    if outlook is None:
        return "What this would be"
    parts = [counted(outlook.runs, "run")]
    if outlook.seconds is not None:
        at_once = min(outlook.slots, outlook.runs)
        parts.append(duration(outlook.seconds) + (f" on {at_once} slots" if at_once > 1 else ""))
    if outlook.disk_bytes is not None:
        parts.append(size(outlook.disk_bytes))
    return ", ".join(parts)


def _known(answers: Sequence[Answer]) -> dict[str, str]:
    """The rows on single runs, as ranges over all that are known."""
    shares = [answer.kept / answer.weights for answer in answers if answer.weights]
    share = f" ({spread(_share, shares)})" if shares else ""
    values = [answer.values_seen for answer in answers]
    memories = [answer.memory.total_bytes for answer in answers]
    return {
        "weights": spread(count, [answer.weights for answer in answers]),
        "kept": spread(count, [answer.kept for answer in answers]) + share,
        "steps": spread(whole, [answer.steps for answer in answers]),
        "events": spread(whole, [answer.redraw_events for answer in answers]),
        "values": _spread(_values, values, "depends on the rule"),
        "memory": _spread(size, memories, "not known"),
    }


def _spread(said: Callable[[float], str], values: Sequence[float | None], otherwise: str) -> str:
    known = [value for value in values if value is not None]
    return spread(said, known) if len(known) == len(values) else otherwise


def _share(share: float) -> str:
    return percent(share, 0)


def _values(values: float) -> str:
    return number(values, 3)


def _whose(outlook: Outlook | None) -> list[str]:
    """Whose the numbers are, where that is not everybody's."""
    if outlook is None or not 0 < len(outlook.answers) < outlook.kinds:
        return []
    known, kinds = len(outlook.answers), outlook.kinds
    return [f"Weights to memory are those of {known} of {kinds} kinds of runs; sums are foretold from them."]
