"""Tables of columns from recorded series, and pandas frames from such tables where pandas is installed.

pandas is no dependency: it is imported when a frame is asked for, and its absence is said in one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iterand_engine.errors import UserError
from iterand_engine.store import Series

STEP = "step"


def data_frame(columns: Mapping[str, object]) -> Any:
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


def aligned(recorded: Sequence[Series]) -> dict[str, NDArray[Any]]:
    """Lay series side by side over all their steps.

    Args:
        recorded: the series; of points at one step, which only clock series have, the last one stands.
    Returns:
        `step` int64 (n,), ascending, and by series name float32 (n,), NaN where the series has no point; a
        series with layers gives a column `name[layer]` for each.
    """
    steps = np.unique(np.concatenate([np.empty(0, np.int64), *(series.steps for series in recorded)]))
    columns: dict[str, NDArray[Any]] = {STEP: steps}
    for series in recorded:
        at = np.searchsorted(steps, series.steps)
        names = [series.name] if series.layers is None else [f"{series.name}[{n}]" for n in series.layers]
        for name, values in zip(names, series.values.reshape(len(at), len(names)).T, strict=True):
            columns[name] = np.full(len(steps), np.nan, np.float32)
            columns[name][at] = values
    return columns
