"""A form for the configuration of runs, made from the engine's declarations: a new option needs nothing here.

The form starts from a configuration (defaults, a preset, another run) and keeps what the user changes;
several values in a field (`0.25, 0.5, 1`; seeds also `1-5`) make several runs. An error stands beside its
field, in the engine's words but for the option's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from iterand_engine.config.axes import SEED
from iterand_gui.forms.field import RESET_KEYS, OptionField
from iterand_gui.forms.groups import OptionGroups
from iterand_gui.forms.head import ALL_KEYS, OptionHead
from iterand_gui.forms.specs import CHOOSING, DATASET, METHOD, MODEL, Chosen, Spec, specs
from iterand_gui.forms.values import (
    Checked,
    Entries,
    FormState,
    base_value,
    check,
    choices_of,
    complete,
    same,
    text_of,
)
from iterand_gui.look import theme

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

    changed = Signal(object)  # FormState: after each change by the user or by a program

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
        self._texts: dict[str, str] = {}  # of changed options, also of those that are not shown now
        self._chosen: Chosen = {}
        self._fields: dict[str, OptionField] = {}
        self._checked = Checked(None, {}, {}, 1)
        self._hinted = ""  # the option that the hint is about
        self._problems_outside: dict[str, str] = {}  # found by others than the form, by option
        self._checking = QTimer(self, singleShot=True, interval=0)
        self._checking.timeout.connect(self._check)
        self._build()
        self._refresh()

    @property
    def state(self) -> FormState:
        """The texts of the form, checked."""
        if self._checking.isActive():
            self._check()
        checked = self._checked
        changes = {} if checked.problems else checked.changes
        return FormState(self._base, changes, checked.config, dict(checked.problems), checked.combinations)

    @property
    def entries(self) -> Entries:
        """The texts of the form, to be stored and restored."""
        return Entries(self._base, dict(self._texts))

    def restore(self, entries: Entries) -> None:
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
        self._groups.show_field(self._fields[path])

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
        """Bring every option back to what the form started from."""
        self._texts.clear()
        self._refresh()

    @Slot()
    def renew(self) -> None:
        """Read the options again after an extension was enabled or disabled."""
        self._chosen = {}
        self._refresh()

    @Slot()
    def focus_problem(self) -> None:
        """Give the keyboard to the first field that has an error."""
        for path, field in self._fields.items():
            if path in self._problems:
                self.search.clear()
                self._groups.show_field(field)
                field.editor.setFocus()
                return

    def show_problems(self, problems: Mapping[str, str]) -> None:
        """Show problems that others than the form have found, in place of the earlier ones.

        Args:
            problems: a sentence by option; it goes when an option of the same section is changed.
        """
        if self._problems_outside != problems:
            self._problems_outside = dict(problems)
            self._show_states()

    @property
    def _problems(self) -> dict[str, str]:
        return {**self._problems_outside, **self._checked.problems}

    @Slot()
    def focus_search(self) -> None:
        """Give the keyboard to the search."""
        self.search.setFocus()
        self.search.selectAll()

    @Slot()
    def fold_all(self) -> None:
        """Unfold all groups, or fold them where all are unfolded."""
        self.search.clear()
        self._groups.fold_all()

    def save_open_groups(self) -> list[str]:
        """Names of the groups that are unfolded, to be remembered."""
        return self._groups.open_groups

    def restore_open_groups(self, names: Sequence[str]) -> None:
        """Unfold these groups and fold the others."""
        self._groups.set_open(names)

    @Slot()
    def _groups_folded(self) -> None:
        self._head.show_all_open(self._groups.all_open)

    def _build(self) -> None:
        self._head = OptionHead(self)
        self.search, self.all_options = self._head.search, self._head.all_options
        self.all_options.clicked.connect(self.fold_all)
        self.search.textChanged.connect(self._find)
        self.search.returnPressed.connect(self._to_first_match)
        self._groups = OptionGroups(self._main, self)
        self._groups.folded.connect(self._groups_folded)
        self._trouble = QLabel(self, textFormat=theme.PLAIN, wordWrap=True)
        self._trouble.hide()
        self._hint = QLabel(self, textFormat=theme.PLAIN, wordWrap=True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._hint.setMinimumHeight(_HINT_LINES * self.fontMetrics().lineSpacing())
        self._hint.setAccessibleName("About this option")
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, theme.SPACE_S, 0, 0)
        rows.setSpacing(theme.SPACE_S)
        for part in (self._head, self._groups, self._trouble, self._hint):
            rows.addWidget(part)
        self._shortcut("Ctrl+F", self.focus_search)
        self._shortcut(ALL_KEYS, self.fold_all)
        self._shortcut(RESET_KEYS, self._reset_focused)
        QShortcut(Qt.Key.Key_Escape, self.search, self.search.clear, context=_HERE)

    def _shortcut(self, keys: str, act: Any) -> None:
        QShortcut(QKeySequence(keys), self, act, context=_HERE)

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
        self._problems_outside = {
            p: sentence
            for p, sentence in self._problems_outside.items()
            if self._fields[p].spec.section != section
        }
        if path in CHOOSING:
            self._rebuild()
        self._checking.start()

    def _refresh(self) -> None:
        """Show the base and the texts again, field by field."""
        self._problems_outside = {}
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
        focused = next((path for path, field in before.items() if field.editor.hasFocus()), "")
        self._fields = {}
        for spec in specs(chosen):
            known = before.get(spec.path)
            keep = known is not None and known.spec == spec
            self._fields[spec.path] = before.pop(spec.path) if keep else self._make_field(spec)
        for field in before.values():
            field.blockSignals(True)  # the keyboard passes through while they go
            field.hide()
            field.deleteLater()
        self._groups.set_fields(self._fields)
        self._groups.order_focus(self.all_options)
        self._find()
        if focused in before and focused in self._fields:
            self._fields[focused].editor.setFocus()
        self._show_hint()

    def _make_field(self, spec: Spec) -> OptionField:
        field = OptionField(spec, self._groups.group_of(spec), self._suggestions.get(spec.path, ()))
        field.set_text(self._texts.get(spec.path, self._base_text(spec)))
        field.edited.connect(self._edited)
        field.reset_asked.connect(self.reset)
        field.entered.connect(self._entered)
        return field

    @Slot()
    def _check(self) -> None:
        self._checking.stop()
        self._checked = check(self._base, self._texts, self._folder)
        self._show_states()
        self.changed.emit(self.state)

    def _show_states(self) -> None:
        """Mark what was changed and what is wrong, in fields and headings."""
        problems = self._problems
        for path, field in self._fields.items():
            base_text, changed = self._base_text(field.spec), path in self._texts
            field.show_state(base_text, changed=changed, problem=problems.get(path, ""))
        self._groups.show_counts(self._texts, problems)
        others = [sentence for path, sentence in problems.items() if path not in self._fields]
        self._trouble.setText("\n".join(others))
        self._trouble.setVisible(bool(others))

    @Slot()
    def _find(self) -> None:
        self._groups.search(self.search.text().casefold().split())

    @Slot()
    def _to_first_match(self) -> None:
        field = self._groups.first_shown()
        if field is not None:
            field.editor.setFocus()

    @Slot(str)
    def _entered(self, path: str) -> None:
        self._hinted = path
        self._show_hint()

    def _show_hint(self) -> None:
        field = self._fields.get(self._hinted)
        self._hint.setText(field.hint if field is not None else "")

    @Slot()
    def _reset_focused(self) -> None:
        focused = QApplication.focusWidget()
        for path, field in self._fields.items():
            if focused is not None and field.isAncestorOf(focused) and path in self._texts:
                self.reset(path)
                return


_HERE = Qt.ShortcutContext.WidgetWithChildrenShortcut
