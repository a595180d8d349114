"""A form for the configuration of runs, made from the engine's declarations: a new option needs nothing here.

It starts from a configuration (defaults, a preset, another run) and keeps what a person changes; several
values in a field (`0.25, 0.5, 1`; seeds also `1-5`) make several runs. What is wrong stands beside its
field, in the engine's words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QFrame, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from iterand_engine.sweeps import SEED
from iterand_gui import theme
from iterand_gui.widgets.option_field import RESET_KEYS, OptionField
from iterand_gui.widgets.option_group import OptionGroup
from iterand_gui.widgets.option_specs import CHOOSING, DATASET, METHOD, MODEL, Chosen, Spec, sections, specs
from iterand_gui.widgets.option_values import (
    Checked,
    Entries,
    FormState,
    base_value,
    check,
    choices_of,
    complete,
    same,
    sets_of,
    text_of,
)

# What is asked first; all other options are folded.
MAIN = (
    DATASET,
    MODEL,
    "model.width_factor",
    METHOD,
    "method.sparsity",
    "method.randomize_every",
    "method.randomize_rate",
    SEED,
)
_HINT_LINES = 2


class OptionForm(QWidget):
    """The options of the chosen method, the main ones first; search, reset and errors by keyboard as well."""

    changed = Signal(object)  # FormState: after each change, a person's or a program's

    def __init__(
        self,
        folder: Path,
        parent: QWidget | None = None,
        *,
        main: Sequence[str] = MAIN,
        suggestions: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Make a form of the defaults.

        Args:
            folder: what a relative data.path is seen from.
            parent: of the widget.
            main: dotted paths of the options that are always shown, in order.
            suggestions: names to choose from, for options that take others as well, by path.
        """
        super().__init__(parent)
        self._folder = folder
        self._main = tuple(main)
        self._suggestions = dict(suggestions or {})
        self._base: dict[str, Any] = complete({})
        self._texts: dict[str, str] = {}  # of what was changed, options that are not shown now included
        self._chosen: Chosen = {}
        self._fields: dict[str, OptionField] = {}
        self._checked = Checked(None, {}, 1)
        self._told: dict[str, str] = {}  # what is wrong elsewhere, by option
        self._checking = QTimer(self, singleShot=True, interval=0)
        self._checking.timeout.connect(self._check)
        self._build()
        self._refresh()

    @property
    def state(self) -> FormState:
        """What the form says now."""
        if self._checking.isActive():
            self._check()
        checked = self._checked
        sets, seeds = ((), ()) if checked.problems else sets_of(self._base, self._texts)
        return FormState(
            self._base, sets, seeds, checked.config, dict(checked.problems), checked.combinations
        )

    @property
    def entries(self) -> Entries:
        """What stands in it now."""
        return Entries(self._base, dict(self._texts))

    def restore(self, entries: Entries) -> None:
        """Bring back what stood in it."""
        self._base, self._texts = dict(entries.base), dict(entries.texts)
        self._refresh()

    @property
    def folder(self) -> Path:
        """What a relative data.path is seen from."""
        return self._folder

    def start_from(self, mapping: Mapping[str, Any]) -> None:
        """Show another configuration, unchanged.

        Args:
            mapping: partial or complete, as in a file.
        Raises:
            UserError: it is no configuration; the form stays as it was.
        """
        self._base = complete(mapping)
        self._texts.clear()
        self._refresh()

    def change(self, path: str, value: object) -> None:
        """Change an option to a value and bring it into view, marked as changed.

        Args:
            path: of an option that is shown.
            value: as in a file.
        """
        spec = self._fields[path].spec
        self.set_text(path, text_of(spec, value))
        self.search.clear()
        self._group_of(spec).set_open(True)
        self._scroll.ensureWidgetVisible(self._fields[path])

    def set_text(self, path: str, text: str) -> None:
        """Change an option as if it were typed."""
        self._take(path, text)
        self._refresh()

    def text(self, path: str) -> str:
        """The text of an option that is shown."""
        return self._fields[path].text

    def field(self, path: str) -> OptionField:
        """The field of an option that is shown."""
        return self._fields[path]

    @property
    def paths(self) -> tuple[str, ...]:
        """The options that there are now, in the order of a file."""
        return tuple(self._fields)

    @Slot(str)
    def reset(self, path: str) -> None:
        """Bring an option back to what the form started from."""
        self._texts.pop(path, None)
        self._refresh()
        self._fields[path].editor.setFocus()

    @Slot()
    def reset_all(self) -> None:
        """Bring every option back."""
        self._texts.clear()
        self._refresh()

    @Slot()
    def renew(self) -> None:
        """Look again which options there are, after own code was enabled or disabled."""
        self._chosen = {}
        self._refresh()

    @Slot()
    def focus_problem(self) -> None:
        """Put the keyboard where something is wrong first."""
        for path, field in self._fields.items():
            if path in self._problems:
                self.search.clear()
                self._group_of(field.spec).set_open(True)
                field.editor.setFocus()
                self._scroll.ensureWidgetVisible(field)
                return

    def tell(self, problems: Mapping[str, str]) -> None:
        """Show beside the fields what is wrong though the options are right, instead of what was told before.

        Args:
            problems: a sentence by option; it goes when an option of the same section is changed.
        """
        if self._told != problems:
            self._told = dict(problems)
            self._show_states()

    @property
    def _problems(self) -> dict[str, str]:
        return {**self._told, **self._checked.problems}

    @Slot()
    def focus_search(self) -> None:
        """Put the keyboard into the search."""
        self.search.setFocus()
        self.search.selectAll()

    def save_open_groups(self) -> list[str]:
        """Names of the groups that are unfolded, to be remembered."""
        return [name for name, group in self._groups.items() if group.is_open and name is not _MAIN_GROUP]

    def restore_open_groups(self, names: Sequence[str]) -> None:
        """Unfold these groups and fold the others."""
        for name, group in self._groups.items():
            if name is not _MAIN_GROUP:
                group.set_open(name in names)

    def _build(self) -> None:
        self.search = QLineEdit(self)
        self.search.setPlaceholderText("Search all options (Ctrl+F)")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Search all options")
        self.search.addAction(theme.icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.search.textChanged.connect(self._find)
        self.search.returnPressed.connect(self._to_first_match)
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, theme.SPACE_S, 0)
        column.setSpacing(theme.SPACE_XS)
        self._groups = {_MAIN_GROUP: OptionGroup("", "", content)}
        self._groups |= {each.name: OptionGroup(each.title, each.help, content) for each in sections()}
        for group in self._groups.values():
            column.addWidget(group)
        self._nothing = QLabel("No option holds these words.", content, textFormat=theme.PLAIN)
        self._nothing.hide()
        column.addWidget(self._nothing)
        column.addStretch(1)
        self._scroll = QScrollArea(self, widgetResizable=True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(content)
        self._trouble = QLabel(self, textFormat=theme.PLAIN, wordWrap=True)
        self._trouble.hide()
        self._hint = QLabel(self, textFormat=theme.PLAIN, wordWrap=True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._hint.setMinimumHeight(_HINT_LINES * self.fontMetrics().lineSpacing())
        self._hint.setAccessibleName("About this option")
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, theme.SPACE_S, 0, 0)
        rows.setSpacing(theme.SPACE_S)
        for part in (self.search, self._scroll, self._trouble, self._hint):
            rows.addWidget(part)
        self._shortcut("Ctrl+F", self.focus_search)
        self._shortcut(RESET_KEYS, self._reset_focused)
        QShortcut(Qt.Key.Key_Escape, self.search, self.search.clear, context=_HERE)

    def _shortcut(self, keys: str, act: Any) -> None:
        QShortcut(QKeySequence(keys), self, act, context=_HERE)

    def _group_of(self, spec: Spec) -> OptionGroup:
        return self._groups[_MAIN_GROUP if spec.path in self._main else spec.section]

    def _take(self, path: str, text: str) -> None:
        spec = self._fields[path].spec
        if same(spec, text, base_value(self._base, spec)):
            self._texts.pop(path, None)
        else:
            self._texts[path] = text

    @Slot(str, str)
    def _edited(self, path: str, text: str) -> None:
        self._take(path, text)
        section = self._fields[path].spec.section
        self._told = {p: told for p, told in self._told.items() if self._fields[p].spec.section != section}
        if path in CHOOSING:
            self._rebuild()
        self._checking.start()

    def _refresh(self) -> None:
        """Show everything anew from the base and the texts."""
        self._told = {}
        self._rebuild()
        for path, field in self._fields.items():
            field.set_text(self._texts.get(path, self._base_text(field.spec)))
        self._check()

    def _base_text(self, spec: Spec) -> str:
        return text_of(spec, base_value(self._base, spec))

    def _rebuild(self) -> None:
        """Have a field for each option that the choices bring; those that stay keep keyboard and cursor."""
        chosen = choices_of(self._base, self._texts)
        if chosen == self._chosen:
            return
        self._chosen = chosen
        before = self._fields
        self._fields = {}
        for spec in specs(chosen):
            known = before.get(spec.path)
            keep = known is not None and known.spec == spec
            self._fields[spec.path] = before.pop(spec.path) if keep else self._make_field(spec)
        for field in before.values():
            field.blockSignals(True)  # the keyboard passes through while they go
            field.hide()
            field.deleteLater()
        self._arrange()

    def _make_field(self, spec: Spec) -> OptionField:
        field = OptionField(spec, self._group_of(spec), self._suggestions.get(spec.path, ()))
        field.set_text(self._texts.get(spec.path, self._base_text(spec)))
        field.edited.connect(self._edited)
        field.reset_asked.connect(self.reset)
        field.entered.connect(self._entered)
        return field

    def _arrange(self) -> None:
        main = [self._fields[path] for path in self._main if path in self._fields]
        self._groups[_MAIN_GROUP].set_fields(main)
        width = max(field.label_width for field in self._fields.values())
        for field in self._fields.values():
            field.set_label_width(width)
        for name, group in self._groups.items():
            if name is not _MAIN_GROUP:
                group.set_fields([f for f in self._fields.values() if self._group_of(f.spec) is group])
        self._order_focus()
        self._find()

    def _order_focus(self) -> None:
        """Tab goes as the eye does, whichever field was made last."""
        before: QWidget = self.search
        for group in self._groups.values():
            for part in group.focus_chain():
                QWidget.setTabOrder(before, part)
                before = part

    @Slot()
    def _check(self) -> None:
        self._checking.stop()
        self._checked = check(self._base, self._texts, self._folder)
        self._show_states()
        self.changed.emit(self.state)

    def _show_states(self) -> None:
        """Mark what was changed and what is wrong, in fields and headings."""
        problems = self._problems
        counts = dict.fromkeys(self._groups, (0, 0))
        for path, field in self._fields.items():
            changed = path in self._texts
            field.show_state(self._base_text(field.spec), changed=changed, problem=problems.get(path, ""))
            name = _MAIN_GROUP if path in self._main else field.spec.section
            counts[name] = (counts[name][0] + changed, counts[name][1] + (path in problems))
        for name, group in self._groups.items():
            group.show_counts(*counts[name])
            if counts[name][1] and not group.is_open:
                group.set_open(True)
        others = [sentence for path, sentence in problems.items() if path not in self._fields]
        self._trouble.setText("\n".join(others))
        self._trouble.setVisible(bool(others))

    @Slot()
    def _find(self) -> None:
        words = self.search.text().casefold().split()
        for group in self._groups.values():
            group.show_matches(words)
        if words:
            self._scroll.verticalScrollBar().setValue(0)
        self._nothing.setVisible(not any(not group.isHidden() for group in self._groups.values()))

    @Slot()
    def _to_first_match(self) -> None:
        for group in self._groups.values():
            for field in group.shown():
                field.editor.setFocus()
                return

    @Slot(str)
    def _entered(self, path: str) -> None:
        self._hint.setText(self._fields[path].hint)

    @Slot()
    def _reset_focused(self) -> None:
        focused = QApplication.focusWidget()
        for path, field in self._fields.items():
            if focused is not None and field.isAncestorOf(focused) and path in self._texts:
                self.reset(path)
                return


_MAIN_GROUP = "\0main"
_HERE = Qt.ShortcutContext.WidgetWithChildrenShortcut
