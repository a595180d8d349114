"""The door for scripts and notebooks: `from iterand_engine import open_workspace`.

Runs with their configurations, series as numpy arrays, masks, and pandas frames where pandas is installed.
Everything is only read, and torch is never imported. See docs/python.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iterand_engine.errors import UserError
from iterand_engine.extensions.active import activated
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import Workspace, find_workspace_dir
from iterand_engine.results.epoch_masks import has_masks, read_epoch, stored_epochs
from iterand_engine.results.filter_fields import find_field
from iterand_engine.results.filters import Filter, find_runs, parse
from iterand_engine.store import Environment, Event, Locked, RunRow, RunState, Series, Store

_TEST_ACCURACY = "test_accuracy"
_STEP = "step"
_COLUMNS = (
    *("id", "name", "state", "dataset", "model", "width_factor", "method", "seed", "step", "epoch"),
    *("val_accuracy", _TEST_ACCURACY, "elapsed_s", "group_key"),
)


def open_workspace(path: Path | str | None = None) -> OpenWorkspace:
    """Open a workspace to read what is recorded in it, also while runs are being trained.

    Args:
        path: its folder; None = ITERAND_WORKSPACE, else the user's data folder.
    Returns:
        The workspace; a context manager.
    Raises:
        UserError: there is no workspace or nothing recorded in it, or its database must be upgraded first.
    """
    workspace = find_workspace_dir(path)
    if not workspace.root.exists():
        raise UserError(f"There is no workspace {workspace.root}: name the folder of one that exists.")
    return OpenWorkspace(workspace, Store.open_to_read(workspace))


class OpenWorkspace:
    """A workspace that is open to be read; made by `open_workspace`."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
        """Take over an open store."""
        self._workspace = workspace
        self._opened: Store | None = store

    def __repr__(self) -> str:
        return f"<workspace {self.root}{'' if self._opened else ', closed'}>"

    def __enter__(self) -> OpenWorkspace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the database back; what was read stays."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    @property
    def root(self) -> Path:
        """Its folder."""
        return self._workspace.root

    @property
    def _store(self) -> Store:
        if self._opened is None:
            raise UserError(f"The workspace {self.root} was closed: open it again, or read before it closes.")
        return self._opened

    def runs(self, where: str = "") -> list[Run]:
        """Runs that meet a filter, newest first, as they stand now.

        Args:
            where: words of the name and conditions such as `width>=0.5 method:iterand` (docs/filters.md);
                nothing means all runs.
        Raises:
            UserError: the filter has an unknown field or a value that does not fit.
        """
        with activated(self._workspace):  # whose arguments are fields too
            wanted = parse(where)
        return [Run(row, config, self) for row, config in find_runs(self._store.reader, wanted)]

    def run(self, name_or_id: str) -> Run:
        """One run, by its id, the beginning of its id, or its name.

        Raises:
            UserError: no run is meant, or several.
        """
        ((row, config),) = find_runs(
            self._store.reader, Filter(), ids=[self._store.reader.resolve(name_or_id)]
        )
        return Run(row, config, self)

    def frame(self, where: str = "", fields: Sequence[str] = _COLUMNS) -> Any:
        """A pandas DataFrame with one row a run, newest first.

        Args:
            where: a filter, as for `runs`.
            fields: its columns: anything that a filter knows, e.g. `width` or `training.lr`, and
                `test_accuracy`, which reads `locked` where the workspace's lock holds it back.
        Raises:
            UserError: pandas is not installed, or the filter or a field is unknown.
        """
        runs, now = self.runs(where), time.time()
        columns: dict[str, list[object]] = {}
        for name in fields:
            if name == _TEST_ACCURACY:
                columns[name] = [*self._test_accuracies([run.id for run in runs])]
            else:
                with activated(self._workspace):
                    wanted = find_field(name)
                columns[name] = [wanted.read(run.row, run.config, now) for run in runs]
        return _data_frame(columns)

    def _test_accuracies(self, run_ids: Sequence[str]) -> list[float | Locked | None]:
        lock = Settings.load(self._workspace).test_lock  # as it is now: it may be set while this is open
        found = self._store.reader.test_accuracies(run_ids, lock=lock)
        return [found.get(run_id) for run_id in run_ids]


