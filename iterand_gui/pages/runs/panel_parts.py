"""Small widgets of the side panel: a title that gives way, facts as names and values, what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.results.next_steps import StepKind
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.runs.findings import RunFinding
from iterand_gui.pages.runs.flow import FlowLayout
from iterand_gui.session.next_steps import Step
from iterand_gui.widgets.run_badge import Picture

Fact = tuple[str, str]  # name and value
_MARK_PX = 12


class Title(QLabel):
    """One line, cut where it does not fit; the tooltip has it whole."""

    def __init__(self, parent: QWidget, factor: float = 1.15) -> None:
        super().__init__(parent)
        self.setTextFormat(theme.PLAIN)
        font = theme.title_font(self.font())
        font.setPointSizeF(font.pointSizeF() * factor)
        self.setFont(font)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        super().setText(text)
        self.setToolTip(plain(text))
        self.setAccessibleName(text)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        said = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, said)


class ColourMark(QWidget):
    """The colour that a run or group has in plots; hidden where several things are said of."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._key = ""
        self.setFixedSize(_MARK_PX, _MARK_PX)

    def show_key(self, key: str) -> None:
        """Show the colour of a run's id or a group's key; of nothing for an empty text."""
        self._key = key
        self.setVisible(bool(key))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        if self._key:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.run_colour(self._key))
            painter.drawRoundedRect(self.rect(), 2, 2)


class Words(QLabel):
    """A text that wraps and can be copied."""

    def __init__(self, parent: QWidget, *, muted: bool = False) -> None:
        super().__init__(parent)
        self.setTextFormat(theme.PLAIN)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWordWrap(True)
        self.setMinimumWidth(1)
        if muted:
            self.setForegroundRole(QPalette.ColorRole.PlaceholderText)

    def say(self, text: str) -> None:
        """Show another text; an empty one takes no room."""
        self.setText(text)
        self.setVisible(bool(text))


class FactList(QWidget):
    """Names at the left, values at the right."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._facts: tuple[Fact, ...] = ()
        self._labels: list[tuple[QLabel, Words]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.SPACE_M)
        self._grid.setVerticalSpacing(theme.SPACE_XS)
        self._grid.setColumnStretch(1, 1)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return self._facts

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show names and values; labels stay where they are while values change."""
        if tuple(facts) == self._facts:
            return
        self._facts = tuple(facts)
        while len(self._labels) < len(facts):
            self._labels.append(self._make_pair(len(self._labels)))
        for number, (name, value) in enumerate(self._labels):
            is_used = number < len(facts)
            name.setVisible(is_used)
            value.setVisible(is_used)
            if is_used:
                name.setText(facts[number][0])
                value.setText(facts[number][1])
                value.setAccessibleName(": ".join(facts[number]))

    def _make_pair(self, row: int) -> tuple[QLabel, Words]:
        name, value = QLabel(self), Words(self)
        name.setTextFormat(theme.PLAIN)
        name.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        value.setFont(theme.number_font(self.font()))
        for column, label in enumerate((name, value)):
            self._grid.addWidget(label, row, column, Qt.AlignmentFlag.AlignTop)
        return name, value


class QuietSteps(QWidget):
    """What can be done with runs that need nothing; hidden where there is nothing to offer."""

    step_asked = Signal(object)  # StepKind

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._steps: tuple[Step, ...] = ()
        self._row = FlowLayout()
        self.setLayout(self._row)
        self._row.setContentsMargins(0, 0, 0, 0)

    def show_steps(self, steps: Sequence[Step]) -> None:
        self.setVisible(bool(steps))
        if tuple(steps) == self._steps:
            return
        self._steps = tuple(steps)
        empty(self._row)
        for step in steps:
            button = QToolButton(self)
            button.setText(step.words)
            button.setIcon(theme.icon(step.icon))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setAutoRaise(True)
            button.setToolTip(plain(step.help))
            button.setAccessibleName(step.words)
            button.setProperty("kind", step.kind.value)
            button.clicked.connect(self._clicked)
            self._row.addWidget(button)

    @Slot()
    def _clicked(self) -> None:
        button = self.sender()
        if isinstance(button, QToolButton):
            self.step_asked.emit(StepKind(button.property("kind")))


def empty(row: QLayout) -> None:
    """Take the buttons of a layout away."""
    while (item := row.takeAt(0)) is not None:
        old = item.widget()
        if old is not None:
            old.hide()
            old.deleteLater()


class FindingView(QFrame):
    """Runs that stand alike: sign, words, why, the end of the log, and what can be done."""

    step_asked = Signal(object, object)  # Finding, Step
    log_asked = Signal(str)  # run id

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.finding: RunFinding | None = None
        self.setObjectName("finding")
        self._picture = Picture(self)
        self._text = QLabel(self)
        self._text.setTextFormat(theme.PLAIN)
        self._text.setFont(theme.title_font(self.font()))
        self._reason = Words(self)
        self._lines = Words(self, muted=True)
        self._lines.setFont(theme.fixed_font())
        self._lines.setAccessibleName("Last lines of the log")
        self._buttons = FlowLayout()
        first = QHBoxLayout()
        first.setSpacing(theme.SPACE_S)
        first.addWidget(self._picture)
        first.addWidget(self._text, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addLayout(first)
        for widget in (self._reason, self._lines):
            column.addWidget(widget)
        column.addLayout(self._buttons)

    def show_finding(self, finding: RunFinding, more: str = "", log: str = "") -> None:
        """Show a finding.

        Args:
            finding: what is to be said.
            more: a sentence behind its reason.
            log: the last lines of the log.
        """
        before, self.finding = self.finding, finding
        self._picture.show_icon(theme.state_icon(finding.state))
        self._text.setText(finding.text)
        self._reason.say(" ".join(filter(None, (finding.reason, more))))
        self._lines.say(log)
        self.setAccessibleName(f"{finding.text}. {finding.reason}")
        if before is None or _buttons_of(before) != _buttons_of(finding):
            self._make_buttons(finding)

    def _make_buttons(self, finding: RunFinding) -> None:
        empty(self._buttons)
        for step in finding.steps:
            button = QPushButton(theme.icon(step.icon), step.text.replace("&", ""), self)
            button.setToolTip(plain(step.help))
            button.setAccessibleDescription(step.help)
            button.setProperty("kind", step.kind.value)
            button.clicked.connect(self._step_clicked)
            self._buttons.addWidget(button)
        if finding.has_log:
            button = QPushButton(theme.icon("log"), "Log", self)
            button.setToolTip("Show the log of the newest of them")
            button.clicked.connect(self._log_clicked)
            self._buttons.addWidget(button)

    def _step_clicked(self) -> None:
        button = self.sender()
        if self.finding is None or not isinstance(button, QPushButton):
            return
        for step in self.finding.steps:
            if step.kind.value == button.property("kind"):
                self.step_asked.emit(self.finding, step)

    def _log_clicked(self) -> None:
        if self.finding is not None:
            self.log_asked.emit(self.finding.run_id)


def _buttons_of(finding: RunFinding) -> tuple[tuple[Step, ...], bool]:
    return finding.steps, finding.has_log


def line(parent: QWidget) -> QFrame:
    """A thin line between parts."""
    frame = QFrame(parent)
    frame.setFrameShape(QFrame.Shape.HLine)
    frame.setFrameShadow(QFrame.Shadow.Plain)
    frame.setForegroundRole(QPalette.ColorRole.Midlight)
    return frame
