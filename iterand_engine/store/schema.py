"""The tables of the present schema, as SQLAlchemy Core sees them.

The database is made by the steps in `migrations/versions`, never from here; a test compares the two. The
columns that `states.live_ids` reads keep their names for ever: they are read before an upgrade.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_REVISION = "0004"
# The process that may write a run; all NULL while there is none (a queued run's waiter keeps heartbeat_at).
OWNER_COLUMNS = (
    "owner_token",
    "owner_deadline",
    "owner_host",
    "owner_pid",
    "owner_start_ticks",
    "owner_boot_id",
    "heartbeat_at",
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _run_id(*, primary_key: bool = False, index: bool = False) -> Column[str]:
    return Column(
        "run_id",
        Text,
        ForeignKey("run.id", ondelete="CASCADE"),
        primary_key=primary_key,
        index=index,
        nullable=False,
    )


# `number` orders runs as they were made, independent of the clock, and is never reused after a delete.
run = Table(
    "run",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, index=True),
    Column("state", Text, nullable=False, index=True),
    Column("desired_state", Text),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("elapsed_s", Float, nullable=False),
    Column("config", JSON, nullable=False),
    Column("group_key", Text, nullable=False, index=True),
    Column("seed", Integer, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("width_factor", Float, nullable=False),
    Column("precision", Text, nullable=False),
    Column("device_kind", Text, nullable=False),
    Column("program_version", Text, nullable=False),
    Column("git_commit", Text),
    Column("step", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("total_steps", Integer),
    Column("val_accuracy", Float),
    Column("test_accuracy", Float),
    Column("test_unlocked", Boolean, nullable=False),
    Column("final_digest", Text),
    Column("reason", Text),
    Column("owner_token", Text),
    Column("owner_deadline", Float),
    Column("owner_host", Text),
    Column("owner_pid", Integer),
    Column("owner_start_ticks", Integer),
    Column("owner_boot_id", Text),
    Column("heartbeat_at", Float),
    Column("last_step_at", Float),
    Column("usual_step_s", Float),
    Column("revision", Integer, nullable=False),
    Column("rewind", Integer, nullable=False),
    Column("queue_rank", Float, index=True),
    Column("waiter", JSON(none_as_null=True)),
    Column("lost_starts", Integer, nullable=False, server_default="0"),
    Column("device_errors", Integer, nullable=False, server_default="0"),
    Column("deleted_at", Float),
    Column("extensions", JSON(none_as_null=True)),
    Column("notes", Text),
    Column("fingerprint", Text),
    Column("behaviour", JSON(none_as_null=True)),
    Column("end_kind", Text),
    sqlite_autoincrement=True,
)

# Every run as it was last made, changed or deleted, by triggers; those of live runs alone are not noted.
run_change = Table(
    "run_change",
    metadata,
    Column("serial", Integer, primary_key=True),
    Column("run_id", Text, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

slot = Table(
    "slot",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("host", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("device_name", Text, nullable=False),
    Column("device_kind", Text, nullable=False),
    Column("holder_token", Text),
    Column("holder_pid", Integer),
    Column("holder_start_ticks", Integer),
    Column("holder_boot_id", Text),
    Column("heartbeat_at", Float),
    Column("run_id", Text, ForeignKey("run.id", ondelete="SET NULL"), index=True),
    Column("message", Text),
    Column("closed_reason", Text),
    Column("closed_at", Float),
    Column("closed_boot_id", Text),
    Column("program", Text),
    Column("started_at", Float),
    Column("request", Text),
    UniqueConstraint("host", "device", "position"),
    sqlite_autoincrement=True,
)

tag = Table(
    "tag",
    metadata,
    _run_id(primary_key=True),
    Column("name", Text, primary_key=True),
)

environment = Table(
    "environment",
    metadata,
    _run_id(primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("snapshot", JSON, nullable=False),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("name", Text, nullable=False),
    Column("axis", Text, nullable=False),
    Column("layers", JSON(none_as_null=True)),
    UniqueConstraint("run_id", "name"),
    sqlite_autoincrement=True,
)

series_block = Table(
    "series_block",
    metadata,
    Column("series_id", Integer, ForeignKey("series.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("first_index", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_step", Integer, nullable=False),
    Column("last_step", Integer, nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("points", LargeBinary, nullable=False),
    Column("packing", Integer, nullable=False, server_default="1"),
)

# The newest points of a run: rows in the order written, so that one commit writes one page of them.
series_chunk = Table(
    "series_chunk",
    metadata,
    Column("run_number", Integer, ForeignKey("run.number", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("series_id", Integer, nullable=False),
    Column("first_index", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_step", Integer, nullable=False),
    Column("last_step", Integer, nullable=False),
    Column("packing", Integer, nullable=False),
    Column("steps", LargeBinary, nullable=False),
    Column("points", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(index=True),
    Column("at", Float, nullable=False),
    Column("level", Text, nullable=False),
    Column("step", Integer),
    Column("text", Text, nullable=False),
    sqlite_autoincrement=True,
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(),
    Column("step", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("relpath", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("run_id", "relpath"),
    sqlite_autoincrement=True,
)

unlock = Table(
    "unlock",
    metadata,
    Column("id", Integer, primary_key=True),
    _run_id(index=True),
    Column("at", Float, nullable=False),
    Column("scope", Text, nullable=False),
    sqlite_autoincrement=True,
)

sweep = Table(
    "sweep",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("base", JSON, nullable=False),
    Column("axes", JSON, nullable=False),
    Column("ended_at", Float),
)

sweep_run = Table(
    "sweep_run",
    metadata,
    Column("sweep_id", Text, ForeignKey("sweep.id", ondelete="CASCADE"), primary_key=True),
    _run_id(primary_key=True),
    Index("ix_sweep_run_run_id", "run_id"),
)
