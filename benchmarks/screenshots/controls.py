"""Finds controls in a window that a screen reader has no name for, and keys that have two uses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QMenuBar,
    QPlainTextEdit,
    QProgressBar,
    QSlider,
    QTabBar,
    QToolButton,
    QWidget,
)

from benchmarks.screenshots.in_view import in_view, named
from iterand_gui.plots.frame import PlotFrame
from iterand_gui.plots.heat.heatmap import Heatmap

_CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QSlider,
    QTabBar,
    PlotFrame,
    Heatmap,
)


def unnamed(window: QWidget) -> list[str]:
    """Controls and plots in view that a screen reader has no name for."""
    found = []
    for widget in in_view(window):
        is_control = isinstance(widget, _CONTROLS) or widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        if is_control and not isinstance(widget, QHeaderView):
            interface = QAccessible.queryAccessibleInterface(widget)
            if interface is None or not interface.text(QAccessible.Text.Name).strip():
                parent = widget.parentWidget()
                found.append(f"{named(widget)} in {named(parent) if parent else 'nothing'} has no name")
    return found


def double_keys(window: QWidget) -> list[str]:
    """Mnemonics and shortcuts that two widgets in view share, so that neither works."""
    owners: dict[str, set[str]] = defaultdict(set)
    for widget in in_view(window):
        for key, owner in _mnemonics(widget):
            owners[key].add(owner)
        for action in widget.actions():
            if _is_windowed(action.shortcutContext()) and not isinstance(widget, QMenuBar | QToolButton):
                _note(owners, action.shortcut(), f"action {action.text()!r}", action)
    for menu in window.findChildren(QMenu):
        for action in menu.actions():
            _note(owners, action.shortcut(), f"action {action.text()!r}", action)
    for shortcut in window.findChildren(QShortcut):
        parent = shortcut.parent()
        if _is_windowed(shortcut.context()) and isinstance(parent, QWidget) and parent.isVisible():
            _note(owners, shortcut.key(), f"shortcut of {named(parent)}", shortcut)
    return [f"{key}: {', '.join(sorted(who))}" for key, who in sorted(owners.items()) if len(who) > 1]


def _is_windowed(context: Qt.ShortcutContext) -> bool:
    return context in (Qt.ShortcutContext.WindowShortcut, Qt.ShortcutContext.ApplicationShortcut)


def _note(owners: dict[str, set[str]], keys: QKeySequence, who: str, what: QAction | QShortcut) -> None:
    if not keys.isEmpty():
        owners[keys.toString()].add(f"{who} ({id(what):x})")


def _mnemonics(widget: QWidget) -> Iterator[tuple[str, str]]:
    texts: list[str] = []
    if isinstance(widget, QAbstractButton) or (isinstance(widget, QLabel) and widget.buddy() is not None):
        texts = [widget.text()] if widget.isEnabled() else []
    elif isinstance(widget, QTabBar):
        texts = [widget.tabText(number) for number in range(widget.count())]
    elif isinstance(widget, QMenuBar):
        texts = [action.text() for action in widget.actions()]
    for text in texts:
        if keys := QKeySequence.mnemonic(text).toString():
            yield keys, f"{type(widget).__name__} {text!r} ({id(widget):x})"


def double_menu_keys(window: QWidget) -> list[str]:
    """Mnemonics that two entries of one menu share."""
    found = []
    for menu in window.findChildren(QMenu):
        keys: dict[str, list[str]] = defaultdict(list)
        for action in menu.actions():
            keys[QKeySequence.mnemonic(action.text()).toString()].append(action.text())
        found += [f"menu {menu.title()!r}, {key}: {who}" for key, who in keys.items() if key and len(who) > 1]
    return found
