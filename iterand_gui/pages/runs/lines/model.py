"""The runs of the workspace as a table that unfolds: sweeps, groups of seeds, runs; sorted and filtered.

It follows the store watcher and never queries. Lines keep their identity through every change, so that what
is selected or unfolded stays so; values that change are said as one range a tick. What takes long with
thousands of runs (the first listing, what differs) is worked out beside the GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    Signal,
    Slot,
)

from iterand_engine.results.filters import Filter
from iterand_engine.results.groups import Group
from iterand_engine.store import RunRow, SweepRow
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.live.store_watcher import StoreWatcher
from iterand_gui.live.tasks import Jobs
from iterand_gui.look import theme
from iterand_gui.look.plain import plain
from iterand_gui.look.run_line import LineKind, difference_texts
from iterand_gui.pages.runs.lines.columns import COLUMN, COLUMNS
from iterand_gui.pages.runs.lines.listing import list_runs
from iterand_gui.pages.runs.lines.roles import ALIGNMENTS, UNUSED, LineRole
from iterand_gui.pages.runs.lines.tree import TOP, Numbers, RunTree

AnyIndex = QModelIndex | QPersistentModelIndex
AT_ONCE = 300  # runs: with more, long work goes to a thread
SORT_AGAIN_MS = 1_000
COMPARE_AFTER_MS = 100
_ROOT = QModelIndex()
_TIMES = (COLUMN["time"], COLUMN["age"])


class RunTableModel(QAbstractItemModel):
    """Rows of the run table; `Qt.ItemDataRole.DisplayRole` is what a person reads, `Role` what is drawn."""

    counts_changed = Signal(int, int)  # runs shown, runs in all
    settled = Signal()  # what was worked out beside the GUI thread is in

    def __init__(self, jobs: Jobs | None = None, parent: QObject | None = None) -> None:
        """Make an empty table.

        Args:
            jobs: for long work; without, it is done at once.
            parent: of the object.
        """
        super().__init__(parent)
        self._jobs = jobs
        self._tree = RunTree()
        self._watcher: StoreWatcher | None = None
        self._seen: dict[str, RunRow] = {}  # as the watcher had them
        self._waiting: list[RunsChange] | None = None  # while many runs are worked out
        self._sweeps: Sequence[SweepRow] = ()
        self._column, self._descending = COLUMN["age"], False
        self._ordered: dict[int, list[int]] = {}  # by line: what it holds, in order; made when asked for
        self._places: dict[int, dict[int, int]] = {}  # the same the other way round
        self._differs_round = 0
        self._sort_again = QTimer(self, singleShot=True, interval=SORT_AGAIN_MS)
        self._sort_again.timeout.connect(self._check_order)
        self._compare_soon = QTimer(self, singleShot=True, interval=COMPARE_AFTER_MS)
        self._compare_soon.timeout.connect(self._compare)

    # -- what is shown ------------------------------------------------------------------------------------

    def follow(self, watcher: StoreWatcher) -> None:
        """Show what a watcher knows, now and from now on."""
        self._watcher = watcher
        watcher.runs_changed.connect(self._hear_runs)
        watcher.sweeps_changed.connect(self.set_sweeps)
        if watcher.runs or watcher.has_read:
            changed = [row for row in watcher.runs.values() if self._seen.get(row.id) is not row]
            removed = frozenset(self._seen.keys() - watcher.runs.keys())
            configs = {row.id: watcher.configs[row.id] for row in changed}
            if changed or removed:
                self.take(RunsChange(tuple(changed), configs, removed, is_all=not self._seen))
        self.set_sweeps(watcher.sweeps)

    def unfollow(self) -> None:
        """Cost nothing until `follow`, which catches up."""
        if self._watcher is not None:
            self._watcher.runs_changed.disconnect(self._hear_runs)
            self._watcher.sweeps_changed.disconnect(self.set_sweeps)
            self._watcher = None

    def take(self, change: RunsChange) -> None:
        """Take in what a look at the store found."""
        for row in change.rows:
            self._seen[row.id] = row
        for run_id in change.removed:
            self._seen.pop(run_id, None)
        if self._waiting is not None:
            self._waiting.append(change)
        elif self._jobs is not None and len(change.rows) > AT_ONCE:
            self._begin(change, self._jobs)
        else:
            self._apply(change)

    @Slot(object)
    def set_sweeps(self, sweeps: Sequence[SweepRow]) -> None:
        """Know which runs were made together."""
        if tuple(sweeps) == tuple(self._sweeps):
            return
        self._sweeps = tuple(sweeps)
        if self._waiting is None:
            with self._laying_out():
                self._tree.set_sweeps(self._sweeps)

    def set_filter(self, wanted: Filter) -> None:
        """Show only the runs that meet a filter."""
        with self._laying_out():
            self._tree.set_filter(wanted, time.time())
        self._find_differences()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, in each line that holds others as well."""
        wanted = column, order == Qt.SortOrder.DescendingOrder
        if wanted == (self._column, self._descending):  # a view asks twice
            return
        with self._laying_out():
            self._column, self._descending = wanted

    @Slot()
    def refresh_times(self) -> None:
        """Say that the ages read anew; for a slow timer of whoever shows the table."""
        for above, order in self._ordered.items():
            if len(order):
                self._tell_range(above, 0, len(order) - 1, min(_TIMES), max(_TIMES))

    @property
    def counts(self) -> tuple[int, int]:
        """Runs shown, runs in all."""
        return self._tree.shown_count, len(self._tree.rows)

    # -- lines and runs -----------------------------------------------------------------------------------

    def index_of_run(self, run_id: str) -> QModelIndex:
        """Where a run stands: its own line, or that of its group where it is the only one; none if hidden."""
        return self._index(self._tree.number_of_run(run_id), 0)

    def run_ids(self, indexes: Iterable[AnyIndex]) -> list[str]:
        """The shown runs that lines stand for, each once, in the order of the lines."""
        numbers = dict.fromkeys(index.internalId() for index in indexes if index.isValid())
        return list(dict.fromkeys(one for number in numbers for one in self._tree.run_ids(number)))

    def group_at(self, index: AnyIndex) -> Group | None:
        """The group of a line, also where it has one run only; None for a sweep or a run of a group."""
        return self._tree.group(index.internalId())

    def sweep_at(self, index: AnyIndex) -> SweepRow | None:
        """The sweep of a line."""
        return self._tree.sweep(index.internalId())

    # -- what Qt asks -------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: AnyIndex = _ROOT) -> QModelIndex:
        """The index of a cell."""
        # Asked for every line at each change of the layout: hence without further calls.
        above = parent.internalId()
        order = self._ordered.get(above)
        if order is None:
            order = self._order(above)
        if 0 <= row < len(order) and column >= 0:
            return self.createIndex(row, column, order[row])
        return _ROOT

    def parent(self, index: AnyIndex = _ROOT) -> QModelIndex:  # type: ignore[override] # of two overloads
        """The line that holds another."""
        above = self._tree.parent(index.internalId()) if index.isValid() else TOP
        return _ROOT if above == TOP else self._index(above, 0)

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """How many lines another holds."""
        return len(self._order(parent.internalId())) if parent.column() <= 0 else 0

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """All columns; which are shown is the view's."""
        return len(COLUMNS)

    def hasChildren(self, parent: AnyIndex = _ROOT) -> bool:  # noqa: N802 - Qt's name
        return parent.internalId() in self._tree.unfolding and parent.column() <= 0

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles and what they mean."""
        if orientation is Qt.Orientation.Horizontal and 0 <= section < len(COLUMNS):
            column = COLUMNS[section]
            if role == Qt.ItemDataRole.DisplayRole:
                return column.title
            if role == Qt.ItemDataRole.ToolTipRole:
                return plain(column.help)
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return ALIGNMENTS[section]
        return None

    def multiData(  # noqa: N802 - Qt's name
        self,
        index: AnyIndex,
        roleDataSpan: Any,  # noqa: N803 - Qt's name; PySide says a type that has no items
    ) -> None:
        """What a cell says to a delegate, in one call: seven of `data` take longer than painting."""
        for at in range(len(roleDataSpan)):
            asked = roleDataSpan[at]
            said = self.data(index, asked.role())
            if said is None:
                asked.clearData()
            else:
                asked.setData(said)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        role = int(role)
        if role in UNUSED or not index.isValid():
            return None
        number, column = index.internalId(), index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._tree.text(number, column, time.time())
            case Qt.ItemDataRole.ToolTipRole:
                return plain(self._whole(number, column))
            case Qt.ItemDataRole.TextAlignmentRole:
                return ALIGNMENTS[column]
            case Qt.ItemDataRole.ForegroundRole:
                faint = column == COLUMN["accuracy"] and self._tree.line(number).is_preliminary
                return theme.colour("muted") if faint else None
            case Qt.ItemDataRole.DecorationRole:
                return theme.state_icon(self._tree.line(number).state) if column == COLUMN["state"] else None
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{COLUMNS[column].title}: {self._whole(number, column)}"
            case _:
                return self._drawn(number, role)

    def _whole(self, number: int, column: int) -> str:
        whole, now = COLUMNS[column].whole, time.time()
        return self._tree.text(number, column, now) if whole is None else whole(self._tree.line(number), now)

    def _drawn(self, number: int, role: int) -> Any:
        line = self._tree.line(number)
        match role:
            case LineRole.STATE:
                return str(line.state)
            case LineRole.KIND:
                return line.kind
            case LineRole.KEY:
                return self._tree.key(number)
            case LineRole.PROGRESS:
                return line.progress
            case LineRole.PRELIMINARY:
                return line.is_preliminary
            case LineRole.CELLS if line.kind is LineKind.SWEEP:
                return self._tree.cell_states(number)
        return None

    # -- changes ------------------------------------------------------------------------------------------

    @Slot(object)
    def _hear_runs(self, change: RunsChange) -> None:
        self.take(change)

    def _begin(self, change: RunsChange, jobs: Jobs) -> None:
        """Work many runs out in a thread; what comes meanwhile waits."""
        self._waiting = []
        changes, sweeps, column = (self._tree.everything(), change), self._sweeps, self._column
        job = jobs.run(lambda control: list_runs(changes, sweeps, column), "List the runs")
        job.succeeded.connect(self._listed)

    @Slot(object)
    def _listed(self, tree: RunTree) -> None:
        waiting, self._waiting = self._waiting or [], None
        with self._laying_out():
            tree.set_filter(self._tree.filter, time.time())
            tree.set_sweeps(self._sweeps)
            for change in waiting:
                tree.take(change)
            self._tree = tree
        self._find_differences()

    def _apply(self, change: RunsChange) -> None:
        if self._tree.restructures(change):
            with self._laying_out():
                self._tree.take(change)
            self._find_differences()
            return
        self._report(self._tree.take(change))
        if COLUMNS[self._column].changes and not self._sort_again.isActive():
            self._sort_again.start()

    @contextmanager
    def _laying_out(self) -> Iterator[None]:
        """Show other lines or another order; selected and unfolded ones stay so."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        held = [(self._tree.identity(index.internalId()), index.column()) for index in before]
        yield
        self._ordered.clear()
        self._places.clear()
        self.changePersistentIndexList(before, [self._index(self._tree.find(who), at) for who, at in held])
        self.layoutChanged.emit()
        self.counts_changed.emit(*self.counts)

    def _report(self, numbers: Collection[int]) -> None:
        """Lines read anew: one range at the top, and one in each line that was unfolded."""
        rows: dict[int, list[int]] = {}
        for number in numbers:
            above = self._tree.parent(number)
            if above in self._ordered:  # else nobody has looked there
                place = self._place(above).get(number)
                if place is not None:
                    rows.setdefault(above, []).append(place)
        for above, places in rows.items():
            self._tell_range(above, min(places), max(places), 0, len(COLUMNS) - 1)

    def _tell_range(self, above: int, first: int, last: int, left: int, right: int) -> None:
        parent = _ROOT if above == TOP else self._index(above, 0)
        self.dataChanged.emit(self.index(first, left, parent), self.index(last, right, parent))

    @Slot()
    def _check_order(self) -> None:
        """Sort again where values have changed the order; not at each tick, so that lines can be read."""
        for order in self._ordered.values():
            if self._sorted(np.array(order, np.intp)) != order:
                with self._laying_out():
                    return

    def _find_differences(self) -> None:
        """Work out what differs between the groups that are shown; of many a little later, in a thread."""
        self._differs_round += 1
        if self._jobs is None or len(self._tree.rows) <= AT_ONCE:
            self._compare()
        else:
            self._compare_soon.start()

    @Slot()
    def _compare(self) -> None:
        configs, number = self._tree.shown_configs(), self._differs_round
        if self._jobs is None or len(configs) <= AT_ONCE:
            self._put_differences((number, difference_texts(configs)))
            return
        job = self._jobs.run(lambda control: (number, difference_texts(configs)), "What differs")
        job.succeeded.connect(self._put_differences)

    @Slot(object)
    def _put_differences(self, found: tuple[int, Mapping[str, str]]) -> None:
        number, texts = found
        if number != self._differs_round or self._waiting is not None:
            return  # a newer one is on its way
        self._tree.set_differs(texts)
        column = COLUMN["differs"]
        if self._column == column:
            with self._laying_out():
                pass
        for above, order in self._ordered.items():
            if len(order):
                self._tell_range(above, 0, len(order) - 1, column, column)
        self.settled.emit()

    def _order(self, above: int) -> list[int]:
        """What a line holds, in order."""
        order = self._ordered.get(above)
        if order is None:
            order = self._ordered[above] = self._sorted(self._tree.members(above))
        return order

    def _sorted(self, numbers: Numbers) -> list[int]:
        found: list[int] = self._tree.in_order(numbers, self._column, descending=self._descending).tolist()
        return found

    def _place(self, above: int) -> dict[int, int]:
        if above not in self._places:
            self._places[above] = {number: row for row, number in enumerate(self._order(above))}
        return self._places[above]

    def _index(self, number: int | None, column: int) -> QModelIndex:
        """Where a line stands; nowhere where it is gone or hidden."""
        if number is None:
            return _ROOT
        row = self._place(self._tree.parent(number)).get(number)
        return _ROOT if row is None else self.createIndex(row, column, number)
