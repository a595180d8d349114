"""The runs of a sweep as a grid: a cell for each combination of values, with its seeds folded.

A cell is a group (see `groups`) of the runs whose options have the values of its place. A run that lacks an
option, because its method does not have it, is in every place along that axis. Torch-free.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from iterand_engine.config.axes import SEED
from iterand_engine.results.differences import ABSENT, short_names, value_of, value_text
from iterand_engine.results.groups import Group, group_of
from iterand_engine.store import RunRow
from iterand_engine.store.records import Json

CellPlace = tuple[int, ...]  # an index for each axis


@dataclass(frozen=True)
class GridAxis:
    """One option of a sweep: its dotted key, a short name, and its values with their texts."""

    option: str
    name: str
    values: tuple[object, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A sweep as a grid: `cells` by place; `outside` has the runs with a value that is on no axis."""

    axes: tuple[GridAxis, ...]
    cells: Mapping[CellPlace, Group]
    outside: tuple[RunRow, ...]

    @property
    def shape(self) -> CellPlace:
        """The number of values of each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    def missing(self) -> list[CellPlace]:
        """List the places without a run, row by row."""
        places = itertools.product(*(range(count) for count in self.shape))
        return [place for place in places if place not in self.cells]


def grid_of(axes: Mapping[str, Sequence[object]], runs: Iterable[tuple[RunRow, Json]]) -> Grid:
    """Sort the runs of a sweep into a grid.

    Args:
        axes: the sweep's values by dotted option, in order; the seed is no axis of the grid.
        runs: its runs with their configurations, the newest first.
    """
    options = [option for option in axes if option != SEED]
    names = short_names(options)
    indexes = [_Index(option, axes[option]) for option in options]
    members: dict[CellPlace, list[RunRow]] = {}
    outside: list[RunRow] = []
    for row, config in runs:
        along = [index.along(config) for index in indexes]
        if not all(along):
            outside.append(row)
        for place in itertools.product(*along):
            members.setdefault(place, []).append(row)
    return Grid(
        tuple(_axis(option, names[option], axes[option]) for option in options),
        _folded(members),
        tuple(outside),
    )


def _axis(option: str, name: str, values: Sequence[object]) -> GridAxis:
    return GridAxis(option, name, tuple(values), tuple(value_text(value) for value in values))


def _folded(members: Mapping[CellPlace, Sequence[RunRow]]) -> dict[CellPlace, Group]:
    """Make a group for each place; places with the same runs share one."""
    known: dict[tuple[str, ...], Group] = {}
    cells: dict[CellPlace, Group] = {}
    for place, rows in members.items():
        ids = tuple(row.id for row in rows)
        if ids not in known:
            known[ids] = group_of(rows[0].group_key, rows)
        cells[place] = known[ids]
    return cells


class _Index:
    """Finds the place of a run along one axis."""

    def __init__(self, option: str, values: Sequence[object]) -> None:
        self._path = tuple(option.split("."))
        self._values = values
        self._found: dict[object, CellPlace] = {}

    def along(self, config: Json) -> CellPlace:
        """Give one index; all if the run lacks the option; none if its value is not on the axis."""
        value = value_of(config, self._path)
        if value is ABSENT:
            return tuple(range(len(self._values)))
        if isinstance(value, Mapping | list):
            return self._search(value)
        if value not in self._found:
            self._found[value] = self._search(value)
        return self._found[value]

    def _search(self, value: object) -> CellPlace:
        fits = [_fit(wanted, value) for wanted in self._values]
        best = max(fits, default=0)
        return (fits.index(best),) if best else ()


def _fit(wanted: object, value: object) -> int:
    """Count how much of a run's value a value of the axis names; 0 if they differ.

    A redraw rule is a name or a mapping, to which a configuration adds the default arguments.
    """
    if wanted == value:
        return 1 + (len(value) if isinstance(value, Mapping) else 1)
    if not isinstance(wanted, Mapping) and not isinstance(value, Mapping):
        return 0
    given = wanted if isinstance(wanted, Mapping) else {"name": wanted}
    held = value if isinstance(value, Mapping) else {"name": value}
    return len(given) if given.items() <= held.items() else 0
