"""Runs Python's cyclic collector in the window's thread, in small steps, and never over what stays.

By itself it runs in whichever thread makes the next object, and destroys there what it finds. Objects of Qt
must end in their own thread: a timer or widget that ends in another one crashes the window or stops it for
good. And a full pass over what 10,000 runs are made of takes 0.3 s, in which no thread runs.
Price: cycles that are garbage at the moment when many objects were made are never freed; few exist then.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

MANY = 1_000  # objects made at once, each of dozens of Python's
_EVERY_MS = 1_000
_being_made: set[object] = set()  # one entry for each thread that is making many objects


def put_off() -> None:
    """No collection by itself from now on, in any thread; the process starts, and what it makes stays."""
    gc.disable()


def begin(parent: QObject) -> None:
    """Collect what is due now and then, in the calling thread, but never what is there by now.

    Args:
        parent: as long as it lives.
    """
    from PySide6.QtCore import QTimer  # not before it is known that there is a display

    gc.freeze()
    timer = QTimer(parent, interval=_EVERY_MS)
    timer.timeout.connect(collect_due)
    timer.start()


def collect_due() -> None:
    """Collect as much as Python by itself would, but here and now."""
    if _being_made:
        return
    pairs = zip(gc.get_count(), gc.get_threshold(), strict=True)
    due = [generation for generation, (count, threshold) in enumerate(pairs) if count > threshold]
    if due:
        gc.collect(due[-1])


@contextmanager
def undisturbed(count: int) -> Iterator[None]:
    """No collection while many objects are made, nor of them later; nothing special for few.

    Args:
        count: how many, such as runs.
    """
    if count < MANY:
        yield
        return
    mark = object()
    _being_made.add(mark)
    try:
        yield
    finally:
        gc.freeze()
        _being_made.discard(mark)
