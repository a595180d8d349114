"""The parts of the group keys of runs whose data's fingerprint is not known yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from iterand_engine.store import run_update, schema

if TYPE_CHECKING:
    from iterand_engine.store.store import Store

_run = schema.run


@dataclass(frozen=True)
class Identity:
    """A run's group key and all its parts but the fingerprint; `extensions` are hashes."""

    run_id: str
    group_key: str
    dataset: str
    config: Mapping[str, Any]
    precision: str
    extensions: tuple[str, ...]
    behaviour: Mapping[str, int] | None


def without_fingerprint(store: Store, dataset: str | None = None) -> list[Identity]:
    """Find the runs that lack the fingerprint of their data, of one dataset or of all, in the trash too."""
    columns = (_run.c.id, _run.c.group_key, _run.c.dataset, _run.c.config, _run.c.precision)
    query = select(*columns, _run.c.extensions, _run.c.behaviour).where(_run.c.fingerprint.is_(None))
    if dataset is not None:
        query = query.where(_run.c.dataset == dataset)
    with store.reading() as connection:
        return [
            Identity(*row[:5], tuple(use["sha256"] for use in row.extensions or ()), row.behaviour)
            for row in connection.execute(query)
        ]


def put_fingerprints(store: Store, run_ids: Sequence[str], fingerprint: str) -> None:
    """Store the fingerprint of the data of some runs; it never changes afterwards."""
    if not run_ids:
        return
    with store.writing() as connection:
        for run_id in run_ids:
            run_update.change(connection, run_id, {"fingerprint": fingerprint})
