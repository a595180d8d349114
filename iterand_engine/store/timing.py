"""How long runs took that were recorded, so that the length of another can be foretold.

Seconds are those of all starts of a run: evaluation, recording and saving are in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from iterand_engine.store import schema
from iterand_engine.store.records import Json
from iterand_engine.store.store import Store

_run = schema.run
_LOOKED_AT = 50  # newest runs


@dataclass(frozen=True)
class Timed:
    """What a run did: its configuration, updates, and the seconds they took."""

    config: Json
    steps: int
    elapsed_s: float


def timed_runs(
    store: Store, *, model: str, width_factor: float, dataset: str, device_kind: str, precision: str
) -> list[Timed]:
    """The newest runs of one network on one kind of device.

    Args:
        store: read.
        model, width_factor, dataset, device_kind, precision: as runs are stored with.
    Returns:
        Newest first; runs that did no step are left out.
    """
    query = (
        select(_run.c.config, _run.c.step, _run.c.elapsed_s)
        .where(
            _run.c.model == model,
            _run.c.width_factor == width_factor,
            _run.c.dataset == dataset,
            _run.c.device_kind == device_kind,
            _run.c.precision == precision,
            _run.c.step > 0,
            _run.c.deleted_at.is_(None),
        )
        .order_by(_run.c.number.desc())
        .limit(_LOOKED_AT)
    )
    with store.reading() as connection:
        return [Timed(*row) for row in connection.execute(query)]
