"""Schema 2: the queue and who waits in it, slots, the trash, extensions, notes, tags, ended sweeps.

Released steps never change. They stand alone, so that later edits of `schema.py` cannot reach them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns to runs and sweeps, and the tables of slots and tags."""
    _runs()
    _slots()
    _tags()
    op.add_column("sweep", sa.Column("ended_at", sa.Float))


def _runs() -> None:
    for column in (
        sa.Column("queue_rank", sa.Float),
        sa.Column("waiter", sa.JSON),
        sa.Column("lost_starts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("device_errors", sa.Integer, nullable=False, server_default="0"),
        sa.Column("deleted_at", sa.Float),
        sa.Column("extensions", sa.JSON),
        sa.Column("notes", sa.Text),
    ):
        op.add_column("run", column)
    op.create_index("ix_run_queue_rank", "run", ["queue_rank"])
    op.execute("UPDATE run SET queue_rank = number WHERE state = 'queued'")


def _slots() -> None:
    op.create_table(
        "slot",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("device_name", sa.Text, nullable=False),
        sa.Column("device_kind", sa.Text, nullable=False),
        sa.Column("holder_token", sa.Text),
        sa.Column("holder_pid", sa.Integer),
        sa.Column("holder_start_ticks", sa.Integer),
        sa.Column("holder_boot_id", sa.Text),
        sa.Column("heartbeat_at", sa.Float),
        sa.Column("run_id", sa.Text),
        sa.Column("message", sa.Text),
        sa.Column("closed_reason", sa.Text),
        sa.Column("closed_at", sa.Float),
        sa.Column("closed_boot_id", sa.Text),
        sa.Column("program", sa.Text),
        sa.Column("started_at", sa.Float),
        sa.Column("request", sa.Text),
        sa.PrimaryKeyConstraint("number", name="pk_slot"),
        sa.UniqueConstraint("host", "device", "position", name="uq_slot_host_device_position"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_slot_run_id", ondelete="SET NULL"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_slot_run_id", "slot", ["run_id"])


def _tags() -> None:
    op.create_table(
        "tag",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name", name="pk_tag"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_tag_run_id", ondelete="CASCADE"),
    )
