"""The kept workspace of an earlier schema, unpacked for tests that upgrade it."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

from iterand_engine.machine.workspace import Workspace, open_workspace_dir

RELEASED = Path(__file__).parent / "released"


def unpacked(folder: Path, schema: str = "0002") -> Workspace:
    """The workspace as that schema left it, in an empty folder; its runs find their data there."""
    workspace = open_workspace_dir(folder)
    with tarfile.open(RELEASED / f"workspace-{schema}.tar.gz") as archive:
        archive.extractall(workspace.root, filter="data")
    with closing(sqlite3.connect(workspace.db_path)) as connection, connection:
        for number, text in connection.execute("SELECT number, config FROM run").fetchall():
            config = json.loads(text)
            if config["data"]["path"] is not None:
                config["data"]["path"] = str(workspace.data_dir / Path(config["data"]["path"]).name)
            connection.execute("UPDATE run SET config = ? WHERE number = ?", (json.dumps(config), number))
    return workspace
