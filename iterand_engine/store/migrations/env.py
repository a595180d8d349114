"""Run by Alembic, never imported: applies the steps within the transaction that `migrate` holds."""

from __future__ import annotations

from alembic import context


def apply_steps() -> None:
    """Upgrade on the connection handed over in the configuration's attributes."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, render_as_batch=True, transactional_ddl=False)
    context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file
    apply_steps()
