"""The window: navigation, pages, menus, messages, status bar; no logic of its own.

A page is imported and made when it is first shown. Closing asks nothing, because slots and workers go on by
themselves; a note says so the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from PySide6.QtCore import QByteArray, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from iterand_gui.look.plain import title_of, without_mnemonic
from iterand_gui.look.theme import Theme, ThemeChoice, run_colours
from iterand_gui.pages import PAGES, PageEntry
from iterand_gui.pages.base import Page
from iterand_gui.session.command import Command
from iterand_gui.session.remembered import Remembered
from iterand_gui.session.session import Session
from iterand_gui.shell.command_palette import CommandPalette
from iterand_gui.shell.navigation import Navigation
from iterand_gui.shell.status_bar import StatusBar
from iterand_gui.widgets.messages import Message, MessageBar

_FIRST_SIZE = (1200, 760)
_THEMES = (("system", "As the &system"), ("light", "&Light"), ("dark", "&Dark"))


class MainWindow(QMainWindow):
    """One workspace's window.

    Args:
        session: the workspace; the window closes it when it closes.
        memory: what is remembered between starts.
        look: sets the theme of the application.
    """

    workspace_asked = Signal(str)  # folder

    def __init__(self, session: Session, memory: Remembered, look: Theme) -> None:
        super().__init__()
        self.session, self._memory, self._theme = session, memory, look
        self._pages: dict[str, Page] = {}
        self._theme_actions: dict[str, QAction] = {}
        self.setObjectName("mainWindow")
        self.setWindowTitle(f"{title_of(session.workspace.root.name)} - IteRand workbench")
        self._navigation = Navigation(PAGES, self)
        self._messages = MessageBar(self)
        self._stack = QStackedWidget(self)
        self._lay_out()
        self.setStatusBar(StatusBar(session, self))
        self._palette = CommandPalette(self)
        self._make_menus()
        self._connect()
        self._restore()
        session.start()

    @property
    def page(self) -> Page | None:
        widget = self._stack.currentWidget()
        return widget if isinstance(widget, Page) else None

    def show_page(self, key: str) -> Page:
        """Bring a page into view; the first time it is made."""
        before = self.page
        page = self._pages.get(key) or self._make_page(next(entry for entry in PAGES if entry.key == key))
        self._navigation.mark(key)
        if page is not before:
            if before is not None:
                before.hiding()
            self._stack.setCurrentWidget(page)
            page.showing()
            page.setFocus()
        return page

    def commands(self) -> list[Command]:
        """The commands that can be used now, those of the page first."""
        here = self.page.commands() if self.page is not None else []
        pages = [
            Command(f"Go to {entry.title}", self._shower(entry.key), f"Ctrl+{number}")
            for number, entry in enumerate(PAGES, start=1)
        ]
        return [*here, *pages, *self._own_commands()]

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Store the arrangement and close the session; training goes on without the window."""
        if self.page is not None:
            self.page.hiding()
        self._remember()
        self.session.close()
        super().closeEvent(event)

    def _lay_out(self) -> None:
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._messages)
        column.addWidget(self._stack, 1)
        central = QWidget(self)
        row = QHBoxLayout(central)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._navigation)
        row.addWidget(content, 1)
        self.setCentralWidget(central)

    def _connect(self) -> None:
        session = self.session
        self._navigation.chosen.connect(self.show_page)
        session.messages.said.connect(self._say)
        session.actions.open_run.connect(self._open_run)
        session.actions.open_log.connect(self._open_log)
        session.actions.open_compare.connect(self._open_compare)
        session.actions.open_new.connect(self._open_new)
        session.actions.open_settings.connect(self._open_settings)
        session.actions.show_page.connect(self.show_page)
        session.actions.ask_workspace.connect(self._ask_workspace)
        session.actions.open_workspace.connect(self.workspace_asked)
        session.actions.choose_theme.connect(self.choose_theme)

    def _say(self, message: Message) -> None:
        self._messages.show_message(message)

    def _open_run(self, run_id: str) -> None:
        self.session.selection.set([run_id])
        self.show_page("run")

    def _open_log(self, run_id: str) -> None:
        self._open_run(run_id)
        self.show_page("run").take("log")

    def _open_compare(self, run_ids: Iterable[str]) -> None:
        self.session.selection.set(run_ids)
        self.show_page("compare")

    def _open_new(self, start: object) -> None:
        self.show_page("new").take(start)

    def _open_settings(self, section: str) -> None:
        self.show_page("settings").take(section)

    def _make_page(self, entry: PageEntry) -> Page:
        module, _, name = entry.target.partition(":")
        made: Page = getattr(import_module(module), name)(self.session, self._stack)
        self._pages[entry.key] = made
        self._stack.addWidget(made)
        made.restore_state(self._memory.mapping(f"page.{entry.key}"))
        return made

    def _shower(self, key: str) -> Callable[[], object]:
        return lambda: self.show_page(key)

    # Menus

    def _make_menus(self) -> None:
        bar = self.menuBar()
        bar.setAccessibleName("Menu bar")
        own = {command.text: command for command in self._own_commands()}
        file = bar.addMenu("&File")
        self._add(file, own["New run"], "&New run")
        file.addSeparator()
        self._add(file, own["Open another workspace"], "Open another &workspace...")
        self._recent_menu = file.addMenu("&Recent workspaces")
        self._recent_menu.aboutToShow.connect(self._fill_recent)
        file.addSeparator()
        file.addSeparator()
        self._add(file, own["Stop all runs"], "&Stop all runs")
        self._add(file, own["Quit"], "&Quit")
        self._page_menu = bar.addMenu("&Page")
        self._page_menu.aboutToShow.connect(self._fill_page_menu)
        view = bar.addMenu("&View")
        for number, entry in enumerate(PAGES, start=1):
            command = Command(entry.title, self._shower(entry.key), f"Ctrl+{number}")
            self._add(view, command, f"&{number} {entry.title}")
        view.addSeparator()
        self._add_themes(view.addMenu("&Theme"))
        self._add(view, own["Reset the layout"], "Reset the &layout")
        tools = bar.addMenu("&Help")
        self._add(tools, own["Find a command"], "&Find a command...")
        self._add(tools, own["Keyboard shortcuts"], "&Keyboard shortcuts")

    def _own_commands(self) -> list[Command]:
        actions = self.session.actions
        return [
            Command("New run", lambda: actions.open_new.emit(None), "Ctrl+N"),
            Command("Find a command", self._open_palette, "Ctrl+K"),
            Command("Stop all runs", actions.stop_all),
            Command("Resume all interrupted runs", actions.resume_interrupted),
            Command("Start missing slots", actions.start_slots),
            Command("Open another workspace", self._ask_workspace, "Ctrl+Shift+O"),
            Command("Light theme", self._theme_chooser("light")),
            Command("Dark theme", self._theme_chooser("dark")),
            Command("Theme as the system", self._theme_chooser("system")),
            Command("Reset the layout", self.reset_layout),
            Command("Keyboard shortcuts", self._show_shortcuts, "F1"),
            Command("Quit", self.close, "Ctrl+Q"),
        ]

    def _add(self, menu: QMenu, command: Command, text: str) -> QAction:
        action = QAction(text, menu)
        if command.shortcut:
            action.setShortcut(QKeySequence(command.shortcut))
        action.setEnabled(command.enabled())
        action.triggered.connect(lambda _checked=False: command.run())
        menu.addAction(action)
        return action

    def _add_themes(self, menu: QMenu) -> None:
        group = QActionGroup(menu)
        chosen = self._memory.text("theme", "system")
        for name, text in _THEMES:
            action = self._add(menu, Command(name, self._theme_chooser(name)), text)
            action.setCheckable(True)
            action.setChecked(name == chosen)
            group.addAction(action)
            self._theme_actions[name] = action

    def _theme_chooser(self, name: str) -> Callable[[], object]:
        return lambda: self.session.actions.choose_theme.emit(name)

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for folder in self._memory.texts("workspaces"):
            action = self._recent_menu.addAction(without_mnemonic(folder))
            action.setEnabled(Path(folder) != self.session.workspace.root)
            action.triggered.connect(self._asker(folder))

    def _asker(self, folder: str) -> Callable[[], object]:
        return lambda: self.workspace_asked.emit(folder)

    def _fill_page_menu(self) -> None:
        self._page_menu.clear()
        for command in self.page.commands() if self.page is not None else []:
            text = without_mnemonic(command.text)
            action = self._page_menu.addAction(text)
            action.setEnabled(command.enabled())
            if command.shortcut:  # shown only: the page itself listens
                action.setText(f"{text}\t{command.shortcut}")
            action.triggered.connect(lambda _checked=False, run=command.run: run())

    def _open_palette(self) -> None:
        self._palette.open_with(self.commands())

    def _show_shortcuts(self) -> None:
        from iterand_gui.plots.frame import PlotFrame
        from iterand_gui.shell.shortcut_list import ShortcutList, of_actions, of_commands

        own = [] if self.page is None else self.page.commands()
        inside = [] if self.page is None else self.page.findChildren(QWidget)
        plots = [widget for widget in inside if isinstance(widget, PlotFrame)]
        groups = {
            "This page": of_commands(own),
            "A plot that has the focus": of_actions(plots[0].actions()) if plots else [],
            "Everywhere": of_commands(self.commands()[len(own) :]),
        }
        ShortcutList(groups, self).show()

    def _ask_workspace(self) -> None:
        dialog = QFileDialog(self, "Open a workspace", str(self.session.workspace.root.parent))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.workspace_asked)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # What is remembered

    def choose_theme(self, name: str) -> None:
        """Use a theme from now on: system, light or dark."""
        self._memory.put("theme", name)
        self._theme.choose(ThemeChoice(name))
        self._theme_actions[name].setChecked(True)

    def reset_layout(self) -> None:
        """Forget sizes, columns and filters."""
        for entry in PAGES:
            self._memory.forget(f"page.{entry.key}")
            if entry.key in self._pages:
                self._pages[entry.key].restore_state({})
        self.resize(*_FIRST_SIZE)

    def _restore(self) -> None:
        geometry = QByteArray.fromBase64(self._memory.text("geometry").encode())
        if not geometry or not self.restoreGeometry(geometry):
            self.resize(*_FIRST_SIZE)
        last = self._memory.text("page", "runs")
        QTimer.singleShot(0, self, lambda: self.show_page(last if last in ("runs", "compare") else "runs"))

    def _remember(self) -> None:
        self._memory.put("geometry", bytes(self.saveGeometry().toBase64().data()).decode())
        for entry in PAGES:
            page = self._pages.get(entry.key)
            if page is not None:
                self._memory.put(f"page.{entry.key}", page.save_state())
                if page is self.page:
                    self._memory.put("page", entry.key)
        self._memory.put("run_colours", run_colours().numbers())
        self._memory.save()
