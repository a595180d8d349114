"""Schema 4: chunks for the newest points of runs; how a block holds its steps; which runs changed last.

Released steps never change. They stand alone, so that later edits of `schema.py` cannot reach them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# A live run changes several times a second: whoever watches reads those by their state.
_IS_LIVE = "{0}.state IN ('starting', 'running') AND {0}.deleted_at IS NULL"
_BOTH_LIVE = f"{_IS_LIVE.format('OLD')} AND {_IS_LIVE.format('NEW')}"
_NOTE = "INSERT OR REPLACE INTO run_change (run_id) VALUES ({0}.id)"
_TRIGGERS = {
    "insert": f"AFTER INSERT ON run BEGIN {_NOTE.format('NEW')}; END",
    "update": "AFTER UPDATE ON run"
    " WHEN (OLD.revision <> NEW.revision OR OLD.state <> NEW.state)"
    f" AND NOT ({_BOTH_LIVE}) BEGIN {_NOTE.format('NEW')}; END",
    "delete": f"AFTER DELETE ON run BEGIN {_NOTE.format('OLD')}; END",
}


def upgrade() -> None:
    """Add the tables and the column; blocks stay as they are, in the first packing."""
    op.create_table(
        "run_change",
        sa.Column("serial", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_run_change"),
        sa.UniqueConstraint("run_id", name="uq_run_change_run_id"),
        sqlite_autoincrement=True,
    )
    for name, trigger in _TRIGGERS.items():
        op.execute(f"CREATE TRIGGER run_change_{name} {trigger}")
    op.add_column("series_block", sa.Column("packing", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "series_chunk",
        sa.Column("run_number", sa.Integer, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("series_id", sa.Integer, nullable=False),
        sa.Column("first_index", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_step", sa.Integer, nullable=False),
        sa.Column("last_step", sa.Integer, nullable=False),
        sa.Column("packing", sa.Integer, nullable=False),
        sa.Column("steps", sa.LargeBinary, nullable=False),
        sa.Column("points", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_number", "ordinal", name="pk_series_chunk"),
        sa.ForeignKeyConstraint(
            ["run_number"], ["run.number"], name="fk_series_chunk_run_number", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
