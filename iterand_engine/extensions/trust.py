"""What a user trusts: which extensions are enabled in which workspace, by hash, and what they declare.

The record lies with the user's own settings and never in a workspace, so that a workspace that was copied,
unpacked or received enables nothing. Each workspace, known by its absolute path, has one file. Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from iterand_engine.config.extension_code import Declaration
from iterand_engine.errors import UserError
from iterand_engine.machine.private_files import read_record, record_file, write_record
from iterand_engine.machine.workspace import Workspace

_KIND = "extensions"


class TrustedFile(BaseModel):
    """One file: the hash enabled now, and the declarations of each hash ever enabled, oldest first."""

    model_config = ConfigDict(frozen=True)

    enabled: str | None = None
    known: Mapping[str, tuple[Declaration, ...]] = {}


class Trust(BaseModel):
    """All that a user trusts in one workspace, by file name."""

    model_config = ConfigDict(frozen=True)

    workspace: str
    files: Mapping[str, TrustedFile] = {}

    @classmethod
    def load(cls, workspace: Workspace) -> Trust:
        """Read what is trusted in a workspace; an empty record where there is no file.

        Raises:
            UserError: the record is damaged, cannot be read, or another user could have written it.
        """
        path = record_file(_KIND, workspace.root)
        try:
            trust = cls.model_validate_json(read_record(path))
        except FileNotFoundError:
            return cls(workspace=str(workspace.root))
        except (OSError, ValidationError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise UserError(
                f"Cannot read {str(path)!r}, which says which extensions are enabled ({reason}): delete it, "
                "and enable your files again."
            ) from None
        return trust if trust.workspace == str(workspace.root) else cls(workspace=str(workspace.root))

    def of(self, file: str) -> TrustedFile:
        """The record of one file; an empty one where the file was never enabled."""
        return self.files.get(file, TrustedFile())

    def with_file(self, file: str, trusted: TrustedFile) -> Trust:
        """A copy with `trusted` as the record of one file."""
        return self.model_copy(update={"files": {**self.files, file: trusted}})

    def save(self, workspace: Workspace) -> None:
        """Write the record atomically.

        Raises:
            UserError: the record cannot be written.
        """
        path = record_file(_KIND, workspace.root)
        write_record(path, self.model_dump_json(indent=1), "which extensions are enabled")
