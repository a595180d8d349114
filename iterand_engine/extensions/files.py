"""The extension files of a workspace, their states, and how they are enabled; see docs/extending.md.

A file is known by its hash. Enabling runs it once, in a separate process that describes what it declares;
after that its declarations are known without running it. An edited file is off until it is enabled again, but
runs go on with the copy of the code they were made with. Nothing here runs an extension. Torch-free.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ValidationError

from iterand_engine.config.catalog import entries_of
from iterand_engine.config.extension_code import FOLDER, WORDS, CodeKind, Declaration, Source, sha256_of
from iterand_engine.errors import UserError, suggestion
from iterand_engine.extensions.trust import Trust, TrustedFile
from iterand_engine.machine.launch import SAFE_FOLDER, python_environment
from iterand_engine.machine.user_path import user_path
from iterand_engine.machine.workspace import Workspace

DESCRIBE_S = 120.0  # running a file includes importing torch, which may take long on a slow disk
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.py")


class FileState(StrEnum):
    """Whether an extension file can be used, and if not, why."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    CHANGED = "changed"  # since it was enabled
    MISSING = "missing"  # it was enabled
    BROKEN = "broken"


@dataclass(frozen=True)
class ExtensionFile:
    """An extension file and its state.

    `declarations` are those of the content that was enabled last; `reason` says why it is broken.
    """

    file: str
    state: FileState
    source: Source | None
    declarations: tuple[Declaration, ...] = ()
    reason: str = ""

    @property
    def hint(self) -> str:
        """The sentence shown to a user who names an entry of this file while the file is not enabled."""
        where, again = f"{FOLDER}/{self.file}", f"`iterand extensions enable {self.file}`"
        match self.state:
            case FileState.CHANGED:
                return f"{where} declares it, and changed since it was enabled; look at it and run {again}."
            case FileState.MISSING:
                return f"{where} declared it, and is gone; put it back."
            case FileState.BROKEN:
                return f"{where} declares it, and cannot be used: {self.reason}"
            case _:
                return f"{where} declares it, and is not enabled; look at it and run {again}."


class Description(BaseModel):
    """What the child process reports of a file that it ran: its hash and declarations, or one sentence."""

    sha256: str = ""
    declarations: tuple[Declaration, ...] = ()
    error: str | None = None


def is_file_name(name: str) -> bool:
    """Whether an extension file may have this name."""
    return _FILE.fullmatch(name) is not None


def extension_files(workspace: Workspace) -> list[ExtensionFile]:
    """All extension files of a workspace and those that were enabled and are gone, sorted by name.

    Raises:
        UserError: the record of enabled files cannot be read.
    """
    trust = Trust.load(workspace)
    present = {path.name for path in workspace.extensions_dir.glob("*.py") if path.name[0] not in "._"}
    wanted = {file for file, trusted in trust.files.items() if trusted.enabled}
    taken: dict[tuple[CodeKind, str], str] = {}
    found = []
    for file in sorted(present | wanted):
        standing = _standing(workspace, file, trust.of(file))
        if standing.state is FileState.ENABLED:
            clash = _clash(standing.declarations, taken)
            if clash:
                standing = ExtensionFile(
                    file, FileState.BROKEN, standing.source, standing.declarations, f"{clash[1]}."
                )
            taken |= {(one.kind, one.name): file for one in standing.declarations if not clash}
        found.append(standing)
    return found


def _standing(workspace: Workspace, file: str, trusted: TrustedFile) -> ExtensionFile:
    path = workspace.extensions_dir / file
    latest = trusted.enabled or next(reversed([*trusted.known]), None)
    declarations = trusted.known.get(latest, ()) if latest else ()
    if not is_file_name(file):
        reason = "the name of the file has characters other than letters, digits, _ - and .; rename it."
        return ExtensionFile(file, FileState.BROKEN, None, (), reason)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ExtensionFile(file, FileState.MISSING, None, declarations)
    except OSError as error:
        return ExtensionFile(file, FileState.BROKEN, None, declarations, f"{error.strerror}.")
    source = Source(file, sha256_of(content), path)
    if source.sha256 == trusted.enabled:
        return ExtensionFile(file, FileState.ENABLED, source, declarations)
    reason = _syntax_error(content, source)
    if reason:
        return ExtensionFile(file, FileState.BROKEN, source, declarations, reason)
    state = FileState.CHANGED if trusted.enabled else FileState.DISABLED
    return ExtensionFile(file, state, source, declarations)


