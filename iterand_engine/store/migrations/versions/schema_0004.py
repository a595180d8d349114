"""Schema 4: the newest points of a run in a table of their own; how a block holds its steps.

Released steps never change. They stand alone, so that later edits of `schema.py` cannot reach them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the column; blocks stay as they are, in the first packing."""
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
