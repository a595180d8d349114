"""Everything that can be done with the chosen runs: one action each, for buttons, menu, keys and the palette.

An action that can do nothing with what is chosen is grey, and says by its tooltip what it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from iterand_engine.store import RunRow
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.pages.runs.chosen import Chosen
from iterand_gui.pages.runs.exporter import Exporter, ExportKind
from iterand_gui.session.command import Command
from iterand_gui.session.next_steps import compared
from iterand_gui.session.session import Session
from iterand_gui.widgets.folder import show_folder

SEEDS = 2  # that "+2 seeds" adds
_MENU = (
    *("open", "compare", "", "resume", "stop", "first", "", "seeds", "clone", "use", ""),
    *("log", "folder", "copy", "export", "", "delete"),
)
_TABLE_KEYS = ("open", "delete")  # the table listens itself: elsewhere these keys mean other things
_EXPORTS = ("masks", "network", "series")
Can = Callable[[Chosen], bool]


@dataclass(frozen=True)
class _Deed:
    key: str
    text: str
    icon: str
    help: str
    can: Can
    do: Callable[[Chosen], object]
    shortcut: str = ""


class RunActions(QObject):
    """The actions of one page.

    Args:
        session: the window's.
        exporter: writes files.
        chosen: gives the chosen runs as they stand now.
        page: where the shortcuts count.
    """

    def __init__(
        self,
        session: Session,
        exporter: Exporter,
        chosen: Callable[[], Chosen],
        page: QWidget,
    ) -> None:
        super().__init__(page)
        self._session, self._exporter, self._chosen = session, exporter, chosen
        self._deeds = {
            deed.key: deed
            for deed in (*self._of_results(), *self._of_queue(), *self._of_more(), *self._of_files())
        }
        self._actions = {key: self._make(deed) for key, deed in self._deeds.items()}
        for action in self._actions.values():
            page.addAction(action)
        self.refresh(Chosen())

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def refresh(self, chosen: Chosen) -> None:
        """Let each action know whether it can do something."""
        for key, deed in self._deeds.items():
            self._actions[key].setEnabled(deed.can(chosen))

    def menu(self, parent: QWidget) -> QMenu:
        """What can be done with the chosen runs."""
        menu = QMenu("Runs", parent)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        for key in _MENU:
            if not key:
                menu.addSeparator()
            elif key == "export":
                inner = menu.addMenu(theme.icon("export"), "&Export")
                for each in _EXPORTS:
                    inner.addAction(self._actions[each])
                inner.setEnabled(any(self._actions[each].isEnabled() for each in _EXPORTS))
            else:
                menu.addAction(self._actions[key])
        return menu

    def commands(self) -> list[Command]:
        """The same for the command palette."""
        return [
            Command(
                deed.text.replace("&", "").rstrip("."),
                self._actions[key].trigger,
                deed.shortcut,
                self._actions[key].isEnabled,
            )
            for key, deed in self._deeds.items()
        ]

    def _make(self, deed: _Deed) -> QAction:
        action = QAction(theme.icon(deed.icon), deed.text, self)
        action.setToolTip(plain(f"{deed.help} ({deed.shortcut})" if deed.shortcut else deed.help))
        if deed.key in _TABLE_KEYS:
            action.setText(f"{deed.text}\t{deed.shortcut}")
        else:
            action.setShortcut(QKeySequence(deed.shortcut))
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(self._doer(deed))
        return action

    def _doer(self, deed: _Deed) -> Callable[[], None]:
        def do() -> None:
            chosen = self._chosen()
            if deed.can(chosen):  # it may have been so a moment ago only
                deed.do(chosen)

        return do

    def _of_results(self) -> tuple[_Deed, ...]:
        return (
            _Deed(
                "open",
                "&Open",
                "run",
                "Show the run live; of a sweep compare its runs",
                _any,
                self._open,
                "Return",
            ),
            _Deed(
                "compare",
                "&Compare",
                "compare",
                "Show the chosen runs side by side",
                _any,
                self._compare,
                "Ctrl+Return",
            ),
        )

    def _of_queue(self) -> tuple[_Deed, ...]:
        actions = self._session.actions
        return (
            _Deed(
                "resume",
                "&Resume",
                "resume",
                "Put stopped, interrupted and failed runs at the head of the queue, from where they go on",
                lambda chosen: bool(chosen.resumable),
                lambda chosen: actions.resume(chosen.resumable),
                "Ctrl+R",
            ),
            _Deed(
                "stop",
                "&Stop",
                "stop",
                "Let running runs save and stop, and take queued ones out of the queue",
                lambda chosen: bool(chosen.stoppable),
                lambda chosen: actions.stop(chosen.stoppable),
                "Ctrl+.",
            ),
            _Deed(
                "first",
                "To the &head of the queue",
                "arrow-line-up",
                "Train the queued ones of these next",
                lambda chosen: bool(chosen.queued),
                lambda chosen: actions.move_first(chosen.queued),
            ),
        )

    def _of_more(self) -> tuple[_Deed, ...]:
        actions = self._session.actions
        return (
            _Deed(
                "seeds",
                f"+&{SEEDS} seeds",
                "seeds",
                f"Queue each of these with {SEEDS} more seeds",
                _any,
                lambda chosen: actions.add_seeds(chosen.ids, SEEDS),
            ),
            _Deed(
                "clone",
                "C&lone and edit...",
                "clone",
                "Open the form with all options of this run",
                _one,
                self._clone,
            ),
            _Deed(
                "use",
                "&Use these settings...",
                "settings",
                "Open the form with data, network, method and training of this run, for a new one",
                _one,
                self._use,
            ),
            _Deed(
                "delete",
                "&Delete",
                "delete",
                "Move to the trash; it can be undone",
                lambda c: c.is_deletable,
                self._delete,
                "Del",
            ),
            _Deed(
                "undo",
                "U&ndo delete",
                "undo",
                "Take back what was deleted last",
                lambda _: actions.can_undo,
                lambda _: actions.undo_delete(),
                "Ctrl+Z",
            ),
        )

    def _of_files(self) -> tuple[_Deed, ...]:
        return (
            _Deed(
                "log",
                "Lo&g",
                "log",
                "Show what the worker of this run said",
                _one,
                self._show_log,
            ),
            _Deed("folder", "Open &folder", "folder", "Show the files of this run", _one, self._open_folder),
            _Deed(
                "copy", "Copy &id", "copy", "Copy the run's id, for the command line", _any, self._copy_ids
            ),
            _Deed(
                "masks",
                "&Masks...",
                "export",
                "Write the newest masks as a file that numpy alone reads",
                lambda chosen: bool(chosen.with_masks),
                lambda chosen: self._export(ExportKind.MASKS, chosen.with_masks, chosen),
            ),
            _Deed(
                "network",
                "Pruned &network...",
                "export",
                "Write the network of finished runs with its removed weights at zero",
                lambda chosen: bool(chosen.with_network),
                lambda chosen: self._export(ExportKind.NETWORK, chosen.with_network, chosen),
            ),
            _Deed(
                "series",
                "&Series as CSV...",
                "export",
                "Write every recorded point",
                lambda chosen: bool(chosen.with_series),
                lambda chosen: self._export(ExportKind.SERIES, chosen.with_series, chosen),
            ),
        )

    def _export(self, kind: ExportKind, rows: Sequence[RunRow], chosen: Chosen) -> None:
        self._exporter.ask(kind, rows, len(chosen.rows))

    def _open(self, chosen: Chosen) -> None:
        if chosen.lines == 1 and chosen.sweep is None and chosen.current is not None:
            self._session.actions.open_run.emit(chosen.current.id)
        elif chosen.rows:
            self._session.actions.open_compare.emit(chosen.ids)

    def _compare(self, chosen: Chosen) -> None:
        alone = chosen.current if len(chosen.rows) == 1 else None
        ids = compared(self._session, alone) if alone is not None else chosen.ids
        self._session.actions.open_compare.emit(ids)

    def _clone(self, chosen: Chosen) -> None:
        if chosen.current is not None:
            self._session.actions.clone(chosen.current.id)

    def _use(self, chosen: Chosen) -> None:
        if chosen.current is not None:
            self._session.actions.use_settings(chosen.current.id)

    def _show_log(self, chosen: Chosen) -> None:
        if chosen.current is not None:
            self._session.actions.open_log.emit(chosen.current.id)

    def _delete(self, chosen: Chosen) -> None:
        self._session.actions.delete(chosen.ids)

    def _open_folder(self, chosen: Chosen) -> None:
        if chosen.current is not None:
            folder = self._session.workspace.run_dir(chosen.current.id)
            show_folder(folder, self._session.messages)

    def _copy_ids(self, chosen: Chosen) -> None:
        QGuiApplication.clipboard().setText("\n".join(chosen.ids))


def _any(chosen: Chosen) -> bool:
    return bool(chosen.rows)


def _one(chosen: Chosen) -> bool:
    return chosen.lines == 1
