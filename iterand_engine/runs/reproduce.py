"""Train a recorded run again in a temporary workspace, and compare what the two recorded, bit for bit.

It compares all series but those of the clock and the seconds of an epoch, and the final digest if both runs
finished. Limits: bit-identity holds for the same machine, packages, precision, threads and memory layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from iterand_engine.config.metrics import Unit, metric_of
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import run_code
from iterand_engine.machine.devices import list_devices
from iterand_engine.machine.environment import differences
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace, open_workspace_dir
from iterand_engine.results.groups import is_same_experiment
from iterand_engine.runs.group_key import refuse_changed
from iterand_engine.runs.make import make_run
from iterand_engine.runs.train import work
from iterand_engine.store import RunDetail, RunState, Series, SeriesInfo, Store
from iterand_engine.store.runs import claim_run
from iterand_engine.training.hooks import Hooks, TrainingProgress


@dataclass(frozen=True)
class Difference:
    """The first difference of two runs: step, series and its two values (None where a point is missing)."""

    step: int
    series: str
    original: float | None
    repeated: float | None

    def __str__(self) -> str:
        def shown(value: float | None) -> str:
            return "nothing" if value is None else f"{value:.9g}"

        return f"step {self.step}, series {self.series}: {shown(self.original)} / {shown(self.repeated)}"


@dataclass(frozen=True)
class Reproduction:
    """The result of training a run again.

    Args:
        steps: how many were compared, from the first on.
        difference: the first one in the series; None where all are equal.
        digests_differ: both finished with equal series, but with different networks.
        environments: the points in which the two environments differ, as original / repeated.
        was_stopped: the second training was stopped before it had done all steps.
        notes: other explanations of a difference, as sentences.
    """

    steps: int
    difference: Difference | None
    digests_differ: bool
    environments: tuple[str, ...]
    was_stopped: bool
    notes: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether series and digests are equal."""
        return self.difference is None and not self.digests_differ


def reproduce_run(
    workspace: Workspace,
    store: Store,
    run_id: str,
    *,
    steps: int | None = None,
    around: Hooks | None = None,
) -> Reproduction:
    """Train a run again, with the threads, precision and memory format of its first start, and compare.

    Args:
        workspace, store: the run's; they are only read.
        run_id: the run's id.
        steps: the most to train; by default as many as the run did.
        around: shows progress; its `should_stop` ends the training early, so fewer steps are compared.
    Raises:
        UserError: the run has done no step yet, or cannot be trained here.
    """
    original = store.reader.run(run_id)
    limit = min(original.step, original.step if steps is None else steps)
    if limit < 1:
        raise UserError(
            f"There is nothing to compare: run {run_id} did {original.step} steps, and {limit} were asked "
            "for; name a run that was trained, and at least 1 step."
        )
    with (
        TemporaryDirectory(prefix="iterand-reproduce-") as folder,
        run_code(workspace, run_id, original.extensions),
    ):
        place = open_workspace_dir(Path(folder))
        roots = data_roots(workspace, Settings.load(workspace))
        Settings(data_roots=tuple(roots)).save(place)
        with Store.open(place) as other:
            again = make_run(place, other, _repeated_config(original))
            work(place, other, again, claim_run(other, again), _Until(limit, around or Hooks()))
            return compare(store, original, other, other.reader.run(again), limit)


def _repeated_config(original: RunDetail) -> RunConfig:
    """Give a run's configuration with device, threads and the like fixed as at its first start."""
    config = RunConfig.from_mapping(original.config)
    refuse_changed(original, config)
    if not original.environments:
        raise UserError(f"Run {original.id} was never started, so there is nothing to compare.")
    first = original.environments[0].snapshot
    device_id = str(first.get("device_id", ""))
    is_here = any(device.id == device_id for device in list_devices())
    fixed: dict[str, object] = {"device": device_id if is_here else original.device_kind}
    if config.compute.threads == "auto" and "threads" in first:
        fixed["threads"] = int(str(first["threads"]))
    return config.model_copy(update={"compute": config.compute.model_copy(update=fixed)})


