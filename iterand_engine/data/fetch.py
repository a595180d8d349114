"""Download a dataset into a data folder: beside its name, checked, then renamed.

Source: the addresses and checksums of `sources`.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from iterand_engine.config.catalog import DATASETS, find
from iterand_engine.config.dataset_files import Download
from iterand_engine.data.downloads import sources
from iterand_engine.data.file_cache import md5_of
from iterand_engine.errors import UserError
from iterand_engine.machine import own_files

Progress = Callable[[str, int, int | None], None]  # file name, bytes so far, bytes in all if known

_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 18


class _WrongContentError(Exception):
    """What an address gave is not the file that was published."""


def fetch(name: str, root: Path, progress: Progress | None = None) -> Path:
    """Download the files of a dataset that are still missing.

    Args:
        name: of a catalog dataset.
        root: data folder; the files go into a folder below it, which is made if need be.
        progress: called after every chunk, and once for a file that is there already.
    Returns:
        The folder with the files.
    Raises:
        UserError: the dataset is not downloadable, or no address gave the right file; the sentence then
            says which file to put where.
    """
    entry = find("dataset", DATASETS, name)
    if entry.bundled:
        raise UserError(f"The dataset {name!r} comes with the program; there is nothing to download.")
    files = sources(name)
    folder = root / entry.layout.prefixes[0]
    if not files:
        put = entry.layout.put
        advice = f"put {put} into {str(folder)!r}" if put else "set data.path instead"
        raise UserError(f"The dataset {name!r} cannot be downloaded from here; {advice}.")
    for source in files:
        _fetch_file(source, folder, progress or _silent)
    return folder


def _fetch_file(source: Download, folder: Path, progress: Progress) -> None:
    target = folder / source.filename
    if target.is_file() and md5_of(target) == source.md5:
        size_bytes = target.stat().st_size
        progress(source.filename, size_bytes, size_bytes)
        return
    reasons = []
    for url in source.urls:
        reason = _download(url, target, source.md5, progress)
        if reason is None:
            return
        reasons.append(f"{url}: {reason}")
    raise UserError(
        f"Cannot download {source.filename} ({'; '.join(reasons)}); get it by other means (MD5 "
        f"{source.md5}) and put it at {str(target)!r}."
    )


def _download(url: str, target: Path, md5: str, progress: Progress) -> str | None:
    """Try one address; the reason why it failed, or None."""
    request = urllib.request.Request(url, headers={"User-Agent": "iterand-workbench"})
    try:
        own_files.make_folder(target.parent)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            own_files.write(target, lambda stream: _copy(response, stream, target.name, md5, progress))
    except _WrongContentError as error:
        return str(error)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError, and so is a full disk
        return str(error.reason) if isinstance(error, urllib.error.URLError) else str(error)
    return None


def _copy(
    response: http.client.HTTPResponse, stream: IO[bytes], name: str, md5: str, progress: Progress
) -> None:
    """Copy what comes to a file; raises _WrongContentError where it is not what was published."""
    length = response.headers.get("Content-Length")
    total_bytes = int(length) if length is not None else None
    digest = hashlib.md5(usedforsecurity=False)
    done_bytes = 0
    while chunk := response.read(_CHUNK_BYTES):
        stream.write(chunk)
        digest.update(chunk)
        done_bytes += len(chunk)
        progress(name, done_bytes, total_bytes)
    if digest.hexdigest() != md5:
        raise _WrongContentError(f"the file's MD5 checksum is {digest.hexdigest()}, not {md5}")


def _silent(name: str, done_bytes: int, total_bytes: int | None) -> None:
    return None
