"""The workspace: one folder that holds the database, data, extensions and every run's files.

    iterand.db  settings.yaml  data/  extensions/
    runs/<id>/  config.yaml  worker.log  checkpoints/  masks/  exports/
    slots/  logs of the processes that work through the queue
    trash/<id>/  the same, of runs that an older version deleted

Paths are stored relative to it, so the folder can be moved. The folders at its top may be links to a larger
disk where this user allowed that on this machine (`iterand allow`); no other link is followed (`own_files`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from iterand_engine.errors import Advice, UserError
from iterand_engine.machine import own_files
from iterand_engine.machine.allowed import Allowed
from iterand_engine.machine.filesystems import filesystem_warning
from iterand_engine.machine.user_path import user_path

ENVIRONMENT_VARIABLE = "ITERAND_WORKSPACE"
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Auto = Literal["auto"]
RUN_FOLDERS = ("checkpoints", "masks", "exports")
TOP_FOLDERS = ("runs", "data", "extensions", "slots", "trash")


@dataclass(frozen=True)
class Workspace:
    """Where everything of one workspace is. Made by `open_workspace_dir`; `root` is absolute, without links.

    `links` has, by the name of a folder at the top that is an allowed link, where that link leads.
    """

    root: Path
    links: tuple[tuple[str, Path], ...] = ()

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
        return self._top("data")

    @property
    def extensions_dir(self) -> Path:
        """The folder of the user's extension files."""
        return self._top("extensions")

    @property
    def runs_dir(self) -> Path:
        """The folder that holds one folder per run, named by its id."""
        return self._top("runs")

    @property
    def slots_dir(self) -> Path:
        """The folder of the slots' logs; absent until a slot is started."""
        return self._top("slots")

    @property
    def trash_dir(self) -> Path:
        """Where older versions put the folders of deleted runs; nothing is put there any more."""
        return self._top("trash")

    def run_dir(self, run_id: str) -> Path:
        """Folder of one run (not made here).

        Raises:
            ValueError: `run_id` is not a run id (names and prefixes go through `Store.resolve` first).
        """
        if not is_run_id(run_id):
            raise ValueError(f"not a run id: {run_id!r}")
        return self.runs_dir / run_id

    def make_run_dir(self, run_id: str) -> Path:
        """Make a run's folder with `checkpoints`, `masks` and `exports` below; fine if they exist.

        Raises:
            UserError: one of them is a link or a file.
        """
        folder = self.run_dir(run_id)
        for name in RUN_FOLDERS:
            own_files.make_folder(folder / name)
        return folder

    def _top(self, name: str) -> Path:
        return dict(self.links).get(name, self.root / name)

    def relative(self, path: Path) -> str:
        """A path inside the workspace as it is stored: relative to the root, with forward slashes.

        Raises:
            ValueError: `path` lies outside.
        """
        absolute = Path(os.path.abspath(path))
        for name, target in self.links:
            if absolute.is_relative_to(target):
                return (name / absolute.relative_to(target)).as_posix()
        return absolute.relative_to(self.root).as_posix()

    def absolute(self, relpath: str) -> Path:
        """The file behind a stored path.

        Raises:
            ValueError: the stored path is absolute or leads outside the workspace.
        """
        path = Path(os.path.normpath(self.root / relpath))
        if not path.is_relative_to(self.root):
            raise ValueError(f"stored path {relpath!r} leads outside the workspace {self.root}")
        top, *rest = path.relative_to(self.root).parts or ("",)
        return self._top(top).joinpath(*rest)

    @property
    def is_laid_out(self) -> bool:
        """Whether its folders were made: a workspace, which may have no run yet, and not just any folder."""
        return all(folder.is_dir() for folder in (self.data_dir, self.extensions_dir, self.runs_dir))

    @property
    def is_writable(self) -> bool:
        """Whether this user may change files here; one that is not can be looked at."""
        return may_write(self.root) and (not self.db_path.exists() or may_write(self.db_path))

    def warning(self) -> str | None:
        """One sentence where the folder is on a network or synced drive, on which a database is not safe."""
        return filesystem_warning(self.root)


def may_write(path: Path) -> bool:
    """Whether this process may write a file, or make files in a folder."""
    mode = os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def is_run_id(text: str) -> bool:
    """Whether a text is the whole id of a run, as its folder is named."""
    return _RUN_ID.fullmatch(text) is not None


def find_workspace_dir(path: Path | str | None = None) -> Workspace:
    """Find the folder of the workspace; nothing is made, and it need not exist.

    Args:
        path: the folder asked for (`--workspace`); None = ITERAND_WORKSPACE, else the user's data folder.
    Raises:
        UserError: the place is a file, no folder can have this path, or a folder in it is a link that is not
            allowed.
    """
    workspace = named_workspace(path)
    return Workspace(workspace.root, tuple(_links(workspace)))


def named_workspace(path: Path | str | None = None) -> Workspace:
    """As `find_workspace_dir`, without a look at the links in it; for what only says or allows them."""
    chosen = (
        path
        or os.environ.get(ENVIRONMENT_VARIABLE)
        or platformdirs.user_data_path("iterand", appauthor=False)
    )
    # realpath as well, so that two names of one folder are one workspace
    workspace = Workspace(Path(os.path.realpath(user_path(chosen, "The workspace"))))
    if workspace.root.exists() and not workspace.root.is_dir():
        said = f"The workspace {workspace.root} is a file: name a folder."
        raise UserError(said, Advice.OTHER_WORKSPACE)
    return workspace


def link_target(workspace: Workspace, name: str) -> Path | None:
    """Where a folder at the top of a workspace leads; None where it is no link."""
    path = workspace.root / name
    return Path(os.path.realpath(path)) if own_files.is_link(path) else None


def _links(workspace: Workspace) -> list[tuple[str, Path]]:
    found = [(name, link_target(workspace, name)) for name in TOP_FOLDERS]
    links = [(name, target) for name, target in found if target is not None]
    allowed = Allowed.load(workspace).links if links else {}
    for name, target in links:
        if allowed.get(name) != str(target):
            raise UserError(
                f"The folder {name!r} of the workspace {workspace.root} is a link to {str(target)!r}, which "
                f"you did not allow on this machine: remove the link, or trust it by `iterand allow {name}`."
            )
        if not target.is_dir():
            raise UserError(
                f"The folder {name!r} of the workspace {workspace.root} is a link to {str(target)!r}, which "
                "is no folder now: bring it back (is its disk there?), or remove the link."
            )
    return links


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
        UserError: as `find_workspace_dir`, or the place cannot be made or written.
    """
    workspace = find_workspace_dir(path)
    try:
        workspace.root.mkdir(parents=True, exist_ok=True)
        for folder in (workspace.data_dir, workspace.extensions_dir, workspace.runs_dir):
            own_files.make_folder(folder)
    except OSError as error:
        raise UserError(
            f"Cannot make the workspace {workspace.root} ({error.strerror}): name another folder.",
            Advice.OTHER_WORKSPACE,
        ) from error
    if not may_write(workspace.root):
        raise UserError(
            f"The workspace {workspace.root} cannot be written: correct its permissions"
            " or name another folder.",
            Advice.OTHER_WORKSPACE,
        )
    return workspace
