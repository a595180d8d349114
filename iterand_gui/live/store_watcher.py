"""Watches the store for the window: a thread looks ten times a second and signals what is new.

The GUI thread never queries: it has the rows as they were last read (`runs`, `configs`, `slots`, `sweeps`),
and subscriptions bring the points of series. See `store_reader` for what is read and when.
"""

from __future__ import annotations

from collections.abc import Collection

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from iterand_engine.errors import UserError
from iterand_engine.store import RunRow, RunState, SlotRow, Store, SweepRow
from iterand_engine.store.dialect import READ_ERRORS
from iterand_engine.store.records import Json
from iterand_gui.live.store_reader import Reading, RunsChange, SeriesRequest, StoreReader

LOOK_EVERY_MS = 100
_MORE_AFTER_MS = 10
_AFTER_ERROR_MS = 2_000
_END_WITHIN_MS = 40_000  # no read takes longer, not even on a locked database


class Subscription(QObject):
    """New points of some series, and new messages; `close` it, or let its parent take it along."""

    arrived = Signal(object)  # tuple[Series, ...]; the first may be empty: nothing is stored yet
    messages_arrived = Signal(object)  # tuple[RunEvents, ...]
    requested = Signal(int, object)  # for the watcher: number, SeriesRequest
    closed = Signal(int)  # for the watcher: number

    def __init__(self, number: int, parent: QObject) -> None:
        super().__init__(parent)
        # It holds no reference to the watcher: a child must not be the last that keeps its parent alive.
        self._number = number

    def set(self, run_ids: Collection[str], names: Collection[str], *, events: bool = False) -> None:
        """Ask for other series, or messages, of other runs; what was asked for before brings only news."""
        self.requested.emit(self._number, SeriesRequest(tuple(run_ids), tuple(names), events))

    def close(self) -> None:
        """End the subscription: nothing arrives afterwards."""
        self.closed.emit(self._number)


