"""The runs that a person has chosen in the table, and what can be done with them as they stand. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from iterand_engine.results.groups import Group
from iterand_engine.store import RunRow, RunState, SweepRow


@dataclass(frozen=True)
class Chosen:
    """Chosen lines. `group` or `sweep` is set where just one line is chosen that is one.

    `rows` are the runs of all lines, those of the line chosen last behind the others, its newest run last.
    `has_masks` says of a run what `epoch_masks.has_masks` does.
    """

    lines: int = 0
    rows: tuple[RunRow, ...] = ()
    group: Group | None = None
    sweep: SweepRow | None = None
    has_masks: Callable[[RunRow], bool | None] = field(default=lambda _: None, compare=False)

    @property
    def current(self) -> RunRow | None:
        """The run that stands for all where only one can be meant."""
        return self.rows[-1] if self.rows else None

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows)

    @cached_property
    def resumable(self) -> tuple[str, ...]:
        """Runs that can go on."""
        return self._where(lambda row: row.state.is_resumable)

    @cached_property
    def stoppable(self) -> tuple[str, ...]:
        """Runs that are trained or wait for that, and were not asked to stop yet."""
        return self._where(
            lambda row: (
                row.state is RunState.QUEUED or (row.state.is_live and row.state is not RunState.STOPPING)
            )
        )

    @cached_property
    def queued(self) -> tuple[str, ...]:
        return self._where(lambda row: row.state is RunState.QUEUED)

    @cached_property
    def is_deletable(self) -> bool:
        """Whether all of them can go to the trash: none is being trained."""
        return bool(self.rows) and not any(row.state.is_live for row in self.rows)

    @cached_property
    def with_masks(self) -> tuple[RunRow, ...]:
        """Runs that keep masks of some epoch."""
        return tuple(
            row for row in self.rows if row.started_at is not None and self.has_masks(row) is not False
        )

    @cached_property
    def with_network(self) -> tuple[RunRow, ...]:
        """Runs whose network can be exported."""
        return tuple(row for row in self.rows if row.state is RunState.FINISHED)

    @cached_property
    def with_series(self) -> tuple[RunRow, ...]:
        """Runs that have recorded something."""
        return tuple(row for row in self.rows if row.step)

    def _where(self, is_so: Callable[[RunRow], bool]) -> tuple[str, ...]:
        return tuple(row.id for row in self.rows if is_so(row))
