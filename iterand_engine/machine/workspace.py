"""The workspace: one folder that holds the database, data, extensions and every run's files.

    iterand.db  settings.yaml  data/  extensions/
    runs/<id>/  config.yaml  worker.log  checkpoints/  masks/  exports/
    slots/  logs of the processes that work through the queue
    trash/<id>/  the same, of runs that an older version deleted

Paths are stored relative to it, so the folder can be moved. A file is written under another name, fsynced,
and renamed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import platformdirs

from iterand_engine.errors import Advice, UserError
from iterand_engine.machine.filesystems import filesystem_warning

ENVIRONMENT_VARIABLE = "ITERAND_WORKSPACE"
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Auto = Literal["auto"]
RUN_FOLDERS = ("checkpoints", "masks", "exports")


@dataclass(frozen=True)
class Workspace:
    """Where everything of one workspace is. Made by `open_workspace_dir`; `root` is absolute."""

    root: Path

    @property
    def db_path(self) -> Path:
        """The path of the SQLite database, which store/ opens."""
        return self.root / "iterand.db"

    @property
    def settings_path(self) -> Path:
        """The path of the settings; without the file, defaults count."""
        return self.root / "settings.yaml"

    @property
    def data_dir(self) -> Path:
        """The folder into which datasets are downloaded, the last data root."""
        return self.root / "data"

    @property
    def extensions_dir(self) -> Path:
        """The folder of the user's extension files."""
        return self.root / "extensions"

    @property
    def runs_dir(self) -> Path:
        """The folder that holds one folder per run, named by its id."""
        return self.root / "runs"

    @property
    def slots_dir(self) -> Path:
        """The folder of the slots' logs; absent until a slot is started."""
        return self.root / "slots"

    @property
    def trash_dir(self) -> Path:
        """Where older versions put the folders of deleted runs; nothing is put there any more."""
        return self.root / "trash"

    def run_dir(self, run_id: str) -> Path:
        """Folder of one run (not made here).

        Raises:
            ValueError: `run_id` is not a run id (names and prefixes go through `Store.resolve` first).
        """
        if not is_run_id(run_id):
            raise ValueError(f"not a run id: {run_id!r}")
        return self.runs_dir / run_id

    def make_run_dir(self, run_id: str) -> Path:
        """Make a run's folder with `checkpoints`, `masks` and `exports` below; fine if they exist."""
        folder = self.run_dir(run_id)
        for name in RUN_FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        return folder

    def relative(self, path: Path) -> str:
        """A path inside the workspace as it is stored: relative to the root, with forward slashes.

        Raises:
            ValueError: `path` lies outside.
        """
        return Path(os.path.abspath(path)).relative_to(self.root).as_posix()

    def absolute(self, relpath: str) -> Path:
        """The file behind a stored path.

        Raises:
            ValueError: the stored path is absolute or leads outside the workspace.
        """
        path = Path(os.path.normpath(self.root / relpath))
        if not path.is_relative_to(self.root):
            raise ValueError(f"stored path {relpath!r} leads outside the workspace {self.root}")
        return path

    @property
    def is_writable(self) -> bool:
        """Whether this user may change files here; one that is not can be looked at."""
        return os.access(self.root, os.W_OK | os.X_OK) and (
            not self.db_path.exists() or os.access(self.db_path, os.W_OK)
        )

    def warning(self) -> str | None:
        """One sentence where the folder is on a network or synced drive, on which a database is not safe."""
        return filesystem_warning(self.root)


def is_run_id(text: str) -> bool:
    """Whether a text is the whole id of a run, as its folder is named."""
    return _RUN_ID.fullmatch(text) is not None


def find_workspace_dir(path: Path | str | None = None) -> Workspace:
    """Find the folder of the workspace; nothing is made, and it need not exist.

    Args:
        path: the folder asked for (`--workspace`); None = ITERAND_WORKSPACE, else the user's data folder.
    Raises:
        UserError: the place is a file.
    """
    chosen = (
        path
        or os.environ.get(ENVIRONMENT_VARIABLE)
        or platformdirs.user_data_path("iterand", appauthor=False)
    )
    # realpath as well, so that two names of one folder are one workspace
    workspace = Workspace(Path(os.path.realpath(Path(chosen).expanduser())))
    if workspace.root.exists() and not workspace.root.is_dir():
        said = f"The workspace {workspace.root} is a file: name a folder."
        raise UserError(said, Advice.OTHER_WORKSPACE)
    return workspace


def existing_workspace_dir(path: Path | str | None = None) -> Workspace:
    """Find the workspace for what only looks at it, or changes what it has; nothing is made.

    Args:
        path: as in `find_workspace_dir`; the user's own place need not exist yet, and has nothing then.
    Raises:
        UserError: there is none where the user says.
    """
    workspace = find_workspace_dir(path)
    if (path or os.environ.get(ENVIRONMENT_VARIABLE)) and not workspace.root.is_dir():
        said = f"There is no workspace {workspace.root}: name the folder of one that exists."
        raise UserError(said, Advice.OTHER_WORKSPACE)
    return workspace


def open_workspace_dir(path: Path | str | None = None) -> Workspace:
    """Find the workspace and make its folders.

    Args:
        path: as in `find_workspace_dir`.
    Raises:
        UserError: the place is a file, or cannot be made or written.
    """
    workspace = find_workspace_dir(path)
    try:
        for folder in (workspace.data_dir, workspace.extensions_dir, workspace.runs_dir):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"Cannot make the workspace {workspace.root} ({error.strerror}): name another folder.",
            Advice.OTHER_WORKSPACE,
        ) from error
    if not os.access(workspace.root, os.W_OK | os.X_OK):
        raise UserError(
            f"The workspace {workspace.root} cannot be written: correct its permissions"
            " or name another folder.",
            Advice.OTHER_WORKSPACE,
        )
    return workspace


def write_atomic(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write a file atomically: a reader, even after a power cut, sees either the old or the new content.

    Args:
        path: the file; its folder exists.
        content: the bytes, or a function that writes them to the open file it is given.
    Raises:
        OSError: as writing does (disk full, no permission); `path` is then as it was.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return  # Windows: a rename needs no sync of its folder, and folders cannot be opened
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
