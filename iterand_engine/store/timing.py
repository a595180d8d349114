"""How long steps took in recorded runs: the seconds of a run's starts over the updates it did.

Evaluation, recording and saving are in it, so that a run's length can be foretold from it.
"""

from __future__ import annotations

from sqlalchemy import select

from iterand_engine.store import schema
from iterand_engine.store.records import Json
from iterand_engine.store.store import Store

_run = schema.run
_LOOKED_AT = 50  # newest runs


def recorded_steps(
    store: Store, *, model: str, width_factor: float, dataset: str, device_kind: str, precision: str
) -> list[tuple[Json, float]]:
    """Configurations and mean seconds of a step of the newest runs of one network on one kind of device.

    Args:
        store: read.
        model, width_factor, dataset, device_kind, precision: as runs are stored with.
    Returns:
        Newest first; runs that did no step are left out.
    """
    query = (
        select(_run.c.config, _run.c.elapsed_s / _run.c.step)
        .where(
            _run.c.model == model,
            _run.c.width_factor == width_factor,
            _run.c.dataset == dataset,
            _run.c.device_kind == device_kind,
            _run.c.precision == precision,
            _run.c.step > 0,
            _run.c.elapsed_s > 0,
            _run.c.deleted_at.is_(None),
        )
        .order_by(_run.c.number.desc())
        .limit(_LOOKED_AT)
    )
    with store.reading() as connection:
        return [(row[0], float(row[1])) for row in connection.execute(query)]
