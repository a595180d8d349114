"""Runs of a store that meet a filter, with their configurations: for the command line and for scripts.

The validation accuracy is that of the last epoch here, also of a run that has not finished, so that a filter
and what is shown speak of the same number. Test accuracy is in none of it. Torch-free.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from iterand_engine.results.filters import Filter
from iterand_engine.store import RunRow, Store, queries
from iterand_engine.store.records import Json


def find_runs(
    store: Store, wanted: Filter, *, ids: Collection[str] | None = None
) -> list[tuple[RunRow, Json]]:
    """The runs that meet a filter, newest first, each with its configuration.

    Args:
        store: where they are.
        wanted: what they must meet.
        ids: only of these.
    """
    now = time.time()
    return [(row, config) for row, config in _read(store, ids) if wanted.matches(row, config, now)]


def _read(store: Store, ids: Collection[str] | None) -> list[tuple[RunRow, Json]]:
    found = queries.runs_with_configs(store, ids=ids)
    accuracies = queries.val_accuracies(store, [row for row, _ in found])
    return [
        # Few runs are under way, and copying a row takes longer than all else.
        (row if row.val_accuracy == value else replace(row, val_accuracy=value), config)
        for (row, config), value in zip(found, accuracies.values(), strict=True)
    ]
