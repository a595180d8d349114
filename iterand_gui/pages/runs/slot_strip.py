"""A strip with a card for each slot, above the table; a click opens the run that it trains."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QWidget

from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.runs.delegates import draw_bar
from iterand_gui.pages.runs.slot_facts import Click, SlotFacts

_NARROWEST_PX, _WIDEST_PX = 224, 380
_BAR_PX = 4
_CORNER_PX = 6.0
_HINTS = {
    Click.OPEN_RUN: "Open this run",
    Click.SHOW_SETTINGS: "Show the slots in Settings",
    Click.START: "Start the slots that queued runs need",
}


_Inked = tuple[str, theme.Role]  # a text and its colour


class SlotCard(QAbstractButton):
    """One slot: device and how it stands, then what it trains and how far that is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.facts: SlotFacts | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(_NARROWEST_PX)
        self.setMaximumWidth(_WIDEST_PX)

    def show_facts(self, facts: SlotFacts) -> None:
        """Show a slot as it stands."""
        if facts == self.facts:
            return
        self.facts = facts
        self.setAccessibleName(f"Slot {facts.sentence}")
        self.setToolTip(plain(f"{facts.sentence}\n{_HINTS[facts.click]}"))
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Two lines and the bar."""
        high = 2 * self.fontMetrics().height() + theme.SPACE_XS + _BAR_PX + 3 * theme.SPACE_S
        return QSize(300, high)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        facts = self.facts
        if facts is None:
            return
        painter = QPainter(self)
        self._draw_sheet(painter)
        inside = self.rect().adjusted(theme.SPACE_M, theme.SPACE_S, -theme.SPACE_M, -theme.SPACE_S)
        high = self.fontMetrics().height()
        first = QRect(inside.left(), inside.top(), inside.width(), high)
        second = first.translated(0, high + theme.SPACE_XS)
        icon = QRect(first.left(), first.center().y() - theme.ICON_PX // 2 + 1, theme.ICON_PX, theme.ICON_PX)
        theme.icon(facts.icon, facts.role).paint(painter, icon)
        indent = theme.ICON_PX + theme.SPACE_S
        muted: theme.Role = "muted"
        text: theme.Role = muted if facts.role == muted else "text"
        self._draw_pair(
            painter, first.adjusted(indent, 0, 0, 0), (facts.device, muted), (facts.detail, muted)
        )
        self._draw_pair(painter, second, (facts.text, text), (facts.word, facts.role))
        if facts.progress is not None:
            bar = QRect(inside.left(), inside.bottom() - _BAR_PX + 1, inside.width(), _BAR_PX)
            draw_bar(painter, bar, facts.progress, self.palette())

    def _draw_sheet(self, painter: QPainter) -> None:
        colours = theme.colours(self.palette())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(QColor(colours.alternate if self.underMouse() or self.isDown() else colours.base))
        painter.setPen(QPen(QColor(colours.accent if self.hasFocus() else colours.line), 1))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), _CORNER_PX, _CORNER_PX)

    def _draw_pair(self, painter: QPainter, area: QRect, left: _Inked, right: _Inked) -> None:
        """A text at the left that gives way to one at the right."""
        painter.setFont(theme.number_font(self.font()))
        metrics = painter.fontMetrics()
        painter.setPen(theme.colour(right[1]))
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right[0])
        room = area.adjusted(0, 0, -(metrics.horizontalAdvance(right[0]) + theme.SPACE_M), 0)
        painter.setPen(theme.colour(left[1]))
        said = metrics.elidedText(left[0], Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, said)


class SlotStrip(QScrollArea):
    """The cards side by side; hidden while there is nothing to say."""

    clicked = Signal(object)  # SlotFacts

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Slots")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._inside = QWidget(self)
        self._row = QHBoxLayout(self._inside)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(theme.SPACE_S)
        self._row.addStretch(1)
        self.setWidget(self._inside)
        self.cards: list[SlotCard] = []
        self.hide()

    def show_slots(self, facts: Sequence[SlotFacts]) -> None:
        """Show these slots; a card keeps its place and the keyboard while its slot stands differently."""
        while len(self.cards) > len(facts):
            card = self.cards.pop()
            self._row.removeWidget(card)
            card.hide()
            card.deleteLater()
        while len(self.cards) < len(facts):
            card = SlotCard(self._inside)
            card.clicked.connect(self._card_clicked)
            self._row.insertWidget(len(self.cards), card, 100, Qt.AlignmentFlag.AlignTop)
            self.cards.append(card)
        for card, one in zip(self.cards, facts, strict=True):
            card.show_facts(one)
        self.setVisible(bool(facts))
        self._fit()

    def _card_clicked(self) -> None:
        card = self.sender()
        if isinstance(card, SlotCard) and card.facts is not None:
            self.clicked.emit(card.facts)

    def _fit(self) -> None:
        if not self.cards:
            return
        wide = len(self.cards) * (_NARROWEST_PX + theme.SPACE_S) > self.width()
        bar_px = self.horizontalScrollBar().sizeHint().height() + theme.SPACE_XS if wide else 0
        self.setFixedHeight(self.cards[0].sizeHint().height() + bar_px)

    def resizeEvent(self, event: object) -> None:  # noqa: N802 - Qt's name
        """Make room for the scroll bar where the cards need one."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._fit()
