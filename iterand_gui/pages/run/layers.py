"""The Layers tab: a table of the layers as they stand, and how one quantity of each went over time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from iterand_engine.config.metrics import CLOCK
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.results.epoch_masks import has_masks
from iterand_engine.store import RunRow, RunState, Series
from iterand_gui.live.store_watcher import Subscription
from iterand_gui.live.tasks import Control
from iterand_gui.look import theme
from iterand_gui.pages.run.layer_data import (
    CHANCE,
    FLIPS,
    QUANTITIES,
    REDRAWN,
    REVIVED,
    SERIES,
    LayerBook,
    LayerSize,
    read_sizes,
)
from iterand_gui.pages.run.layer_table import LayerLine, LayerTable
from iterand_gui.pages.run.positions import RunClock
from iterand_gui.pages.run.tab import RunTab
from iterand_gui.plots.heat.area import HeatData
from iterand_gui.plots.heat.heatmap import Heatmap
from iterand_gui.plots.link import PlotLink
from iterand_gui.plots.x_axis import Positions
from iterand_gui.session.command import Command, Json
from iterand_gui.session.session import Session
from iterand_gui.widgets.empty_state import EmptyState

_TOPIC = "layers of a run"


class LayersTab(RunTab):
    """Layers of the current run."""

    key = "layers"
    title = "&Layers"

    def __init__(self, session: Session, link: PlotLink, parent: QWidget) -> None:
        super().__init__(session, parent)
        self._subscription: Subscription | None = None
        self._book, self._clock = LayerBook(), RunClock()
        self._sizes: dict[str, LayerSize] = {}
        self._sizes_epoch = -1  # when they were read last
        self._reads_sizes_of = ""  # the run whose sizes are being read
        self._asks_probe = False
        self._is_split = self._was_moved = (
            False  # whether table and picture share the room, as a person likes
        )
        self.table = LayerTable(self)
        self.heatmap = Heatmap("Over time", QUANTITIES, link, self)
        self._note = QLabel(self)
        self._note.setTextFormat(theme.PLAIN)
        self._note.setWordWrap(True)
        self._note.hide()
        self._empty = EmptyState("sweep", self)
        self._split = QSplitter(Qt.Orientation.Vertical, self)
        self._stack = QStackedWidget(self)
        self._lay_out()
        self._split.splitterMoved.connect(self._note_moved)
        self.table.chosen.connect(self.heatmap.choose_row)
        self.heatmap.row_chosen.connect(self.table.choose)
        self.heatmap.quantity_chosen.connect(self._show_heat)
        self.heatmap.saved.connect(self._saved)
        self.heatmap.failed.connect(session.messages.error)

    # One run.

    def enter(self, row: RunRow) -> None:
        """Subscribe, and read the sizes of the layers."""
        if not self._book.layers:
            self._stack.setCurrentWidget(self._empty)
            self._say_empty(row)
        if self._has_no_masks(row):
            return
        self._subscription = self.session.watcher.subscribe([row.id], [CLOCK, *SERIES])
        self._subscription.arrived.connect(self._take)
        self._read_sizes(row)

    def leave(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        if self._asks_probe:
            self._listen_to_probe(False)

    def forget(self) -> None:
        self._book, self._clock = LayerBook(), RunClock()
        self._sizes, self._sizes_epoch = {}, -1
        self._note.hide()
        self.table.show_lines(())
        self.heatmap.choose_row(None)
        self.heatmap.show_data(None, Positions())
        self.heatmap.link.report_extent(self.heatmap, None)

    def run_changed(self, row: RunRow) -> None:
        """Masks are written at the end of each epoch."""
        if self._has_no_masks(row):
            return
        if not self._book.layers:
            self._say_empty(row)
        if row.epoch > self._sizes_epoch:
            self._read_sizes(row)

    def _has_no_masks(self, row: RunRow) -> bool:
        return has_masks(self.session.workspace, row) is False

    def _say_empty(self, row: RunRow) -> None:
        if self._has_no_masks(row):
            said = (
                f"A {row.method} run trains without masks; "
                "runs of methods with masks, such as iterand, have layers to show."
            )
            self._empty.say("This run has no masks", said)
        elif row.state is RunState.QUEUED:
            self._empty.say(
                "Nothing recorded yet", "The run waits in the queue; layers come with its first step."
            )
        elif row.state.is_live:
            self._empty.say("Nothing recorded yet", "Layers come with the first look at the masks.")
        else:
            self._empty.say("Nothing was recorded", "The run ended before its first look at the masks.")

    def _take(self, parts: tuple[Series, ...]) -> None:
        row = self.row
        if row is None:
            return
        changed: dict[str, int] = {}
        for part in parts:
            if part.name == CLOCK:
                self._clock.take(part)
            else:
                self._book.take(part)
                changed[part.name] = part.first
        if self._book.layers:
            self._stack.setCurrentWidget(self._split)
            self._show_lines()
            self._share_room()
            series = self._book.series_of(self.heatmap.quantity.key)
            same = len(self._book.rows(series).steps) if CHANCE not in changed else 0
            self._show_heat(changed=changed.get(series, same))

    def _share_room(self) -> None:
        """The table gets what its lines need, up to half, unless a person moved the split."""
        if self._is_split:
            return
        self._is_split = True
        half, needed = self._split.height() // 2, theme.ROW_PX * (len(self._book.layers) + 1) + theme.SPACE_S
        self._split.setSizes([min(half, needed), self._split.height() - min(half, needed)])

    def _show_lines(self) -> None:
        book = self._book
        flips, distance = book.latest(FLIPS), book.over_chance
        redrawn, revived = book.total(REDRAWN), book.latest(REVIVED)
        self.table.show_lines(
            [
                LayerLine(
                    book.labels[number],
                    number,
                    *_weights_and_kept(self._sizes.get(name)),
                    *(float(column[number]) for column in (flips, distance, redrawn, revived)),
                )
                for number, name in enumerate(book.layers)
            ]
        )

    def _show_heat(self, _key: str = "", *, changed: int = 0) -> None:
        row, chosen = self.row, self.heatmap.quantity
        if row is None or not self._book.layers:
            return
        steps, values = self._book.quantity(chosen.key, self._sizes)
        positions = self._clock.positions(row, self.config)
        self.heatmap.say_empty(f"No {chosen.name.lower()} recorded yet.")
        self.heatmap.show_data(HeatData(self._book.labels, steps, values, chosen.unit), positions, changed)

    # Sizes of the layers: from the masks on disk, or else, as they may have been deleted, from the probe.

    def _read_sizes(self, row: RunRow) -> None:
        workspace, run_id = self.session.workspace, row.id
        if self._reads_sizes_of == run_id:
            return
        self._reads_sizes_of, self._sizes_epoch = run_id, row.epoch

        def work(_: Control) -> tuple[str, dict[str, LayerSize]]:
            return run_id, read_sizes(workspace, run_id)

        job = self.session.readings.run(work, "Read the masks")
        job.succeeded.connect(self._take_sizes)
        job.failed.connect(self._say_note)
        job.ended.connect(self._sizes_read)

    def _sizes_read(self) -> None:
        self._reads_sizes_of = ""

    def _take_sizes(self, found: tuple[str, dict[str, LayerSize]]) -> None:
        run_id, sizes = found
        row = self.row
        if row is None or row.id != run_id:
            return
        if sizes:
            self._show_sizes(sizes)
        elif row.state.is_live:
            self._sizes_epoch = -1  # they will be there in a moment
        elif row.step and self._subscription is not None:
            self._ask_probe()

    def _show_sizes(self, sizes: dict[str, LayerSize]) -> None:
        if sizes != self._sizes:
            self._sizes = sizes
            self._show_lines()
            self._show_heat()

    def _ask_probe(self) -> None:
        try:
            config = RunConfig.from_mapping(self.config)
        except UserError as error:
            self._say_note(f"Weights of the layers are not known: {error}")
            return
        self._listen_to_probe(True)
        self.session.probe.ask(config, _TOPIC)

    def _listen_to_probe(self, listen: bool) -> None:
        probe = self.session.probe
        self._asks_probe = listen
        if listen:
            probe.answered.connect(self._probe_answered)
            probe.failed.connect(self._probe_failed)
        else:
            probe.answered.disconnect(self._probe_answered)
            probe.failed.disconnect(self._probe_failed)
            probe.forget(_TOPIC)

    def _probe_answered(self, topic: str, answer: object) -> None:
        layers = getattr(answer, "layers", ())
        if topic == _TOPIC:
            self._listen_to_probe(False)
            self._show_sizes({layer.name: LayerSize(layer.weights, layer.kept) for layer in layers})

    def _probe_failed(self, topic: str, sentence: str) -> None:
        if topic == _TOPIC:
            self._listen_to_probe(False)
            self._say_note(f"Weights of the layers are not known: {sentence}")

    def _say_note(self, text: str) -> None:
        self._note.setText(text)
        self._note.show()

    # The rest.

    def _lay_out(self) -> None:
        self._split.addWidget(self.table)
        self._split.addWidget(self.heatmap)
        self._split.setChildrenCollapsible(False)
        self._split.setHandleWidth(theme.SPACE_S)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._split)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.SPACE_M, theme.SPACE_M, theme.SPACE_M, theme.SPACE_M)
        column.setSpacing(theme.SPACE_S)
        column.addWidget(self._note)
        column.addWidget(self._stack, 1)

    def _note_moved(self) -> None:
        self._was_moved = True

    def _saved(self, path: str) -> None:
        self.session.messages.say(f"Saved {path}")

    def commands(self) -> list[Command]:
        """The picture as a table."""
        return [Command("Show layers over time as a table", self.heatmap.table_action.toggle)]

    def save_state(self) -> Json:
        """The quantity, the sorting, the split."""
        column, descending = self.table.sorting
        return {
            "quantity": self.heatmap.quantity.key,
            "log": self.heatmap.log,
            "sort": [column, descending],
            "split": self._split.sizes() if self._was_moved else [],
        }

    def restore_state(self, state: Mapping[str, object]) -> None:
        quantity, sort, split = state.get("quantity"), state.get("sort"), state.get("split")
        self.heatmap.choose_quantity(quantity if isinstance(quantity, str) else QUANTITIES[0].key)
        self.heatmap.set_log(state.get("log") is True)
        match sort:
            case [int(column), bool(descending)]:
                self.table.sort_by(column, descending=descending)
            case _:
                self.table.sort_by(0, descending=False)
        if isinstance(split, list) and len(split) == 2 and all(isinstance(size, int) for size in split):
            self._split.setSizes(split)
            self._is_split = self._was_moved = True
        else:
            self._is_split = self._was_moved = False
            if self._book.layers:
                self._share_room()


def _weights_and_kept(size: LayerSize | None) -> tuple[float, float]:
    if size is None:
        return math.nan, math.nan
    kept = math.nan if size.kept is None or not size.weights else size.kept / size.weights
    return float(size.weights), kept