def _syntax_error(content: bytes, source: Source) -> str:
    """Why a file is not valid Python, found without running it; an empty text where it is."""
    try:
        ast.parse(content)
    except SyntaxError as error:
        return f"{source.at(error.lineno)}: {error.msg}."
    except (ValueError, RecursionError) as error:
        return f"{source.at(None)}: {error}."
    return ""


def _clash(
    declarations: Iterable[Declaration], taken: dict[tuple[CodeKind, str], str]
) -> tuple[Declaration, str] | None:
    """The first declaration whose name is built in or another file's, and the reason as a clause."""
    for one in declarations:
        there = entries_of(one.kind).get(one.name)
        built_in = there is not None and there.origin is None
        if built_in or (one.kind, one.name) in taken:
            by = "built in" if built_in else f"of {FOLDER}/{taken[one.kind, one.name]}"
            return one, (
                f"there is a {WORDS[one.kind]} {one.name!r} already ({by}); give this one another name, e.g. "
                f'by name="my-{one.name}" in its decorator'
            )
    return None


def enable(workspace: Workspace, text: str, sha256: str = "") -> ExtensionFile:
    """Enable a file as it is now, after running it once in a separate process.

    Args:
        workspace: its workspace.
        text: the file's name or path. The copy of a run, runs/ID/extensions/NAME.py, is enabled for runs that
            were made with this code, and the file in extensions/ stays as it is.
        sha256: the beginning of its hash as somebody looked at it; another content is not run.
    Returns:
        The file in its new state.
    Raises:
        UserError: there is no such file, or it cannot be used; says why, with the line.
    """
    path = named_file(workspace, text)
    is_copy = path.parent != workspace.extensions_dir
    described = describe(path, _checked_hash(path, sha256))
    source = Source(path.name, described.sha256, path)
    taken = {
        (one.kind, one.name): other.file
        for other in extension_files(workspace)
        if other.state is FileState.ENABLED and other.file != path.name
        for one in other.declarations
    }
    clash = _clash(described.declarations, taken)
    if clash and not is_copy:
        raise UserError(f"{source.at(clash[0].line)}: {clash[1]}.")
    trust = Trust.load(workspace)
    before = trust.of(path.name)
    known = {sha: one for sha, one in before.known.items() if sha != source.sha256}
    enabled = before.enabled if is_copy else source.sha256
    newest = {**known, source.sha256: described.declarations}
    trust.with_file(path.name, TrustedFile(enabled=enabled, known=newest)).save(workspace)
    return ExtensionFile(path.name, FileState.ENABLED, source, described.declarations)


def _checked_hash(path: Path, wanted: str) -> str:
    """The hash of a file's present content, which must begin as wanted."""
    try:
        found = sha256_of(path.read_bytes())
    except OSError as error:
        raise UserError(f"Cannot read the extension {str(path)!r}: {error.strerror}.") from None
    if not found.startswith(wanted.lower()):
        raise UserError(
            f"{str(path)!r} was not run: its sha256 begins with {found[:12]}, not with {wanted[:12]}, so it "
            "is not what you looked at; look again."
        )
    return found


