"""Find where each dataset is or would be. Torch-free; reads folder entries only.

A dataset is searched below every data root in the given order, at the places that its catalog entry names: in
a folder of its name, and where torchvision's dataset classes put it. An extension's dataset is at data.path;
an extension without data.path is located at its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iterand_engine.config.catalog import DATASETS, find
from iterand_engine.config.dataset_files import Layout
from iterand_engine.errors import UserError
from iterand_engine.machine.resources import resource
from iterand_engine.machine.settings import Settings, data_roots
from iterand_engine.machine.workspace import Workspace


@dataclass(frozen=True)
class Location:
    """Where one dataset is, or would be.

    Args:
        path: the file or folder to read; None if it was not found.
        expected: the folder into which a download goes, or the user puts the files.
        needs: the files or folders that must be there.
        size_bytes: on disk; None if not found, or not known without walking through a folder.
    """

    name: str
    path: Path | None
    expected: Path | None
    needs: tuple[str, ...]
    size_bytes: int | None


def locate(name: str, roots: Sequence[Path], path: Path | str | None = None) -> Location:
    """Look for a dataset.

    Args:
        name: of a catalog dataset.
        roots: folders to search, in order; a download goes into the last.
        path: where the user says it is: the file or folder itself, or a root of its own; then `roots` are
            not searched.
    Returns:
        Its location, with `path` None where it was not found.
    Raises:
        UserError: no dataset has this name.
    """
    entry = find("dataset", DATASETS, name)
    if entry.bundled and path is None:
        bundled = resource("datasets", entry.bundled)
        return Location(name, bundled, None, (entry.bundled,), bundled.stat().st_size)
    given = None if path is None else Path(path)
    if entry.origin is not None:
        place = given or entry.origin.source.path
        found = place if place.exists() else None
        return Location(name, found, place, (), _size(found, ()))
    if entry.needs_path or entry.bundled:
        found = given if given is not None and given.exists() else None
        return Location(name, found, given, (), _size(found, ()))
    layout = entry.layout
    hits = _at_path(layout, given) if given is not None else _below(layout, roots)
    hit, needs = next(hits, (None, ()))
    expected = given if given is not None else (roots[-1] / layout.prefixes[0] if roots else None)
    wanted = layout.places[0].needs or (layout.places[0].relative,)
    return Location(name, hit, expected, wanted, _size(hit, needs))


def located(name: str, roots: Sequence[Path], path: Path | str | None = None) -> Path:
    """Find a dataset; see `locate`.

    Raises:
        UserError: the dataset was not found, and the sentence says which files to put where; or a place
            cannot be read.
    """
    try:
        entry, location = find("dataset", DATASETS, name), locate(name, roots, path)
    except OSError as error:
        raise UserError(f"Cannot read {error.filename!r}: {error.strerror}.") from None
    if location.path is not None:
        return location.path
    if entry.needs_path or entry.origin is not None:
        raise UserError(f"Cannot read data.path {str(path)!r}: there is no such file or folder.")
    files = ", ".join(need for need in location.needs if need) or "its files"
    put = f"put {files} into {str(location.expected)!r}" if location.expected else f"set data.path to {files}"
    if path is not None:
        raise UserError(f"data.path {str(path)!r} does not hold the dataset {name!r}; {put}.")
    looked = ", ".join(str(root) for root in roots) or "no data root"
    fetch = f"run `iterand data fetch {name}`, or " if entry.download_bytes else ""
    raise UserError(f"The dataset {name!r} was not found (looked in {looked}); {fetch}{put}.")


def locate_all(roots: Sequence[Path]) -> list[Location]:
    """Locations of all catalog datasets, in the catalog's order."""
    return [locate(name, roots) for name in DATASETS]


def dataset_places(workspace: Workspace, settings: Settings) -> list[Location]:
    """Look for all datasets of the catalog, in its order, below the data roots and then in the workspace.

    Args:
        workspace: whose data folder a download goes to.
        settings: the workspace's.
    """
    return locate_all(data_roots(workspace, settings))


def _at_path(layout: Layout, path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for place in layout.places:
        itself = path.is_file() if not place.needs else place.is_at(path)
        if itself:
            yield path, place.needs
    yield from _below(layout, [path])


def _below(layout: Layout, roots: Sequence[Path]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    for root in roots:
        for prefix in layout.prefixes:
            for place in layout.places:
                path = root / prefix / place.relative
                if place.is_at(path):
                    yield path, place.needs


def _size(path: Path | None, needs: tuple[str, ...]) -> int | None:
    """Bytes of a file, or of the files that a folder must hold; None where those are folders themselves."""
    files = [] if path is None else [path / need for need in needs] or [path]
    if not files or any(file.is_dir() for file in files):
        return None
    return sum(file.stat().st_size for file in files)
