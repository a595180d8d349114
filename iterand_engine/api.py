"""The door for scripts and notebooks: `from iterand_engine import open_workspace`.

Runs with their configurations, series as numpy arrays, masks, and pandas frames where pandas is installed.
This module only reads, and never imports torch. See docs/python.md.
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
from iterand_engine.machine.workspace import Workspace, existing_workspace_dir
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
    workspace = existing_workspace_dir(path)
    return OpenWorkspace(workspace, Store.open_to_read(workspace))


class OpenWorkspace:
    """A workspace that is open for reading; `open_workspace` makes it."""

    def __init__(self, workspace: Workspace, store: Store) -> None:
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
        """Close the database; values that were read before stay valid."""
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
        with activated(self._workspace):  # the arguments of its extensions are fields too
            wanted = parse(where)
        return [Run(row, config, self) for row, config in find_runs(self._store.reader, wanted)]

    def run(self, name_or_id: str) -> Run:
        """One run, by its id, the beginning of its id, or its name.

        Raises:
            UserError: the text names no run, or several.
        """
        ((row, config),) = find_runs(
            self._store.reader, Filter(), ids=[self._store.reader.resolve(name_or_id)]
        )
        return Run(row, config, self)

    def frame(self, where: str = "", fields: Sequence[str] = _COLUMNS) -> Any:
        """Return a pandas DataFrame with one row per run, newest first.

        Args:
            where: a filter, as for `runs`.
            fields: its columns: every field of a filter, e.g. `width` or `training.lr`, and
                `test_accuracy`, which reads `locked` while the workspace's lock withholds it.
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
    """One run: `row` and `config` are as they were at the look-up; everything else is read on request.

    `row` has the values without a property of their own, e.g. `row.elapsed_s` or `row.reason`. `config` is
    the complete configuration as nested plain values, e.g. `config["method"]["sparsity"]`.
    """

    row: RunRow
    config: Mapping[str, Any]
    _of: OpenWorkspace

    def __repr__(self) -> str:
        return f"<run {self.id[:8]} {self.name}: {self.state}, step {self.step}>"

    @property
    def id(self) -> str:
        """The run's id, a UUID in lower case."""
        return self.row.id

    @property
    def name(self) -> str:
        """The run's name; several runs may share one."""
        return self.row.name

    @property
    def state(self) -> RunState:
        """The state at the look-up: running, stalled, finished, ..."""
        return self.row.state

    @property
    def seed(self) -> int:
        """The seed of every random draw of the run."""
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
        """Accuracy on the validation images after the last epoch so far, 0-1; None before the first."""
        return self.row.accuracy_so_far

    @property
    def test_accuracy(self) -> float | Locked | None:
        """Accuracy on the test images, 0-1; None before the end, `locked` while the lock withholds it."""
        return self._of._test_accuracies([self.id])[0]

    @property
    def series_names(self) -> tuple[str, ...]:
        """Names of the series that the run recorded, in the order declared."""
        return tuple(info.name for info in self._of._store.reader.series_list(self.id))

    @property
    def events(self) -> list[Event]:
        """The run's messages in the order written."""
        return self._of._store.reader.events(self.id)

    @property
    def environments(self) -> tuple[Environment, ...]:
        """Platform, packages, device and threads of each start of the run, oldest first."""
        return self._of._store.reader.run(self.id).environments

    @property
    def folder(self) -> Path:
        """The folder of the run's files: log, masks, network."""
        return self._of._workspace.run_dir(self.id)

    @property
    def mask_epochs(self) -> list[int]:
        """The epochs with stored masks, ascending; 0 is before training. Empty for a run without masks."""
        return stored_epochs(self.folder / "masks")

    def series(self, name: str) -> Series:
        """Read a whole series: `steps` int64 (n,), `values` float32 (n,), or (n, len(layers)) with `layers`.

        Raises:
            UserError: the run has no such series.
        """
        return self._of._store.reader.series(self.id, name)

    def mask(self, epoch: int | None = None) -> dict[str, NDArray[np.bool_]]:
        """Read the masks of one epoch by parameter name: bool in the weight's shape, True where it is kept.

        Args:
            epoch: epochs trained, 0 is before training; None = the last one with stored masks.
        Raises:
            UserError: the run has no masks, or none of this epoch.
        """
        if not (stored := self.mask_epochs):
            with activated(self._of._workspace):
                never = has_masks(self._of._workspace, self.row) is False
            why = f"it is {self.row.method}, which trains without" if never else "it has not begun to train"
            raise UserError(f"Run {self.id} has no masks: {why}.")
        masks = read_epoch(self.folder / "masks", stored[-1] if epoch is None else epoch)
        return {name: mask.kept for name, mask in masks.layers.items()}

    def frame(self, names: Sequence[str] | None = None) -> Any:
        """Return a pandas DataFrame of series side by side, with a column `step`; NaN for a missing point.

        Args:
            names: the series; one with layers gives a column `name[layer]` for each. None = every series
                with one value per point, except those that follow the clock.
        Raises:
            UserError: pandas is not installed, or the run has no such series.
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
    """Align series over the union of their steps.

    Args:
        recorded: the series; of several points at one step, which only clock series have, the last counts.
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
