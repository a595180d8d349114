"""The process that runs an extension to describe or to check it; the program starts it as a child.

    python -m iterand_engine.preflight.extension_process describe FILE SHA256 ANSWER.json
    python -m iterand_engine.preflight.extension_process check FILE [DATA]

`describe` writes a Description; `check` prints one CheckResult a line as JSON, then a line that says all are
done. What the extension itself prints goes to stderr. An extension that ends this process or never returns
harms nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from iterand_engine.config.catalog import ExtensionEntries, use_extensions
from iterand_engine.config.extension_code import Loaded, Source, load, permitted, sha256_of
from iterand_engine.errors import UserError
from iterand_engine.extensions.active import entries_of_file
from iterand_engine.extensions.checks import CHECKED, CheckResult
from iterand_engine.extensions.files import Description


def main() -> int:
    """Do what the arguments say; returns the exit code."""
    match sys.argv[1:]:
        case ["describe", file, sha256, answer]:
            Path(answer).write_text(described(Path(file), sha256).model_dump_json(), encoding="utf-8")
            return 0
        case ["check", file, *data]:
            return _check(Path(file), Path(data[0]) if data else None)
        case _:
            raise SystemExit(__doc__)


def described(path: Path, sha256: str | None = None) -> Description:
    """Run a file and describe what it declares, or say in one sentence why it cannot be used.

    Args:
        path: the file.
        sha256: the only content that is run; by default what the file has.
    """
    try:
        with running_file(path, sha256) as loaded:
            return Description(sha256=loaded.source.sha256, declarations=tuple(loaded.declarations))
    except UserError as error:
        return Description(error=str(error))


@contextmanager
def running_file(path: Path, sha256: str | None = None) -> Iterator[Loaded]:
    """Run a file as it is now, and permit this process to run that content within the context.

    Args:
        path: the file.
        sha256: the only content that is run; by default what the file has.
    Raises:
        UserError: it has other content, cannot be read or run, or declares nothing.
    """
    try:
        source = Source(path.name, sha256_of(path.read_bytes()), path)
    except OSError as error:
        raise UserError(f"Cannot read the extension {str(path)!r}: {error.strerror}.") from None
    if sha256 not in (None, source.sha256):
        raise UserError(f"{source.at(None)} changed while it was being enabled, and was not run; look again.")
    with permitted([source.sha256]):
        loaded = load(source)
        if not loaded.declarations:
            raise UserError(
                f"{source.at(None)} declares nothing: put @model, @dataset, @method or @redraw_rule before "
                "the function or class that it adds."
            )
        yield loaded


def _check(path: Path, data: Path | None) -> int:
    from iterand_engine.preflight.contract import check_all  # torch, which describing need not import

    failed = False
    with _answers() as answers:
        for result in _results(path, data, check_all):
            print(result.model_dump_json(), file=answers, flush=True)
            failed = failed or not result.passed
        print(CHECKED, file=answers, flush=True)
    return int(failed)


def _results(
    path: Path, data: Path | None, check_all: Callable[[Loaded, Path | None], Iterator[CheckResult]]
) -> Iterator[CheckResult]:
    try:
        with running_file(path) as loaded:
            use_extensions(ExtensionEntries(entries_of_file(loaded.source, loaded.declarations)))
            yield from check_all(loaded, data)
    except UserError as error:
        yield CheckResult(passed=False, detail=str(error))


@contextmanager
def _answers() -> Iterator[TextIO]:
    """The real stdout, out of the extension's reach: what the extension prints goes to stderr."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        yield answers


if __name__ == "__main__":
    raise SystemExit(main())
