"""The settings of a workspace, `settings.yaml`, and the data roots that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from iterand_engine.errors import UserError, suggestion
from iterand_engine.machine import own_files
from iterand_engine.machine.user_path import user_path
from iterand_engine.machine.workspace import Workspace
from iterand_engine.machine.yaml import YamlError, parse_yaml, read_yaml, yaml_text

Auto = Literal["auto"]


def _setting(default: Any, *, allowed: str) -> Any:
    """Declare a setting; `allowed` is the clause of the sentence that refuses a value."""
    return Field(default, description=allowed)


def _known_device(text: str) -> str:
    if text != "cpu" and not (text.startswith("GPU-") and len(text) > len("GPU-")):
        raise ValueError("not a device")
    return text


class Settings(BaseModel):
    """The user's choices for one workspace, stored in `settings.yaml` (docs/queue.md)."""

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
            UserError: the file cannot be read, is not YAML, has an unknown setting or a wrong value.
        """
        own_files.refuse_link(workspace.settings_path)
        try:
            mapping = read_yaml(workspace.settings_path, "The file of settings", "repair or delete it")
        except FileNotFoundError:
            return cls()
        if mapping is None:
            return cls()
        if not isinstance(mapping, dict):
            raise UserError(
                f"{workspace.settings_path} must hold `setting: value` lines: repair or delete it."
            )
        return cls._checked({str(key): value for key, value in mapping.items()})

    def save(self, workspace: Workspace) -> None:
        """Write all settings atomically; raises OSError where the file cannot be written."""
        own_files.write(workspace.settings_path, yaml_text(self.model_dump(mode="json")).encode())

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


def data_roots(workspace: Workspace, settings: Settings) -> list[Path]:
    """The folders in which datasets are searched: those of the settings, then the workspace's data folder.

    One that somebody wrote into the file as a relative path is seen from the workspace.
    """
    return [*(workspace.root / root for root in settings.data_roots), workspace.data_dir]


def _plain_value(text: str) -> object:
    try:
        return parse_yaml(text)
    except YamlError:
        return text  # no setting's value, and refused as what the user wrote


def _folders(text: str) -> list[Path]:
    return [_existing(Path(part)) for part in _parts(text)]


def _existing(folder: Path) -> Path:
    absolute = user_path(folder, "The data root").absolute()
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
