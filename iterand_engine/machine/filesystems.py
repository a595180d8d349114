"""Detect network drives and synced folders, on which a database is not safe; and measure folders.

Limits: the file system type and the names that sync programs give their folders decide; a sync program with a
folder of another name is not detected.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePath

import psutil

_NETWORK_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "afs", "ncpfs", "webdav", "davfs", "9p"}
    | {"ceph", "glusterfs", "lustre", "beegfs", "gpfs", "orangefs", "vboxsf", "vmhgfs", "drvfs"}
)
_NETWORK_FUSE = frozenset(
    {"sshfs", "rclone", "s3fs", "gcsfuse", "goofys", "curlftpfs", "glusterfs", "davfs2", "gvfsd-fuse"}
    | {"juicefs", "vmhgfs-fuse", "ceph-fuse", "beegfs"}
)
_SYNCED_NAMES = {
    "dropbox": "Dropbox",
    "onedrive": "OneDrive",
    "nextcloud": "Nextcloud",
    "owncloud": "ownCloud",
    "google drive": "Google Drive",
    "googledrive": "Google Drive",
    "google-drive": "Google Drive",
    "my drive": "Google Drive",
    "cloudstorage": "a cloud drive",
    "icloud drive": "iCloud Drive",
    "iclouddrive": "iCloud Drive",
    "mobile documents": "iCloud Drive",
    "pclouddrive": "pCloud",
    "megasync": "MEGA",
}
_SYNC_MARKERS = {".dropbox": "Dropbox", ".stfolder": "Syncthing", ".sync_journal.db": "Nextcloud"}


def filesystem_warning(folder: Path) -> str | None:
    """Warn where a workspace's database is not safe in a folder.

    Args:
        folder: need not exist yet.
    Returns:
        One sentence with the folder and the reason, or None where the folder looks safe.
    """
    resolved = folder.resolve()
    kind = filesystem_type(resolved)
    if is_network_type(kind):
        return (
            f"{resolved} is on a network file system ({kind}), where the database can be damaged when two"
            " machines or programs write: put the workspace on a local disk."
        )
    service = synced_by(resolved)
    if service is not None:
        return (
            f"{resolved} is synced by {service}, which can damage the database while a run writes it: put the"
            " workspace in a folder that is not synced."
        )
    return None


def filesystem_type(path: Path) -> str:
    """Type of the file system that holds a path, lower case, such as `ext4`; empty where it is not known."""
    best, kind = -1, ""
    for mount in psutil.disk_partitions(all=True):
        parts = PurePath(mount.mountpoint).parts
        if path.parts[: len(parts)] == parts and len(parts) >= best:  # of two on one place the later covers
            best, kind = len(parts), mount.fstype.lower()
    return kind


def is_network_type(kind: str) -> bool:
    """Whether a file system type (`nfs4`, `fuse.sshfs`, ...) lives on another machine."""
    base, _, helper = kind.partition(".")
    return base in _NETWORK_TYPES or helper in _NETWORK_FUSE


def synced_by(folder: Path) -> str | None:
    """The program that copies a folder elsewhere as it changes, judged by names and marker files, or None."""
    for parent in (folder, *folder.parents):
        name = parent.name.lower()
        for known, service in _SYNCED_NAMES.items():
            # An account may follow: "OneDrive - Company", "Dropbox (Home)", "Nextcloud2".
            if re.fullmatch(rf"{re.escape(known)}( - .+| ?\(.+\)|\d+)?", name):
                return service
        for marker, service in _SYNC_MARKERS.items():
            if (parent / marker).exists():
                return service
    return None


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder, links not followed; 0 where it does not exist."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except FileNotFoundError:
                continue  # deleted while we look
    return total


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written where a folder is or would be."""
    existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    return shutil.disk_usage(existing).free
