"""The head of the Run page: how the run stands, how far it is, its accuracy, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from iterand_engine.machine import texts
from iterand_engine.store import RunRow, RunState
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.look.run_line import line_of_run
from iterand_gui.session.next_steps import Step, next_steps
from iterand_gui.widgets.run_badge import StateBadge

_BAR_PX = 6
_PARTS = 1000  # of the progress bar


class RunHeader(QWidget):
    """Shows one run; `chosen` reports the step that a person wants."""

    chosen = Signal(object)  # StepKind

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Run")
        self._badge = StateBadge(self)
        self._name = _Elided(self)
        self._name.setFont(_larger(theme.title_font(self.font()), 1.25))
        self._about = _Elided(self)
        self._about.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._accuracy, self._under = QLabel(self), QLabel(self)
        self._bar = QProgressBar(self)
        self._progress = QLabel(self)
        self._steps: tuple[Step, ...] = ()
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(theme.SPACE_S)
        self._set_up()
        self._lay_out()

    @property
    def steps(self) -> tuple[Step, ...]:
        """What can be done next."""
        return self._steps

    @property
    def text(self) -> str:
        """All that it says, for tests and for those who cannot see it."""
        parts = (self._badge.word, self._name.text(), self._about.text(), self._progress.text())
        return "; ".join((*parts, f"{self._accuracy.text()} {self._under.text()}"))

    def show_run(self, row: RunRow, config: Mapping[str, object], test: str) -> None:
        """Show a run as it stands.

        Args:
            row: the run.
            config: its configuration as stored.
            test: test accuracy as a reader wants it; empty where there is none yet.
        """
        self._badge.show_state(row.state)
        self._name.setText(row.name)
        kind = f"{row.model} x{row.width_factor:g} · {row.method} · {row.dataset}"
        self._about.setText(f"seed {row.seed} · {kind} · {row.precision} on {row.device_kind}")
        self._accuracy.setText(texts.percent(row.accuracy_so_far))
        self._under.setText(f"validation · test {test}" if test else "validation accuracy")
        self._show_progress(row, config)
        self._show_steps(next_steps(row, config))
        self.setAccessibleDescription(self.text)

    def _show_progress(self, row: RunRow, config: Mapping[str, object]) -> None:
        total = row.total_steps
        share = row.step / total if total else 0.0
        self._bar.setValue(round(_PARTS * share))
        self._bar.setVisible(row.state.is_live or (bool(row.step) and row.state is not RunState.FINISHED))
        training = config.get("training")
        epochs = training.get("epochs") if isinstance(training, Mapping) else None
        parts = [f"step {texts.progress(row.step, total)}"] if row.step or total else []
        if isinstance(epochs, int) and parts:
            parts.append(f"epoch {texts.progress(min(row.epoch + int(row.state.is_live), epochs), epochs)}")
        if row.elapsed_s:
            parts.append(f"{texts.duration(row.elapsed_s)} of training")
        parts += _time_texts(row)
        self._progress.setText(" · ".join(parts))
        self._bar.setAccessibleDescription(self._progress.text())

    def _show_steps(self, steps: tuple[Step, ...]) -> None:
        if [step.kind for step in steps] == [step.kind for step in self._steps]:
            return  # a button keeps the keyboard while its run goes on
        self._steps = steps
        while (item := self._buttons.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        for number, step in enumerate(steps):
            button = QPushButton(theme.icon(step.icon), step.text, self)
            button.setToolTip(plain(step.help))
            button.setAccessibleName(step.words)
            button.setAccessibleDescription(step.help)
            button.setProperty("kind", step.kind.value)
            button.setDefault(number == 0)
            button.clicked.connect(self._clicked)
            self._buttons.addWidget(button)

    def _clicked(self) -> None:
        button = self.sender()
        kind = button.property("kind") if isinstance(button, QPushButton) else None
        for step in self._steps:
            if step.kind.value == kind:
                self.chosen.emit(step.kind)

    def _set_up(self) -> None:
        for label in (self._accuracy, self._under, self._progress):
            label.setTextFormat(theme.PLAIN)
        self._accuracy.setFont(_larger(theme.number_font(theme.title_font(self.font())), 1.5))
        self._accuracy.setAccessibleName("Validation accuracy")
        self._progress.setFont(theme.number_font(self.font()))
        for label in (self._under, self._progress):
            label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        for label in (self._accuracy, self._under):
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._bar.setRange(0, _PARTS)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(_BAR_PX)
        self._bar.setAccessibleName("Progress")

    def _lay_out(self) -> None:
        title = QHBoxLayout()
        title.setSpacing(theme.SPACE_M)
        title.addWidget(self._badge)
        title.addWidget(self._name, 1)
        left = QVBoxLayout()
        left.setSpacing(theme.SPACE_XS)
        left.addLayout(title)
        left.addWidget(self._about)
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self._accuracy)
        right.addWidget(self._under)
        above = QHBoxLayout()
        above.setSpacing(theme.SPACE_L)
        above.addLayout(left, 1)
        above.addLayout(self._buttons)
        above.addLayout(right)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_L, theme.SPACE_M, theme.SPACE_L, theme.SPACE_S)
        column.setSpacing(theme.SPACE_XS)
        column.addLayout(above)
        column.addWidget(self._bar)
        column.addWidget(self._progress)


class _Elided(QLabel):
    """A line that gives way: what does not fit is cut, and the tooltip has it whole."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setTextFormat(theme.PLAIN)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:  # noqa: N802 (Qt)
        super().setText(text)
        self.setToolTip(plain(text))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt)
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)


def _time_texts(row: RunRow) -> list[str]:
    match row.state:
        case RunState.RUNNING:
            left = texts.time_left(line_of_run(row, in_group=False).left_s)
            return [left] if left else []
        case RunState.STARTING:
            return ["the worker is starting"]
        case RunState.STOPPING:
            return ["it saves a checkpoint and stops"]
        case RunState.STALLED:
            return ["the worker lives, but has made no step for a long time"]
        case RunState.QUEUED:
            return ["a process waits to train it itself" if row.waiting else "it waits in the queue"]
        case _:
            return [f"ended {texts.moment(row.ended_at)}"] if row.ended_at else []


def _larger(font: QFont, factor: float) -> QFont:
    font.setPointSizeF(font.pointSizeF() * factor)
    return font
