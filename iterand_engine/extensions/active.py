"""Extensions in use: the entries that a workspace or a run brings into the catalogs, and the copy that runs.

A process that knows a workspace's declarations (`activated`) still cannot run an extension. Workers
(`run_code`) and the probe (`allowed`) can; a worker runs the copy beside its run, if this user enabled that
copy's hash in this workspace. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from iterand_engine.config.catalog import (
    DATASETS,
    METHODS,
    MODELS,
    RULES,
    DatasetEntry,
    Entry,
    ExtensionEntries,
    MethodEntry,
    extension_entries,
    use_extensions,
)
from iterand_engine.config.extension_code import (
    FOLDER,
    Declaration,
    Origin,
    Source,
    is_permitted,
    permitted,
    sha256_of,
)
from iterand_engine.config.method_options import RuleChoice
from iterand_engine.config.run_config import RunConfig
from iterand_engine.errors import UserError
from iterand_engine.extensions.files import ExtensionFile, FileState, extension_files, is_file_name
from iterand_engine.extensions.trust import Trust
from iterand_engine.machine import own_files
from iterand_engine.machine.workspace import Workspace
from iterand_engine.store.records import ExtensionUse

_NO_PARENT = "iterand_engine.config.method_options:MethodOptions"


def activate(workspace: Workspace) -> list[str]:
    """Put the enabled entries of a workspace into the catalogs, in place of another workspace's.

    Returns:
        One sentence for each file that was enabled and is not in use now.
    """
    added, notes = _of_workspace(workspace)
    use_extensions(added)
    return notes


def deactivate() -> None:
    """Take the entries of all extensions out of the catalogs."""
    use_extensions(ExtensionEntries())


@contextmanager
def activated(workspace: Workspace) -> Iterator[list[str]]:
    """Do what `activate` does, for as long as the context lasts."""
    added, notes = _of_workspace(workspace)
    with _in_use(added):
        yield notes


@contextmanager
def allowed(workspace: Workspace) -> Iterator[list[str]]:
    """Do what `activated` does, and let this process run the enabled extensions; for the probe only."""
    added, notes = _of_workspace(workspace)
    with _in_use(added), permitted(_hashes(added.entries)):
        yield notes


@contextmanager
def run_code(workspace: Workspace, run_id: str, uses: Sequence[ExtensionUse]) -> Iterator[None]:
    """Let this process run the extensions that a run was made with, and put only those into the catalogs.

    Inside a context that already has this very code (a run is trained again for comparison), nothing changes.

    Args:
        workspace: the run's.
        run_id: which run.
        uses: its files, as stored with it.
    Raises:
        UserError: this user never enabled the code in this workspace, or the run's copy is not that code.
    """
    hashes = {use.sha256 for use in uses}
    if uses and is_permitted(hashes) and hashes <= _hashes(extension_entries()):
        yield
        return
    trust = Trust.load(workspace) if uses else Trust(workspace="")
    entries = [entry for use in uses for entry in _of_run(workspace, run_id, use, trust)]
    with _in_use(ExtensionEntries(tuple(entries))), permitted(hashes):
        yield


def check_code(workspace: Workspace, run_id: str, uses: Sequence[ExtensionUse]) -> None:
    """Raise before a run is queued what `run_code` would raise for it; same arguments and errors."""
    with run_code(workspace, run_id, uses):
        pass


def used_by(config: RunConfig) -> tuple[ExtensionUse, ...]:
    """The extension files that a configuration needs, as they are in the catalogs now."""
    sources = sorted({(one.file, one.sha256) for one in _sources(config)})
    return tuple(ExtensionUse(file, sha256) for file, sha256 in sources)


def used_code(config: RunConfig) -> dict[str, bytes]:
    """The content of those files, by name.

    Raises:
        UserError: a file is gone, or changed since it was enabled.
    """
    return {source.file: _content(source) for source in sorted(_sources(config), key=lambda one: one.file)}


def copy_into(run_folder: Path, code: dict[str, bytes]) -> None:
    """Write the code that a run uses into its folder, as `used_code` read it."""
    for file, content in code.items():
        folder = run_folder / FOLDER
        own_files.make_folder(folder)
        own_files.write(folder / file, content)


def entries_of_file(source: Source, declarations: Iterable[Declaration]) -> tuple[Entry, ...]:
    """What a file with these declarations adds to the catalogs."""
    return tuple(_entry(declaration, source) for declaration in declarations)


@contextmanager
def _in_use(added: ExtensionEntries) -> Iterator[None]:
    before = use_extensions(added)
    try:
        yield
    finally:
        use_extensions(before)


def _hashes(entries: Iterable[Entry]) -> set[str]:
    return {entry.origin.source.sha256 for entry in entries if entry.origin is not None}


def _of_workspace(workspace: Workspace) -> tuple[ExtensionEntries, list[str]]:
    try:
        files = extension_files(workspace)
    except UserError as error:  # whoever needs no extension must not be stopped by this
        return ExtensionEntries(), [str(error)]
    entries = [
        entry
        for file in files
        if file.state is FileState.ENABLED and file.source is not None
        for entry in entries_of_file(file.source, file.declarations)
    ]
    there = {(entry.origin.kind, entry.name) for entry in entries if entry.origin is not None}
    off = [file for file in files if file.state is not FileState.ENABLED]
    missing = {
        (one.kind, one.name): file.hint
        for file in off
        for one in file.declarations
        if (one.kind, one.name) not in there
    }
    unknown = tuple(file.file for file in off if not file.declarations)
    return ExtensionEntries(tuple(entries), missing, unknown), [_note(file) for file in off if _was_on(file)]


def _was_on(file: ExtensionFile) -> bool:
    return bool(file.declarations) and file.state is not FileState.DISABLED


def _note(file: ExtensionFile) -> str:
    names = ", ".join(declaration.name for declaration in file.declarations)
    return f"{names}: {file.hint}"


def _of_run(workspace: Workspace, run_id: str, use: ExtensionUse, trust: Trust) -> tuple[Entry, ...]:
    if not is_file_name(use.file):
        raise UserError(f"Run {run_id} names the extension {use.file!r}, which is not a valid file name.")
    path = workspace.run_dir(run_id) / FOLDER / use.file
    copy = workspace.relative(path)
    known = trust.of(use.file).known.get(use.sha256)
    if known is None:
        raise UserError(
            f"Run {run_id} uses an extension that you never enabled in this workspace: look at {copy} and "
            f"run `iterand extensions enable {path}`."
        )
    source = Source(use.file, use.sha256, path)
    own_files.refuse_link(path)
    _content(source)
    return entries_of_file(source, known)


def _content(source: Source) -> bytes:
    try:
        content = source.path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the extension {str(source.path)!r}: {error.strerror}.") from None
    if sha256_of(content) != source.sha256:
        raise UserError(f"{str(source.path)!r} is not the code that was enabled: it changed since then.")
    return content


def _entry(declaration: Declaration, source: Source) -> Entry:
    one = declaration
    origin = Origin(source, one.kind, one.line)
    target = f"{FOLDER}/{source.file}@{source.sha256}:{one.name}"  # differs with the code
    if one.kind == "dataset":
        return DatasetEntry(
            *(one.name, one.label, target, ""),
            needs_path=one.needs_path,
            arguments=one.arguments,
            origin=origin,
        )
    if one.kind == "method":
        base = METHODS[one.base] if one.base else None
        return MethodEntry(
            *(one.name, one.label, target),
            options=base.options if base else _NO_PARENT,
            has_masks=base.has_masks if base and one.has_masks is None else one.has_masks,
            arguments=one.arguments,
            origin=origin,
        )
    return Entry(one.name, one.label, target, arguments=one.arguments, origin=origin)


def _sources(config: RunConfig) -> set[Source]:
    rule = getattr(config.method, "rule", None)
    entries: list[Entry] = [
        DATASETS[config.data.dataset],
        MODELS[config.model.name],
        METHODS[config.method.name],
        *([RULES[rule.name]] if isinstance(rule, RuleChoice) else []),
    ]
    return {entry.origin.source for entry in entries if entry.origin is not None}