class StoreWatcher(QObject):
    """Watches one store.

    Args:
        store: open; it outlives the watcher.
        parent: of the object.
    """

    runs_changed = Signal(object)  # RunsChange
    slots_changed = Signal(object)  # tuple[SlotRow, ...]
    sweeps_changed = Signal(object)  # tuple[SweepRow, ...]
    overview_changed = Signal(int, int)  # runs that are being trained, runs in the queue
    failed = Signal(str)  # the store cannot be read; emitted once until it recovers
    recovered = Signal()

    wanted = Signal(int, object)  # to the thread: subscription, SeriesRequest
    unwanted = Signal(int)

    def __init__(self, store: Store, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: dict[str, RunRow] = {}
        self.configs: dict[str, Json] = {}
        self.slots: tuple[SlotRow, ...] = ()
        self.sweeps: tuple[SweepRow, ...] = ()
        self.has_read = False
        self.interrupted: set[str] = set()  # ids of runs that nobody stopped and that can go on
        self._running: set[str] = set()
        self._queued: set[str] = set()
        self._numbers = 0
        self._subscriptions: dict[int, Subscription] = {}
        self._thread = QThread(self)
        # Without a name Qt asks for that of the class, in the new thread and without Python's lock; PySide's
        # answer then meets what the GUI thread does, and about one start in a hundred crashed.
        self._thread.setObjectName("store-watcher")
        self._poller = _StorePoller(store)
        self._poller.moveToThread(self._thread)
        self._thread.started.connect(self._poller.begin)
        # Emitted on the thread itself, when its loop has ended: what lives there is put away there.
        self._thread.finished.connect(self._poller.end, Qt.ConnectionType.DirectConnection)
        self.wanted.connect(self._poller.want)
        self.unwanted.connect(self._poller.unwant)
        self._poller.read.connect(self._take)
        self._poller.failed.connect(self._pass_failure)
        self._poller.recovered.connect(self._pass_recovery)

    def start(self) -> None:
        """Start the thread; its first look follows at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; no signal follows."""
        self._poller.read.disconnect(self._take)
        self._poller.is_ending = True
        self._thread.quit()
        self._thread.wait(_END_WITHIN_MS)

    def subscribe(
        self, run_ids: Collection[str], names: Collection[str], *, events: bool = False
    ) -> Subscription:
        """Subscribe to points of series and to messages: first the stored ones, then the new ones."""
        self._numbers += 1
        subscription = Subscription(self._numbers, self)
        subscription.requested.connect(self.wanted)
        subscription.closed.connect(self._drop)
        self._subscriptions[self._numbers] = subscription
        subscription.set(run_ids, names, events=events)
        return subscription

    @Slot(int)
    def _drop(self, number: int) -> None:
        subscription = self._subscriptions.pop(number, None)
        if subscription is not None:
            self.unwanted.emit(number)
            subscription.deleteLater()

    @Slot(object)
    def _take(self, reading: Reading) -> None:
        if reading.runs is not None:
            self._take_runs(reading.runs)
        if reading.slots is not None:
            self.slots = reading.slots
            self.slots_changed.emit(reading.slots)
        if reading.sweeps is not None:
            self.sweeps = reading.sweeps
            self.sweeps_changed.emit(reading.sweeps)
        for number, parts in reading.series.items():
            subscription = self._subscriptions.get(number)
            if subscription is not None:
                subscription.arrived.emit(parts)
        for number, events in reading.events.items():
            subscription = self._subscriptions.get(number)
            if subscription is not None:
                subscription.messages_arrived.emit(events)
        self._poller.is_heard = True

    @Slot(str)
    def _pass_failure(self, text: str) -> None:
        self.failed.emit(text)

    @Slot()
    def _pass_recovery(self) -> None:
        self.recovered.emit()

    def _take_runs(self, change: RunsChange) -> None:
        for row in change.rows:
            self.runs[row.id] = row
        self.configs.update(change.configs)
        for run_id in change.removed:
            for kept in (self.runs, self.configs):
                kept.pop(run_id, None)
        self.has_read = self.has_read or change.is_all
        self.runs_changed.emit(change)
        self._count(change)

    def _count(self, change: RunsChange) -> None:
        for run_id in (*(row.id for row in change.rows), *change.removed):
            self._running.discard(run_id)
            self._queued.discard(run_id)
            self.interrupted.discard(run_id)
        self._running |= {row.id for row in change.rows if row.state.is_live}
        self._queued |= {row.id for row in change.rows if row.state is RunState.QUEUED}
        self.interrupted |= {row.id for row in change.rows if row.state is RunState.INTERRUPTED}
        self.overview_changed.emit(len(self._running), len(self._queued))


class _StorePoller(QObject):
    """Looks at the store, on the watcher's thread; only signals cross to the GUI thread."""

    read = Signal(object)  # Reading
    failed = Signal(str)
    recovered = Signal()

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._reader: StoreReader | None = None
        self._timer: QTimer | None = None
        self._error = ""
        self._requests: dict[int, SeriesRequest] = {}
        self.is_ending = False
        self.is_heard = True  # set by the GUI thread: while it is busy, nothing is read that it must take

    @Slot()
    def begin(self) -> None:
        """Make what belongs to the thread, on the thread, and look at once."""
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.look)
        self.look()

    @Slot(int, object)
    def want(self, number: int, request: SeriesRequest) -> None:
        """Take a new or changed request of a subscription."""
        self._requests[number] = request
        if self._reader is not None:
            self._reader.want(number, request)
            self.look()

    @Slot(int)
    def unwant(self, number: int) -> None:
        """End a subscription, on the thread."""
        self._requests.pop(number, None)
        if self._reader is not None:
            self._reader.unwant(number)

    @Slot()
    def look(self) -> None:
        """Look once, and again after a while."""
        if self.is_ending or self._timer is None:
            return
        if not self.is_heard:
            self._timer.start(LOOK_EVERY_MS)
            return
        wait_ms = LOOK_EVERY_MS
        try:
            reading = self._read()
        except (UserError, *READ_ERRORS) as error:
            wait_ms = _AFTER_ERROR_MS
            self._report(error)
        else:
            if self._error:
                self._error = ""
                self.recovered.emit()
            if reading is not None:
                self.is_heard = False
                self.read.emit(reading)
        has_more = self._reader is not None and self._reader.has_more
        self._timer.start(_MORE_AFTER_MS if has_more and not self._error else wait_ms)

    def _read(self) -> Reading | None:
        if self._reader is None:
            self._reader = StoreReader(self._store.reader)
            for number, request in self._requests.items():
                self._reader.want(number, request)
        return self._reader.look()

    def _report(self, error: Exception) -> None:
        first_line = str(error).partition("\n")[0]
        text = (
            first_line
            if isinstance(error, UserError)
            else f"The database {self._store.workspace.db_path} cannot be read ({first_line});"
            " what is shown may be old, and the window tries again."
        )
        if text != self._error:
            self._error = text
            self.failed.emit(text)

    @Slot()
    def end(self) -> None:
        """Close what belongs to the thread, on the thread."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None
