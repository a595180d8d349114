"""A filter over thousands of runs at each keystroke: a condition is asked once for each value. No Qt.

The engine's `Filter` judges one run; here a field's values are numbered first, and one run of each number is
judged. What configurations say never changes and is kept; the rest is forgotten when rows change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from iterand_engine.results.filter_fields import AGE, Field
from iterand_engine.results.filters import Filter
from iterand_engine.store import RunRow
from iterand_engine.store.records import Json

_NAME = "name"


class FilteredRuns:
    """Says which runs meet a filter.

    Args:
        rows: the runs.
        configs: their configurations by run id.
    """

    def __init__(self, rows: Mapping[str, RunRow], configs: Mapping[str, Json]) -> None:
        self._rows = rows
        self._configs = configs
        self._listed: list[tuple[RunRow, Json]] | None = None
        self._numbered: dict[str, tuple[NDArray[np.intp], list[int]]] = {}
        self._of_rows: set[str] = set()

    def rows_changed(self, *, others: bool) -> None:
        """Look at the rows anew.

        Args:
            others: whether there are other runs than before.
        """
        self._listed = None
        for key in list(self._numbered):
            if others or key in self._of_rows:
                del self._numbered[key]

    def matching(self, wanted: Filter, now: float) -> set[str]:
        """The ids of the runs that meet a filter; `now` as in `Filter.matches`."""
        if self._listed is None:
            self._listed = [(row, self._configs[run_id]) for run_id, row in self._rows.items()]
        held = np.ones(len(self._listed), bool)
        for condition in wanted.conditions:
            held &= self._held(Filter(conditions=(condition,)), condition.field, now)
        if wanted.words:
            held &= self._held(Filter(words=wanted.words), None, now)
        return {self._listed[at][0].id for at in np.flatnonzero(held)}

    def _held(self, part: Filter, field: Field | None, now: float) -> NDArray[np.bool_]:
        assert self._listed is not None
        if field is not None and field.key == AGE:  # every run has its own
            return np.array([part.matches(row, config, now) for row, config in self._listed], bool)
        numbers, first = self._numbers(field, self._listed)
        return np.array([part.matches(*self._listed[at], now) for at in first], bool)[numbers]

    def _numbers(
        self, field: Field | None, listed: Sequence[tuple[RunRow, Json]]
    ) -> tuple[NDArray[np.intp], list[int]]:
        """For each run the number of its value, and for each number the first run that has it."""
        key = _NAME if field is None else field.key
        if key not in self._numbered:
            known: dict[object, int] = {}
            first: list[int] = []
            numbers = np.empty(len(listed), np.intp)
            for at, (row, config) in enumerate(listed):
                value: object = row.name if field is None else field.read(row, config, 0.0)
                if type(value) is not str:  # 1, 1.0 and true are equal, lists have no hash
                    value = (type(value), repr(value))
                number = known.setdefault(value, len(first))
                if number == len(first):
                    first.append(at)
                numbers[at] = number
            self._numbered[key] = numbers, first
            if field is None or not field.path:
                self._of_rows.add(key)
        return self._numbered[key]