@dataclass(frozen=True, repr=False, eq=False)
class Run:
    """One run: its row and configuration as they were when it was looked up; all else is read when asked for.

    `row` has what the properties below leave out, e.g. `row.elapsed_s` or `row.reason`. `config` is the
    complete configuration as nested plain values, e.g. `config["method"]["sparsity"]`.
    """

    row: RunRow
    config: Mapping[str, Any]
    _of: OpenWorkspace

    def __repr__(self) -> str:
        return f"<run {self.id[:8]} {self.name}: {self.state}, step {self.step}>"

    @property
    def id(self) -> str:
        """Its id, a UUID."""
        return self.row.id

    @property
    def name(self) -> str:
        """Its name; several runs may share one."""
        return self.row.name

    @property
    def state(self) -> RunState:
        """How it stood, as people see it: running, stalled, finished, ..."""
        return self.row.state

    @property
    def seed(self) -> int:
        """What everything random in it was drawn from."""
        return self.row.seed

    @property
    def step(self) -> int:
        """Updates done."""
        return self.row.step

    @property
    def epoch(self) -> int:
        """Epochs trained."""
        return self.row.epoch

    @property
    def val_accuracy(self) -> float | None:
        """On the validation images after the last epoch so far, 0-1; None where none was evaluated."""
        return self.row.accuracy_so_far

    @property
    def test_accuracy(self) -> float | Locked | None:
        """On the test images, 0-1; None before the end, `locked` where the workspace's lock holds it back."""
        return self._of._test_accuracies([self.id])[0]

    @property
    def series_names(self) -> tuple[str, ...]:
        """The series that it has, in the order declared."""
        return tuple(info.name for info in self._of._store.reader.series_list(self.id))

    @property
    def events(self) -> list[Event]:
        """Its messages in the order written."""
        return self._of._store.reader.events(self.id)

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Platform, packages, device and threads of each start, oldest first."""
        return self._of._store.reader.run(self.id).environments

    @property
    def folder(self) -> Path:
        """Where its files are: log, masks, network."""
        return self._of._workspace.run_dir(self.id)

    @property
    def mask_epochs(self) -> list[int]:
        """Epochs whose masks are stored, ascending; 0 is before training. Empty for a run without masks."""
        return stored_epochs(self.folder / "masks")

    def series(self, name: str) -> Series:
        """One series, whole: `steps` int64 (n,), `values` float32 (n,), or (n, len(layers)) with `layers`.

        Raises:
            UserError: it has no such series.
        """
        return self._of._store.reader.series(self.id, name)

    def mask(self, epoch: int | None = None) -> dict[str, NDArray[np.bool_]]:
        """The masks of one epoch by parameter name, True where the weight is kept, in the weight's shape.

        Args:
            epoch: epochs trained, 0 is before training; None = the last that is stored.
        Raises:
            UserError: there are no masks, or none of this epoch.
        """
        if not (stored := self.mask_epochs):
            with activated(self._of._workspace):
                never = has_masks(self._of._workspace, self.row) is False
            why = f"it is {self.row.method}, which trains without" if never else "it has not begun to train"
            raise UserError(f"Run {self.id} has no masks: {why}.")
        masks = read_epoch(self.folder / "masks", stored[-1] if epoch is None else epoch)
        return {name: mask.kept for name, mask in masks.layers.items()}

    def frame(self, names: Sequence[str] | None = None) -> Any:
        """A pandas DataFrame of series side by side, with a column `step`; NaN where one has no point.

        Args:
            names: the series; one with layers gives a column `name[layer]` for each. None = all that have
                one value a point, but for those that follow the clock.
        Raises:
            UserError: pandas is not installed, or there is no such series.
        """
        if names is None:
            known = self._of._store.reader.series_list(self.id)
            names = [info.name for info in known if info.layers is None and info.axis != "clock"]
        return _data_frame(_aligned([self.series(name) for name in names]))


def _data_frame(columns: Mapping[str, object]) -> Any:
    """A pandas DataFrame of columns by name.

    Raises:
        UserError: pandas is not installed.
    """
    try:
        pandas = import_module("pandas")
    except ModuleNotFoundError as error:
        if error.name != "pandas":  # pandas is there, but something that it needs is not
            raise
        raise UserError(
            "Frames need pandas, which is not installed: install it (`pip install pandas`), or use"
            " run.series(name), which gives numpy arrays."
        ) from None
    return pandas.DataFrame(dict(columns))


def _aligned(recorded: Sequence[Series]) -> dict[str, NDArray[Any]]:
    """Lay series side by side over all their steps.

    Args:
        recorded: the series; of points at one step, which only clock series have, the last one stands.
    Returns:
        `step` int64 (n,), ascending, and by series name float32 (n,), NaN where the series has no point; a
        series with layers gives a column `name[layer]` for each.
    """
    steps = np.unique(np.concatenate([np.empty(0, np.int64), *(series.steps for series in recorded)]))
    columns: dict[str, NDArray[Any]] = {_STEP: steps}
    for series in recorded:
        at = np.searchsorted(steps, series.steps)
        names = [series.name] if series.layers is None else [f"{series.name}[{n}]" for n in series.layers]
        for name, values in zip(names, series.values.reshape(len(at), len(names)).T, strict=True):
            columns[name] = np.full(len(steps), np.nan, np.float32)
            columns[name][at] = values
    return columns
