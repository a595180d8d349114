"""The files of a dataset: where they lie below a data root, and which are downloaded. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataForm:
    """One form of a dataset on disk: a file, or a folder that holds `needs`.

    Args:
        relative: path below a prefix; empty is the prefix itself.
        needs: the entries that the folder must hold; empty for a file.
    """

    relative: str
    needs: tuple[str, ...] = ()

    def is_at(self, path: Path) -> bool:
        """Whether this form is at a path."""
        if not self.needs:
            return path.exists()
        return all((path / need).exists() for need in self.needs)


@dataclass(frozen=True)
class Layout:
    """Where a dataset may be below a data root.

    Args:
        prefixes: folders below a root; the first is where a download goes.
        places: the forms that are looked for below each prefix.
        put: what sentences ask the user to put there, where the needs of the first place do not say it well.
    """

    prefixes: tuple[str, ...]
    places: tuple[DataForm, ...]
    put: str = ""


@dataclass(frozen=True)
class Download:
    """One file to download.

    Args:
        filename: in the dataset's folder.
        urls: addresses to try, in order.
        md5: its checksum, 32 hex digits.
    """

    filename: str
    urls: tuple[str, ...]
    md5: str
