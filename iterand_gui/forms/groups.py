"""The groups of a form in a column that scrolls: the main options, then a group that folds by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from iterand_gui.forms.field import OptionField
from iterand_gui.forms.group import SIDE_PX, OptionGroup
from iterand_gui.forms.specs import Spec, sections
from iterand_gui.look import theme

_MAIN_GROUP = "\0main"


class OptionGroups(QScrollArea):
    """Puts fields where they belong; `folded` reports that a group was folded or unfolded."""

    folded = Signal()

    def __init__(self, main: Sequence[str], parent: QWidget) -> None:
        """Make empty groups.

        Args:
            main: dotted paths of the options that are always shown, in order.
            parent: of the widget.
        """
        super().__init__(parent)
        self._main = tuple(main)
        self._fields: Mapping[str, OptionField] = {}
        self._wanted = ""  # the option to bring into view, once groups have their new heights
        self._scrolling = QTimer(self, singleShot=True, interval=0)
        self._scrolling.timeout.connect(self._scroll)
        self._label_px = self._editing_px = 0
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, theme.SPACE_S, 0)
        column.setSpacing(theme.SPACE_XS)
        self._groups = {_MAIN_GROUP: OptionGroup("", "", content)}
        self._groups |= {each.name: OptionGroup(each.title, each.help, content) for each in sections()}
        for group in self._groups.values():
            column.addWidget(group)
            group.folded.connect(self.folded)
        self._nothing = QLabel("No option holds these words.", content, textFormat=theme.PLAIN)
        self._nothing.hide()
        column.addWidget(self._nothing)
        column.addStretch(1)
        self.setWidget(content)

    @property
    def open_groups(self) -> list[str]:
        """Names of the groups that are unfolded."""
        return [name for name, group in self._folding() if group.is_open]

    @property
    def all_open(self) -> bool:
        """Whether every group is unfolded."""
        return all(group.is_open for _, group in self._folding())

    def set_open(self, names: Sequence[str]) -> None:
        """Unfold these groups and fold the others."""
        for name, group in self._folding():
            group.set_open(name in names)

    @Slot()
    def fold_all(self) -> None:
        """Unfold all groups, or fold them where all are unfolded."""
        self.set_open([] if self.all_open else [name for name, _ in self._folding()])

    def group_of(self, spec: Spec) -> OptionGroup:
        """The group that shows an option; KeyError where the form has no such group."""
        return self._groups[self._name(spec)]

    def show_field(self, field: OptionField) -> None:
        """Bring a field into view."""
        self.group_of(field.spec).set_open(True)
        self._wanted = field.spec.path
        self._scrolling.start()

    @Slot()
    def _scroll(self) -> None:
        field = self._fields.get(self._wanted)
        if field is not None:
            self.ensureWidgetVisible(field, 0, theme.SPACE_XL)

    def set_fields(self, fields: Mapping[str, OptionField]) -> None:
        """Show these fields, by path, with their editors lined up."""
        self._fields = fields
        self._label_px = max(field.label_width for field in fields.values())
        self._editing_px = max(field.least_editing_width for field in fields.values())
        self._place_labels()
        for name, group in self._groups.items():
            group.set_fields([field for field in fields.values() if self._name(field.spec) == name])
        self._groups[_MAIN_GROUP].set_fields([fields[path] for path in self._main if path in fields])

    def show_counts(self, changed: Mapping[str, object], wrong: Mapping[str, object]) -> None:
        """Say in the headings how many options are changed or wrong (by path); unfold what is wrong."""
        counts = dict.fromkeys(self._groups, (0, 0))
        for path, field in self._fields.items():
            name = self._name(field.spec)
            counts[name] = (counts[name][0] + (path in changed), counts[name][1] + (path in wrong))
        for name, group in self._groups.items():
            group.show_counts(*counts[name])
            if counts[name][1] and not group.is_open:
                group.set_open(True)

    def search(self, words: Sequence[str]) -> None:
        """Show only the options that hold all these words (casefolded); none shows all."""
        for group in self._groups.values():
            group.show_matches(words)
        if words:
            self.verticalScrollBar().setValue(0)
        self._nothing.setVisible(not any(not group.isHidden() for group in self._groups.values()))

    def first_shown(self) -> OptionField | None:
        """The first field in view."""
        return next((field for group in self._groups.values() for field in group.shown()), None)

    def order_focus(self, before: QWidget) -> None:
        """Set the order of Tab after a widget: from top to bottom, whichever field was made last."""
        for group in self._groups.values():
            for part in group.focus_chain():
                QWidget.setTabOrder(before, part)
                before = part

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Put labels above their editors where there is too little room for both side by side."""
        super().resizeEvent(event)
        self._place_labels()

    def _place_labels(self) -> None:
        bar = self.verticalScrollBar().sizeHint().width()  # whether it is shown or not: else this might swing
        room = self.width() - bar - SIDE_PX - theme.SPACE_S
        for field in self._fields.values():
            field.set_label(self._label_px, above=room < self._label_px + self._editing_px)

    def _name(self, spec: Spec) -> str:
        return _MAIN_GROUP if spec.path in self._main else spec.section

    def _folding(self) -> list[tuple[str, OptionGroup]]:
        return [(name, group) for name, group in self._groups.items() if name != _MAIN_GROUP]