def compare(store: Store, original: RunDetail, other: Store, repeated: RunDetail, limit: int) -> Reproduction:
    """Compare two runs that should be equal.

    Args:
        store, original: the run that was recorded.
        other, repeated: the one that was trained again.
        limit: steps to compare, at most.
    """
    steps = min(limit, repeated.step)
    difference = first_difference(store, original.id, other, repeated.id, steps)
    both_finished = original.state is repeated.state is RunState.FINISHED
    notes = []
    if not is_same_experiment(original, repeated):
        notes.append("the content of the dataset, or the meaning of the options, is not what it was")
    return Reproduction(
        steps=steps,
        difference=difference,
        digests_differ=both_finished and original.final_digest != repeated.final_digest,
        environments=tuple(differences(original.environments[0].snapshot, repeated.environments[0].snapshot)),
        was_stopped=steps < limit and repeated.state is RunState.STOPPED,
        notes=tuple(notes),
    )


def first_difference(store: Store, run_id: str, other: Store, other_id: str, steps: int) -> Difference | None:
    """Find the earliest difference of two runs in their first steps; at one step, that declared first.

    An epoch's point at the very last step may be missing: a run can end between the step and the evaluation.
    """
    ours, theirs = _compared(store, run_id), _compared(other, other_id)
    found: list[Difference] = []
    for name, axis in (ours | theirs).items():
        one = _read(store, run_id, name, steps) if name in ours else None
        two = _read(other, other_id, name, steps) if name in theirs else None
        difference = _difference(name, one, two)
        is_ragged = axis == "epoch" and difference is not None and difference.step == steps - 1
        if difference is not None and not (is_ragged and None in (difference.original, difference.repeated)):
            found.append(difference)
    return min(found, key=lambda difference: difference.step, default=None)


def _compared(store: Store, run_id: str) -> dict[str, str]:
    """The axis by name of the series that must be equal."""

    def repeats(info: SeriesInfo) -> bool:
        return info.axis != "clock" and metric_of(info.name).unit is not Unit.SECONDS

    return {info.name: info.axis for info in store.reader.series_list(run_id) if repeats(info)}


@dataclass(frozen=True)
class _Points:
    """The points of a series below some step: steps (n,), values (n, layers or 1)."""

    steps: NDArray[np.int64]
    values: NDArray[np.float32]
    layers: tuple[str, ...] | None


def _read(store: Store, run_id: str, name: str, steps: int) -> _Points:
    series: Series = store.reader.series(run_id, name)
    count = int(np.searchsorted(series.steps, steps))
    width = 1 if series.layers is None else len(series.layers)
    values = np.ascontiguousarray(series.values[:count], dtype=np.float32).reshape(count, width)
    return _Points(series.steps[:count], values, series.layers)


def _difference(name: str, one: _Points | None, two: _Points | None) -> Difference | None:
    empty = _Points(np.empty(0, np.int64), np.empty((0, 1), np.float32), None)
    first, second = one or empty, two or empty
    if one is not None and two is not None and one.layers != two.layers:
        return Difference(0, f"{name} (its layers)", None, None)
    common = min(len(first.steps), len(second.steps))
    unlike = first.steps[:common] != second.steps[:common]
    # As integers, so that NaN equals NaN and 0 differs from -0.
    bits = first.values[:common].view(np.int32) != second.values[:common].view(np.int32)
    rows = np.flatnonzero(unlike | bits.any(axis=1))
    if len(rows):
        return _at(name, first, second, int(rows[0]), bits)
    if len(first.steps) == len(second.steps):
        return None
    longer = first if len(first.steps) > common else second
    return _missing(name, longer, common, is_original=longer is first)


def _at(name: str, first: _Points, second: _Points, row: int, bits: NDArray[np.bool_]) -> Difference:
    if first.steps[row] < second.steps[row]:
        return _missing(name, first, row, is_original=True)
    if second.steps[row] < first.steps[row]:
        return _missing(name, second, row, is_original=False)
    column = int(np.flatnonzero(bits[row])[0])
    layer = f" ({first.layers[column]})" if first.layers else ""
    values = float(first.values[row, column]), float(second.values[row, column])
    return Difference(int(first.steps[row]), name + layer, *values)


def _missing(name: str, points: _Points, row: int, *, is_original: bool) -> Difference:
    value = float(points.values[row, 0])
    pair = (value, None) if is_original else (None, value)
    return Difference(int(points.steps[row]), name, *pair)


class _Until(Hooks):
    """Shows what other hooks show, and stops after some steps, or when those do."""

    def __init__(self, limit: int, around: Hooks) -> None:
        self._limit, self._around = limit, around

    def on_progress(self, progress: TrainingProgress) -> None:
        self._around.on_progress(progress)

    def note(self, text: str) -> None:
        self._around.note(text)

    def should_stop(self, step: int) -> bool:
        return step >= self._limit or self._around.should_stop(step)
