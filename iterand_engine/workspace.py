"""The workspace: one folder that holds the database, data, own code and every run's files.

    iterand.db  settings.yaml  data/  extensions/
    runs/<id>/  config.yaml  worker.log  checkpoints/  masks/  exports/
    slots/  logs of the processes that work through the queue
    trash/<id>/  the same, of deleted runs

Paths are stored relative to it, so the folder can be moved. Files are written beside, fsynced and renamed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import platformdirs
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from iterand_engine.errors import UserError, suggestion
from iterand_engine.filesystems import filesystem_warning

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
        """The database."""
        return self.root / "iterand.db"

    @property
    def settings_path(self) -> Path:
        """The settings; absent means defaults."""
        return self.root / "settings.yaml"

    @property
    def data_dir(self) -> Path:
        """Downloaded datasets."""
        return self.root / "data"

    @property
    def extensions_dir(self) -> Path:
        """The user's own code."""
        return self.root / "extensions"

    @property
    def runs_dir(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def slots_dir(self) -> Path:
        """Logs of slots; absent until one is started."""
        return self.root / "slots"

    @property
    def trash_dir(self) -> Path:
        """The folders of deleted runs, until the trash is emptied; absent until one is deleted."""
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

    def warning(self) -> str | None:
        """One sentence where the folder is on a network or synced drive, on which a database is not safe."""
        return filesystem_warning(self.root)


def is_run_id(text: str) -> bool:
    """Whether a text is the whole id of a run, as its folder is named."""
    return _RUN_ID.fullmatch(text) is not None


def find_workspace_dir(path: Path | str | None = None) -> Workspace:
    """Say which folder is the workspace; nothing is made, and it need not exist.

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
        raise UserError(f"The workspace {workspace.root} is a file: name a folder with --workspace.")
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
            f"Cannot make the workspace {workspace.root} ({error.strerror}): name another folder with"
            f" --workspace or {ENVIRONMENT_VARIABLE}."
        ) from error
    if not os.access(workspace.root, os.W_OK | os.X_OK):
        raise UserError(
            f"The workspace {workspace.root} cannot be written: mend its permissions or name another folder"
            f" with --workspace or {ENVIRONMENT_VARIABLE}."
        )
    return workspace


def write_atomic(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write a file so that a reader, even after a power cut, sees the old or the new one and nothing between.

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


def _setting(default: Any, *, allowed: str) -> Any:
    """Declare a setting, with what to say where a value is refused."""
    return Field(default, description=allowed)


def _known_device(text: str) -> str:
    if text != "cpu" and not (text.startswith("GPU-") and len(text) > len("GPU-")):
        raise ValueError("not a device")
    return text


class Settings(BaseModel):
    """What a workspace remembers about its owner's wishes, in `settings.yaml` (docs/queue.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_roots: tuple[Path, ...] = _setting((), allowed="folders")
    test_lock: bool = _setting(False, allowed="true | false")
    slots_per_device: Annotated[int, Field(ge=1, le=64, strict=True)] = _setting(
        1, allowed="a whole number from 1 to 64"
    )
    devices: tuple[Annotated[str, AfterValidator(_known_device)], ...] = _setting(
        (), allowed="cpu and starts of GPU UUIDs (GPU-...), or [] for all devices"
    )
    cpu_slot: Annotated[bool, Field(strict=True)] | Auto = _setting("auto", allowed="true | false | auto")
    cpu_share: Annotated[int, Field(ge=1, le=1024, strict=True)] | Auto = _setting(
        "auto", allowed="from 1 to 1024 cores, or auto"
    )
    on_end: str = _setting("", allowed="a command line, or nothing")

    @classmethod
    def load(cls, workspace: Workspace) -> Settings:
        """Read the settings; defaults where there is no file.

        Raises:
            UserError: the file is not YAML, has an unknown setting or a wrong value.
        """
        try:
            text = workspace.settings_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        try:
            mapping = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError(
                f"{workspace.settings_path} is not valid YAML ({_first_line(error)}): mend or delete it."
            ) from error
        if mapping is None:
            return cls()
        if not isinstance(mapping, dict):
            raise UserError(f"{workspace.settings_path} must hold `setting: value` lines: mend or delete it.")
        return cls._checked({str(key): value for key, value in mapping.items()})

    def save(self, workspace: Workspace) -> None:
        """Write all settings, whole or not at all."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_atomic(workspace.settings_path, text.encode())

    def get(self, key: str) -> object:
        """Value of a setting as plain values (paths as text). Raises UserError for an unknown name."""
        self._known(key)
        return self.model_dump(mode="json")[key]

    def with_value(self, key: str, text: str) -> Settings:
        """A copy with one setting changed, from text as written on a command line.

        Args:
            key: name of the setting.
            text: YAML; for `data_roots` and `devices` one, several with commas, or `[]` (folders become
                absolute); for `on_end` the command as it is.
        Raises:
            UserError: unknown name, a value that does not fit, or a folder that does not exist.
        """
        self._known(key)
        value: object = _PARSERS.get(key, _plain_value)(text)
        return self._checked({**self.model_dump(), key: value})

    def with_data_root(self, folder: Path) -> Settings:
        """A copy that looks for datasets in one more folder, after those it looks in already.

        Args:
            folder: becomes absolute; one that is a data root already stays where it is.
        Raises:
            UserError: there is no such folder.
        """
        roots = (*self.data_roots, _existing(folder))
        return self.model_copy(update={"data_roots": tuple(dict.fromkeys(roots))})

    @classmethod
    def _checked(cls, mapping: dict[str, object]) -> Settings:
        for key in mapping:
            cls._known(key)
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            key = str(error.errors()[0]["loc"][0])
            allowed = cls.model_fields[key].description
            raise UserError(f"Setting {key} cannot be {mapping[key]!r}; allowed: {allowed}.") from error

    @classmethod
    def _known(cls, key: str) -> None:
        if key not in cls.model_fields:
            names = ", ".join(cls.model_fields)
            raise UserError(
                f"There is no setting {key!r}{suggestion(key, cls.model_fields)} (settings: {names})."
            )


def _plain_value(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text  # no setting's value, and refused as what the user wrote


def _folders(text: str) -> list[Path]:
    return [_existing(Path(part)) for part in _parts(text)]


def _existing(folder: Path) -> Path:
    absolute = folder.expanduser().absolute()
    if not absolute.is_dir():
        raise UserError(f"Cannot use {absolute} as a data root: there is no such folder.")
    return absolute


def _parts(text: str) -> list[str]:
    """The parts of `a, b` or `[a, b]`; none of `[]`."""
    inside = text.strip().removeprefix("[").removesuffix("]").strip()
    parts = [part.strip() for part in inside.split(",")] if inside else []
    if not all(parts):
        raise UserError(f"{text!r} is no list: write values with commas between them, or [] for none.")
    return list(dict.fromkeys(parts))


_PARSERS: dict[str, Callable[[str], object]] = {"data_roots": _folders, "devices": _parts, "on_end": str}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
