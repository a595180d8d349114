"""Schema 3: fingerprint of the data and tags of behaviour beside the group key; how a run ended, as a value.

Released steps never change. They stand alone: the hash, the constants and the sentences here are those of the
program that wrote the second schema, whatever the present ones are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Datasets whose fingerprint is a constant; that of others is known only where their data is.
_CONSTANTS = {
    "digits": "digits-v1",
    "mnist": "mnist-v1",
    "fashion-mnist": "fashion-mnist-v1",
    "cifar10": "cifar10-v1",
    "cifar100": "cifar100-v1",
    "svhn": "svhn-v1",
    "tiny-imagenet": "tiny-imagenet-v1",
    "imagenet": "imagenet-v1",
}
# How the stored sentences begin, in the order in which they are tried.
_KINDS = tuple(
    (re.compile(beginning), kind)
    for beginning, kind in (
        (r"Out of memory \(", "out_of_memory"),
        (r"The device failed|its device failed|CUDA_VISIBLE_DEVICES ", "device"),
        (r"compute\.(device|precision) ", "device"),
        (r"extensions/|Cannot read own code |Run \S+ (uses|names) own code ", "extension"),
        (r"'.*' (changed since it was enabled|is not the code that was enabled)", "extension"),
        (r"Cannot read '.*', which says what own code is enabled", "extension"),
        (r"There is no (model|dataset|method|redraw rule) ", "extension"),
        (r"No checkpoint of run |The checkpoint |Cannot read the checkpoint |The system refused ", "disk"),
        (r"Cannot (read|use) |The dataset |data\.|'.*' is not the published file of ", "data"),
        (r"This is a defect of the program \(KeyboardInterrupt", "stopped"),
        (r"This is a defect of the program ", "program"),
        (r"the process |its worker |no process came |it could not be started ", "lost"),
        (r"stopped before it started", "stopped"),
    )
)
_OF_STATE = {"finished": "finished", "stopped": "stopped", "diverged": "diverged", "interrupted": "lost"}
_run = sa.table(
    "run",
    *(sa.column(name) for name in ("number", "state", "reason", "dataset", "precision", "group_key")),
    *(sa.column(name, sa.JSON) for name in ("config", "extensions")),
    *(sa.column(name) for name in ("fingerprint", "end_kind")),
)


def upgrade() -> None:
    """Add the columns, and fill in the values that the rows themselves imply."""
    op.add_column("run", sa.Column("fingerprint", sa.Text))
    op.add_column("run", sa.Column("behaviour", sa.JSON))
    op.add_column("run", sa.Column("end_kind", sa.Text))
    connection = op.get_bind()
    c = _run.c
    columns = (c.number, c.state, c.reason, c.dataset, c.precision, c.group_key, c.config, c.extensions)
    numbers = [row.number for row in connection.execute(sa.select(c.number))]
    for number in numbers:  # one at a time: configurations are large, and there may be many
        row = connection.execute(sa.select(*columns).where(c.number == number)).one()
        filled = {"fingerprint": _fingerprint(row), "end_kind": _end_kind(row.state, row.reason)}
        connection.execute(sa.update(_run).where(c.number == number).values(filled))


def _fingerprint(row: Any) -> str | None:
    """The constant of a named set, where the run's own key was made with it."""
    fingerprint = _CONSTANTS.get(row.dataset)
    if fingerprint is None:
        return None
    extensions = [use["sha256"] for use in row.extensions or ()]
    try:
        key = _group_key(row.config, fingerprint, row.precision, extensions)
    except (KeyError, ValueError):
        return None
    return fingerprint if key == row.group_key else None


def _group_key(config: Mapping[str, Any], fingerprint: str, precision: str, extensions: list[str]) -> str:
    mapping = {name: value for name, value in config.items() if name not in ("name", "compute", "recording")}
    mapping["training"], mapping["data"] = dict(config["training"]), dict(config["data"])
    del mapping["training"]["seed"], mapping["data"]["path"]
    mapping |= {"fingerprint": fingerprint, "precision": precision, "extensions": sorted(extensions)}
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _end_kind(state: str, reason: str | None) -> str | None:
    """How a run ended, from the sentence stored with it; of one in the queue, why it is there again."""
    if state in ("finished", "diverged"):
        return state
    if reason is None:
        return _OF_STATE.get(state, "other" if state == "failed" else None)
    return next((kind for beginning, kind in _KINDS if beginning.match(reason)), "other")
