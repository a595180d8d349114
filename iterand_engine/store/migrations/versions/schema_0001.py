"""Schema 1: runs, their series, events, checkpoints and environments; sweeps; unlocks.

Released steps never change. They stand alone, so that later edits of `schema.py` cannot reach them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first schema."""
    _runs()
    _series()
    _of_runs()
    _sweeps()


def _run_id() -> sa.Column[str]:
    return sa.Column("run_id", sa.Text, nullable=False)


def _run_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=f"fk_{table}_run_id", ondelete="CASCADE")


def _runs() -> None:
    op.create_table(
        "run",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("desired_state", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("elapsed_s", sa.Float, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("group_key", sa.Text, nullable=False),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("width_factor", sa.Float, nullable=False),
        sa.Column("precision", sa.Text, nullable=False),
        sa.Column("device_kind", sa.Text, nullable=False),
        sa.Column("program_version", sa.Text, nullable=False),
        sa.Column("git_commit", sa.Text),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("total_steps", sa.Integer),
        sa.Column("val_accuracy", sa.Float),
        sa.Column("test_accuracy", sa.Float),
        sa.Column("test_unlocked", sa.Boolean, nullable=False),
        sa.Column("final_digest", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("owner_token", sa.Text),
        sa.Column("owner_deadline", sa.Float),
        sa.Column("owner_host", sa.Text),
        sa.Column("owner_pid", sa.Integer),
        sa.Column("owner_start_ticks", sa.Integer),
        sa.Column("owner_boot_id", sa.Text),
        sa.Column("heartbeat_at", sa.Float),
        sa.Column("last_step_at", sa.Float),
        sa.Column("usual_step_s", sa.Float),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("rewind", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_run"),
        sa.UniqueConstraint("id", name="uq_run_id"),
        sqlite_autoincrement=True,
    )
    for column in ("name", "state", "group_key"):
        op.create_index(f"ix_run_{column}", "run", [column])


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, nullable=False),
        _run_id(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("axis", sa.Text, nullable=False),
        sa.Column("layers", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
        sa.UniqueConstraint("run_id", "name", name="uq_series_run_id_name"),
        _run_key("series"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "series_block",
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("first_index", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_step", sa.Integer, nullable=False),
        sa.Column("last_step", sa.Integer, nullable=False),
        sa.Column("steps", sa.LargeBinary, nullable=False),
        sa.Column("points", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("series_id", "ordinal", name="pk_series_block"),
        sa.ForeignKeyConstraint(
            ["series_id"], ["series.id"], name="fk_series_block_series_id", ondelete="CASCADE"
        ),
    )


def _of_runs() -> None:
    op.create_table(
        "environment",
        _run_id(),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("snapshot", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "start", name="pk_environment"),
        _run_key("environment"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, nullable=False),
        _run_id(),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("step", sa.Integer),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        _run_key("event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_run_id", "event", ["run_id"])
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer, nullable=False),
        _run_id(),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("relpath", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
        sa.UniqueConstraint("run_id", "relpath", name="uq_checkpoint_run_id_relpath"),
        _run_key("checkpoint"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "unlock",
        sa.Column("id", sa.Integer, nullable=False),
        _run_id(),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unlock"),
        _run_key("unlock"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_unlock_run_id", "unlock", ["run_id"])


def _sweeps() -> None:
    op.create_table(
        "sweep",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("base", sa.JSON, nullable=False),
        sa.Column("axes", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweep"),
    )
    op.create_table(
        "sweep_run",
        sa.Column("sweep_id", sa.Text, nullable=False),
        _run_id(),
        sa.PrimaryKeyConstraint("sweep_id", "run_id", name="pk_sweep_run"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="fk_sweep_run_sweep_id", ondelete="CASCADE"),
        _run_key("sweep_run"),
    )
    op.create_index("ix_sweep_run_run_id", "sweep_run", ["run_id"])
