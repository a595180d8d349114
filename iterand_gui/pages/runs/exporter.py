"""Writes what runs leave: masks, series as CSV, and pruned networks by `iterand export`; one after the other.

Nothing blocks: where to is asked by a dialog that stays beside the work, and what was written is said at the
end, with what was left out or cancelled. A run that cannot be exported is said, and the others go on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from iterand_engine.machine import texts as shown
from iterand_engine.results.mask_export import ExportFormat, export_masks
from iterand_engine.results.series_csv import write_series
from iterand_engine.store import RunRow
from iterand_gui.live.lines import Progress
from iterand_gui.live.tasks import Job
from iterand_gui.session.session import Session
from iterand_gui.widgets.folder import show_folder

_UNSAFE = re.compile(r"[^\w.=+-]+")
_LONGEST_NAME = 60


@dataclass(frozen=True)
class _Kind:
    words: str
    without: str  # why a run has none
    suffix: str
    filter: str


class ExportKind(Enum):
    """What can be written."""

    MASKS = _Kind("masks", "trained without them, or not started", ".masks.npz", "Masks (*.npz)")
    NETWORK = _Kind("pruned network", "not finished", ".safetensors", "Pruned network (*.safetensors)")
    SERIES = _Kind("series", "nothing recorded", ".csv", "Series (*.csv)")


@dataclass(frozen=True)
class _Piece:
    kind: ExportKind
    run_id: str
    out: Path


class Exporter(QObject):
    """One export at a time; what is asked for meanwhile follows it.

    Args:
        session: the window's.
        parent: a widget of the window, above which dialogs open.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._widget = session, parent
        self._waiting: deque[_Piece] = deque()
        self._job: Job | None = None
        self._piece: _Piece | None = None
        self._share = 0.0
        self._written: list[Path] = []
        self._left_out: list[str] = []
        self._cancelled = 0  # files that were asked for
        self._failed = 0
        self._folder = Path.home()

    @property
    def is_running(self) -> bool:
        """Whether something is being written."""
        return self._job is not None

    @property
    def text(self) -> str:
        if self._piece is None:
            return ""
        of = len(self._written) + self._failed + 1 + len(self._waiting)
        which = f" ({len(self._written) + self._failed + 1} of {of})" if of > 1 else ""
        return f"Writing {self._piece.kind.value.words}{which}: {self._piece.out.name}"

    @property
    def share(self) -> float | None:
        """How much is done, 0-1; None where that is not known."""
        done = len(self._written) + self._failed
        of = done + len(self._waiting) + int(self.is_running)
        if of <= 1 and self._share == 0:
            return None
        return (done + self._share) / of if of else None

    def ask(self, kind: ExportKind, rows: Sequence[RunRow], of: int) -> None:
        """Ask where to write: of one run a file, of several a folder.

        Args:
            kind: what.
            rows: the runs that have it.
            of: how many were chosen; that the others are left out is said.
        """
        if len(rows) == 1:
            dialog = QFileDialog(self._widget, f"Write the {kind.value.words} to", str(self._folder))
            dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
            dialog.setNameFilter(kind.value.filter)
            dialog.selectFile(file_name(rows[0], kind))
        else:
            some = f"{len(rows)} of {of}" if of > len(rows) else str(len(rows))
            title = f"Write the {kind.value.words} of {some} runs into"
            dialog = QFileDialog(self._widget, title, str(self._folder))
            dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda path: self.start(kind, rows, Path(path), of))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def start(self, kind: ExportKind, rows: Sequence[RunRow], target: Path, of: int = 0) -> None:
        """Write.

        Args:
            kind, rows, of: as for `ask`.
            target: the file for one run, which is replaced; the folder for several.
        """
        if of > len(rows):
            without, words = of - len(rows), kind.value
            has = "has" if without == 1 else "have"
            self._left_out.append(f"{without} of {of} runs {has} no {words.words} ({words.without})")
        if len(rows) == 1:
            out = target if target.suffix else target.with_name(target.name + kind.value.suffix)
            pieces = [_Piece(kind, rows[0].id, out)]
        else:
            pieces = [_Piece(kind, row.id, target / file_name(row, kind)) for row in rows]
        self._folder = pieces[0].out.parent
        self._waiting.extend(pieces)
        if self._job is None:
            self._next()

    def cancel(self) -> None:
        """Write no more; what is whole stays."""
        if self._job is not None:
            self._cancelled = len(self._written) + self._failed + 1 + len(self._waiting)
            self._waiting.clear()
            self._job.cancel()

    def _next(self) -> None:
        self._job = self._piece = None
        if not self._waiting:
            self._report()
            return
        piece = self._piece = self._waiting.popleft()
        self._share = 0.0
        self._job = self._job_for(piece)
        self._job.progressed.connect(self._progressed)
        self._job.succeeded.connect(self._succeeded)
        self._job.failed.connect(self._one_failed)
        self._job.ended.connect(self._next)
        self.changed.emit()

    def _job_for(self, piece: _Piece) -> Job:
        jobs, workspace, store = self._session.jobs, self._session.workspace, self._session.store
        title = f"Write {piece.kind.value.words}"
        match piece.kind:
            case ExportKind.SERIES:
                return jobs.run(
                    lambda control: write_series(store, piece.run_id, piece.out, control.report), title
                )
            case ExportKind.MASKS:
                return jobs.run(
                    lambda _: export_masks(workspace, store, piece.run_id, piece.out, replace=True), title
                )
            case ExportKind.NETWORK:  # takes torch
                what = ("export", piece.run_id, "--format", ExportFormat.SAFETENSORS)
                return jobs.command((*what, "--out", str(piece.out), "--force"), title)

    def _progressed(self, progress: Progress) -> None:
        self._share = progress.share or 0.0
        self.changed.emit()

    def _succeeded(self, _result: object) -> None:
        assert self._piece is not None  # it just ended
        self._written.append(self._piece.out)

    def _one_failed(self, text: str) -> None:
        self._failed += 1
        self._session.messages.error(text)

    def _report(self) -> None:
        """Say what was written, what was left out, and whether it was cancelled."""
        written, cancelled, left_out = self._written, self._cancelled, self._left_out
        self._written, self._left_out, self._failed, self._cancelled = [], [], 0, 0
        self.changed.emit()
        messages, folder = self._session.messages, self._folder
        if cancelled:
            whole = f"{len(written)} of {shown.counted(cancelled, 'file')} written"
            said = [f"Export cancelled: {whole}{f' in {folder}' if written else ''}", *left_out]
        elif written:
            files = f"{shown.counted(len(written), 'file')} in {folder}"
            said = [f"Written: {written[0] if len(written) == 1 else files}", *left_out]
        else:
            return
        action = ("Open the folder", lambda: show_folder(folder, messages))
        messages.say("; ".join(said), action if written else None)


def file_name(row: RunRow, kind: ExportKind) -> str:
    """A name that distinguishes runs: `conv6-x1-iterand-seed3-1a2b3c4d.csv`."""
    name = _UNSAFE.sub("-", row.name).strip("-.")[:_LONGEST_NAME] or "run"
    return f"{name}-seed{row.seed}-{row.id[:8]}{kind.value.suffix}"
