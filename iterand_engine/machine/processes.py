"""Identify a process, so that a later process can find out whether it still lives.

Process ids are reused, and wall time moves: only host, pid, start ticks and boot id together name one process
for ever. A zombie counts as gone. Limits: a process on another machine, in another pid namespace or of
another boot cannot be checked from here; then only its heartbeat counts (`is_alive` returns None).
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_FALLBACK_TICKS_PER_S = 100  # where the kernel gives no start ticks, hundredths of psutil's creation time


@dataclass(frozen=True)
class ProcessIdentity:
    """One process for ever: `host` names machine and pid namespace, `start_ticks` the moment since boot."""

    host: str
    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True)
class _Sighting:
    start_ticks: int
    gone: bool


def current() -> ProcessIdentity:
    """The identity of this process.

    Raises:
        RuntimeError: the system does not let this process see itself.
    """
    identity = identity_of(os.getpid())
    if identity is None:
        raise RuntimeError("the system shows no entry for this very process")
    return identity


def identity_of(pid: int) -> ProcessIdentity | None:
    """The identity of a process on this machine, or None where it is gone, a zombie or hidden from us."""
    seen = _look(pid)
    if seen is None or seen.gone:
        return None
    return ProcessIdentity(host_id(), pid, seen.start_ticks, boot_id())


def is_alive(identity: ProcessIdentity) -> bool | None:
    """Whether that very process still runs.

    Args:
        identity: as the process once gave it.
    Returns:
        True, False (gone, a zombie, or its number now belongs to another), or None where only a heartbeat can
        show it: another machine, another pid namespace, another boot, or a process hidden from us.
    """
    if identity.host != host_id() or identity.boot_id != boot_id():
        return None
    seen = _look(identity.pid)
    if seen is None:
        return None
    return not seen.gone and seen.start_ticks == identity.start_ticks


@cache
def host_id() -> str:
    """Names this machine and, in a container, its pid namespace: 16 hex digits."""
    parts = (_read("/etc/machine-id"), socket.gethostname(), _pid_namespace())
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


@cache
def machine_id() -> str:
    """Names this machine, in every container of one name alike: 16 hex digits."""
    parts = (_read("/etc/machine-id"), socket.gethostname())
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


@cache
def boot_id() -> str:
    """Names the running boot; `unknown` where it has no name (start times are absolute there)."""
    return _read("/proc/sys/kernel/random/boot_id") or "unknown"


def _look(pid: int) -> _Sighting | None:
    """Start and state of a process now; None where the system hides it."""
    return _look_in_proc(pid) if _has_proc() else _look_by_psutil(pid)


@cache
def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


def _look_by_psutil(pid: int) -> _Sighting | None:
    try:
        process = psutil.Process(pid)
        ticks = round(process.create_time() * _FALLBACK_TICKS_PER_S)
        return _Sighting(ticks, gone=process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return _Sighting(0, gone=True)
    except psutil.AccessDenied:
        return None


def _look_in_proc(pid: int) -> _Sighting | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        # Under hidepid the processes of others have no entry either: then psutil's signal 0 still finds them.
        return None if psutil.pid_exists(pid) else _Sighting(0, gone=True)
    except PermissionError:
        return None
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold anything
    return _Sighting(start_ticks=int(fields[19]), gone=fields[0] in ("Z", "X", "x"))


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
