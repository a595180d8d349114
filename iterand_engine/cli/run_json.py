"""The JSON that `runs`, `show` and `queue` print with `--json`: a contract, so names are only ever added.

NaN and absent values are both null. Under the test lock `test_accuracy` is null and `test_locked` true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from iterand_engine.store import EndKind, Locked, RunDetail, RunRow

SCHEMA_VERSION = 1
TestAccuracy = float | Locked | None


class _Json(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null")


class RunEntry(_Json):
    """One run in a list. Times are seconds since 1970, accuracies shares 0-1."""

    id: str
    name: str
    state: str
    step: int
    epoch: int
    total_steps: int | None
    dataset: str
    model: str
    width_factor: float
    method: str
    seed: int
    group_key: str
    fingerprint: str | None
    precision: str
    device_kind: str
    val_accuracy: float | None
    test_accuracy: float | None
    test_locked: bool
    created_at: float
    started_at: float | None
    ended_at: float | None
    elapsed_s: float
    end_kind: EndKind | None
    reason: str | None
    tags: tuple[str, ...]
    sweeps: tuple[str, ...]

    @classmethod
    def of(
        cls,
        row: RunRow,
        test: TestAccuracy,
        sweeps: Sequence[str] = (),
    ) -> RunEntry:
        """Make the entry of a row, with accuracies as the lock permits, and the ids of its sweeps."""
        own = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        accuracies = {"val_accuracy": row.accuracy_so_far, "test_accuracy": _number(test)}
        return cls(**(own | accuracies), sweeps=tuple(sweeps), test_locked=isinstance(test, Locked))


class RunList(_Json):
    """`iterand runs --json`, newest first."""

    schema_version: int = SCHEMA_VERSION
    runs: list[RunEntry]


class QueueList(_Json):
    """`iterand queue --json`, the next run first; `waits` says why it is not being trained yet."""

    schema_version: int = SCHEMA_VERSION
    runs: list[RunEntry]
    waits: str | None


class Results(_Json):
    """What came out, as shares 0-1: on the validation images after the last epoch, on the test images."""

    val_accuracy: float | None
    test_accuracy: float | None
    test_locked: bool


class RunDocument(_Json):
    """The document that `iterand show --json` prints."""

    schema_version: int = SCHEMA_VERSION
    id: str
    name: str
    state: str
    step: int
    epoch: int
    total_steps: int | None
    config: Mapping[str, object]
    results: Results
    series: dict[str, float]
    group_key: str
    fingerprint: str | None
    final_digest: str | None
    end_kind: EndKind | None
    reason: str | None
    elapsed_s: float
    environments: list[Mapping[str, object]]
    tags: tuple[str, ...]
    notes: str
    sweeps: tuple[str, ...]
    waits: str | None

    @classmethod
    def of(
        cls,
        detail: RunDetail,
        test: TestAccuracy,
        last_values: dict[str, float],
        *,
        sweeps: Sequence[str],
        waits: str | None,
    ) -> RunDocument:
        """Make the document of a run.

        Args:
            detail: the run.
            test: its test accuracy as the lock permits.
            last_values: the newest value of each series.
            sweeps: ids of the sweeps that it belongs to.
            waits: why it is not being trained yet, if it is queued.
        """
        locked = isinstance(test, Locked)
        results = Results(
            val_accuracy=detail.accuracy_so_far, test_accuracy=_number(test), test_locked=locked
        )
        return cls(
            id=detail.id,
            name=detail.name,
            state=detail.state,
            step=detail.step,
            epoch=detail.epoch,
            total_steps=detail.total_steps,
            config=detail.config,
            results=results,
            series=last_values,
            group_key=detail.group_key,
            fingerprint=detail.fingerprint,
            final_digest=detail.final_digest,
            end_kind=detail.end_kind,
            reason=detail.reason,
            elapsed_s=detail.elapsed_s,
            environments=[start.snapshot for start in detail.environments],
            tags=detail.tags,
            notes=detail.notes,
            sweeps=tuple(sweeps),
            waits=waits,
        )


def _number(test: TestAccuracy) -> float | None:
    return None if isinstance(test, Locked) else test
