"""The first start: what this is, and what to do; where a GPU is found, real runs are offered too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from iterand_engine.config.axes import SEED
from iterand_engine.config.presets import preset
from iterand_engine.errors import UserError
from iterand_engine.machine import texts as shown
from iterand_engine.machine.devices import list_devices, trainable_devices
from iterand_engine.runs import sweeps
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.session.session import Session

QUICK_START = "quickstart"
_GPU_PRESET, _GPU_METHODS, _GPU_SEEDS = "cifar10-conv6-iterand", ("iterand", "edge-popup"), (1, 2, 3)
_WIDTH_PX = 560
_CORNER_PX = 8.0
_WHAT = (
    "Networks of random weights learn by choosing which of their weights to keep."
    " Make runs here, watch them live and compare them; they go on without this window."
)


@dataclass(frozen=True)
class _Gpu:
    """What a GPU is offered: `missing` says what its data lacks, empty where they are here."""

    name: str
    plan: sweeps.SweepPlan
    missing: str


class Welcome(QWidget):
    """Shown in place of the page while a workspace has no run."""

    started = Signal(object)  # tuple[str, ...]: runs that were queued here

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._is_waiting = False
        self._gpu: _Gpu | None = None
        self.setAccessibleName("Welcome")
        self.try_now = OfferCard("rocket-launch", "&Try it now", self, is_first=True)
        self.try_now.say("A small network learns the bundled digits, in well under a minute; you see it live")
        self.on_gpu = OfferCard("gpu", "", self)
        self.on_gpu.hide()
        self.make = OfferCard("new", "&New run", self)
        self.make.say("Choose dataset, network and method yourself, or take a preset")
        self.other = OfferCard("folder", "&Open another workspace", self)
        self.other.say(f"This one is {session.workspace.root}")
        doing: tuple[tuple[OfferCard, Callable[[], object]], ...] = (
            (self.try_now, self._try),
            (self.on_gpu, self._train_on_gpu),
            (self.make, self._make),
            (self.other, self._open_other),
        )
        for card, do in doing:
            card.clicked.connect(do)
        session.actions.queued.connect(self._queued)
        self._lay_out()
        self.setFocusProxy(self.try_now)

    def look_for_gpus(self) -> None:
        """Ask in the background what this machine has."""
        session = self._session

        def work(_: Control) -> _Gpu | None:
            gpus = [device for device in trainable_devices(list_devices()) if device.kind == "cuda"]
            if not gpus:
                return None
            changes = {"method.name": _GPU_METHODS, SEED: _GPU_SEEDS}
            plan = sweeps.plan(preset(_GPU_PRESET).mapping, changes, Path.cwd())
            try:
                sweeps.check_data(session.workspace, [plan])
            except UserError as error:
                return _Gpu(gpus[0].name, plan, str(error))
            return _Gpu(gpus[0].name, plan, "")

        job = self._session.readings.run(work, "Look for GPUs")
        job.succeeded.connect(self._found)
        job.failed.connect(session.messages.error)

    def _found(self, gpu: _Gpu | None) -> None:
        self._gpu = gpu
        self.on_gpu.setVisible(gpu is not None)
        if gpu is None:
            return
        self.on_gpu.setText(f"&CIFAR-10, {shown.counted(len(gpu.plan.cells), 'run')}")
        what = f"Conv6 by IteRand and edge-popup, {len(_GPU_SEEDS)} seeds each, on {gpu.name}"
        self.on_gpu.say("The images must be downloaded first, in Settings" if gpu.missing else what)

    @Slot()
    def _try(self) -> None:
        self._queue(sweeps.plan(preset(QUICK_START).mapping, {}, Path.cwd()))

    @Slot()
    def _train_on_gpu(self) -> None:
        if self._gpu is None:
            return
        if self._gpu.missing:
            self._session.messages.say(self._gpu.missing)
            self._session.actions.show_page.emit("settings")
        else:
            self._queue(self._gpu.plan)

    def _queue(self, plan: sweeps.SweepPlan) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            job = self._session.actions.queue(plan, checked=True)  # a recipe of the program's
            job.ended.connect(self._no_longer_waiting)

    @Slot()
    def _no_longer_waiting(self) -> None:
        self._is_waiting = False

    @Slot(object)
    def _queued(self, run_ids: tuple[str, ...]) -> None:
        if self._is_waiting and run_ids:
            self.started.emit(run_ids)

    @Slot()
    def _make(self) -> None:
        self._session.actions.open_new.emit(None)

    @Slot()
    def _open_other(self) -> None:
        self._session.actions.ask_workspace.emit()

    def _lay_out(self) -> None:
        title, what = QLabel("IteRand workbench", self), QLabel(_WHAT, self)
        font = theme.title_font(self.font())
        font.setPointSizeF(font.pointSizeF() * 1.8)
        title.setFont(font)
        what.setWordWrap(True)
        what.setTextFormat(theme.PLAIN)
        inside = QWidget(self)
        inside.setMaximumWidth(_WIDTH_PX)
        inside.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(title)
        column.addWidget(what)
        column.addSpacing(theme.SPACE_L)
        for card in (self.try_now, self.on_gpu, self.make, self.other):
            column.addWidget(card)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL, theme.SPACE_XL)
        whole.addStretch(2)
        middle = QHBoxLayout()
        middle.addStretch(1)
        middle.addWidget(inside, 100)
        middle.addStretch(1)
        whole.addLayout(middle)
        whole.addStretch(3)


class OfferCard(QAbstractButton):
    """A wide button: picture, what it does, and a line about it."""

    def __init__(self, icon: str, text: str, parent: QWidget, *, is_first: bool = False) -> None:
        super().__init__(parent)
        self._icon, self._is_first, self._about = icon, is_first, ""
        self.setText(text)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def say(self, about: str) -> None:
        self._about = about
        self.setAccessibleName(self.text().replace("&", ""))
        self.setAccessibleDescription(about)
        self.setToolTip(plain(about))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(_WIDTH_PX, 2 * self.fontMetrics().height() + theme.SPACE_XS + 2 * theme.SPACE_M)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Never less than the two lines."""
        return QSize(0, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.colours(self.palette())
        accent = QColor(colours.accent)
        ground = theme.mixed(accent, QColor(colours.base), 0.08 if self._is_first else 0.0)
        if self.underMouse() or self.isDown():
            ground = theme.mixed(accent, QColor(colours.base), 0.14 if self._is_first else 0.05)
        painter.setBrush(ground)
        strong = self._is_first or self.hasFocus()
        painter.setPen(QPen(accent if strong else QColor(colours.line), 2 if self.hasFocus() else 1))
        frame = self.rect().toRectF().adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(frame, _CORNER_PX, _CORNER_PX)
        inside = self.rect().adjusted(theme.SPACE_L, theme.SPACE_M, -theme.SPACE_L, -theme.SPACE_M)
        picture = QRect(inside.left(), 0, theme.ICON_LARGE_PX, theme.ICON_LARGE_PX)
        picture.moveTop(inside.center().y() - theme.ICON_LARGE_PX // 2)
        theme.icon(self._icon, "accent" if self._is_first else "muted").paint(painter, picture)
        self._draw_texts(painter, inside.adjusted(theme.ICON_LARGE_PX + theme.SPACE_L, 0, 0, 0))

    def _draw_texts(self, painter: QPainter, area: QRect) -> None:
        high = self.fontMetrics().height()
        painter.setFont(theme.title_font(self.font()))
        painter.setPen(theme.colour("text"))
        mnemonic = Qt.TextFlag.TextShowMnemonic
        painter.drawText(QRect(area.left(), area.top(), area.width(), high), mnemonic, self.text())
        painter.setFont(self.font())
        painter.setPen(theme.colour("muted"))
        said = self.fontMetrics().elidedText(self._about, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(QRect(area.left(), area.bottom() - high + 1, area.width(), high), 0, said)
