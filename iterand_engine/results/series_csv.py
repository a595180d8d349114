"""A run's recorded series as one CSV file: `series,layer,step,value`, one line a point. See docs/exports.md.

Limits: values that are not finite are written as nan; test results are in no series. Torch-free.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from iterand_engine.errors import UserError
from iterand_engine.machine.own_files import write_atomic
from iterand_engine.store import Series, Store

HEAD = ("series", "layer", "step", "value")
_ROWS_AT_ONCE = 5_000


def write_series(
    store: Store, run_id: str, out: Path, report: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Write every series that a run has recorded so far; an existing file is replaced.

    Args:
        store: the run's.
        run_id: the run's id.
        out: the file; it appears once it is complete.
        report: gets the points written and the points in all, now and then; an error that it raises ends the
            writing.
    Returns:
        The number of points; in a series with layers, each layer's value counts.
    Raises:
        UserError: there is no such run, it has recorded nothing, or the file cannot be written.
    """
    detail = store.reader.run(run_id)
    known = [info for info in store.reader.series_list(run_id) if info.points]
    if not known:
        raise UserError(f"Run {detail.id} has no series yet: it has not begun to train.")
    total = sum(info.points * len(info.layers or ("",)) for info in known)
    done = 0

    def write(file: BinaryIO) -> None:
        nonlocal done
        file.write(_lines([HEAD]))
        for info in known:
            for rows in _portions(store.reader.series(run_id, info.name)):
                file.write(_lines(rows))
                done += len(rows)
                report(done, max(total, done))

    try:
        write_atomic(out, write)
    except OSError as error:
        raise UserError(f"Cannot write {str(out)!r}: {error.strerror}; name another file.") from None
    return done


def _portions(series: Series) -> Iterator[list[tuple[object, ...]]]:
    """Yield the points of a series as rows, some thousand at a time."""
    layers = series.layers or ("",)
    steps = series.steps.tolist()
    at_once = max(1, _ROWS_AT_ONCE // len(layers))
    for start in range(0, len(steps), at_once):
        values = series.values[start : start + at_once].reshape(-1, len(layers))
        # The shortest text that reads back as the same float32.
        texts = values.astype(str).tolist()
        yield [
            (series.name, layer, step, text)
            for step, row in zip(steps[start : start + at_once], texts, strict=True)
            for layer, text in zip(layers, row, strict=True)
        ]


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