def disable(workspace: Workspace, text: str) -> str:
    """Take a file out of use for new runs, also one that is gone; returns its name.

    Raises:
        UserError: it is not enabled.
    """
    trust = Trust.load(workspace)
    name = next((one for one in _names_meant(text) if trust.of(one).enabled), _names_meant(text)[0])
    trusted = trust.of(name)
    if trusted.enabled is None:
        if name in trust.files or (workspace.extensions_dir / name).exists():
            raise UserError(f"{name} is not enabled, so new runs do not use it.")
        on = [file for file, one in trust.files.items() if one.enabled]
        raise UserError(
            f"{name} is not enabled{suggestion(name, on)} (enabled: {', '.join(sorted(on)) or 'nothing'})."
        )
    trust.with_file(name, TrustedFile(enabled=None, known=trusted.known)).save(workspace)
    return name


def named_file(workspace: Workspace, text: str) -> Path:
    """The absolute path of the extension that a user means by a name or a path.

    A relative path starts at the current folder or at the workspace's; it never means another file of that
    name.

    Raises:
        UserError: there is none, or it is neither in the workspace's extensions/ nor a run's copy.
    """
    given = user_path(text, "The extension").absolute()
    for path in (given, workspace.root / text):
        if path.is_file() and _holds_extensions(workspace, path.parent):
            return path.parent.resolve() / path.name
    if len(Path(text).parts) > 1:
        if given.is_file():
            raise UserError(f"{text} is not in this workspace: put the file into {workspace.extensions_dir}.")
        raise UserError(
            f"There is no file {text!r}, neither seen from here nor from the workspace {workspace.root}."
        )
    names = [workspace.extensions_dir / name for name in _names_meant(text)]
    beside = next((path for path in names if path.is_file()), names[0])
    if not beside.is_file():
        known = [path.name for path in sorted(workspace.extensions_dir.glob("*.py"))]
        raise UserError(
            f"There is no {beside.name} in {workspace.extensions_dir}{suggestion(beside.name, known)} (files "
            f"there: {', '.join(known) or 'none'}; `iterand new model NAME` writes one)."
        )
    return beside


def _holds_extensions(workspace: Workspace, folder: Path) -> bool:
    """Whether a folder holds extensions: the workspace's extensions/, or a run's copies."""
    is_copies = folder.name == FOLDER and folder.parent.parent.resolve() == workspace.runs_dir
    return is_copies or folder.resolve() == workspace.extensions_dir


def _names_meant(text: str) -> tuple[str, str]:
    """The file names that a user may mean: as written, and as `iterand new` would name them."""
    stem = Path(text).name.removesuffix(".py")
    return f"{stem}.py", f"{stem.replace('-', '_')}.py"


def describe(path: Path, sha256: str) -> Description:
    """Run a file in a separate process and return what it declares.

    Args:
        path: the file.
        sha256: of the content to run; no other content is, whoever writes the file meanwhile.
    Raises:
        UserError: the file has other content by now, cannot be run, declares nothing, or declares something
            that is not allowed.
    """
    with tempfile.TemporaryDirectory(prefix="iterand-describe-") as folder:
        answer = Path(folder, "answer.json").absolute()
        try:
            done = subprocess.run(
                [*child_command(), "describe", str(path.absolute()), sha256, str(answer)],
                cwd=SAFE_FOLDER,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=DESCRIBE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UserError(
                f"{FOLDER}/{path.name} did not finish within {DESCRIBE_S:.0f} s; an extension file only "
                "declares: put work into its functions."
            ) from None
        try:
            described = Description.model_validate_json(answer.read_bytes())
        except (OSError, ValidationError):
            raise UserError(
                f"{FOLDER}/{path.name} ended the process that ran it (exit code {done.returncode}); an "
                "extension file only declares."
            ) from None
    if described.error is not None:
        raise UserError(described.error)
    return described


def child_command() -> list[str]:
    """The first words of the command line of the process that runs an extension to describe or check it."""
    return [sys.executable, "-m", "iterand_engine.preflight.extension_process"]


def child_environment() -> dict[str, str]:
    """The environment of that process: without a GPU, which training runs may be using."""
    return {**python_environment(), "CUDA_VISIBLE_DEVICES": ""}
