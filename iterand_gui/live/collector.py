"""Keeps Python's cyclic collector from stopping the window while thousands of objects are made that stay.

A full pass over what 10,000 runs are made of takes 0.3 s, in which no thread runs; the collector makes
several while they are listed, and one now and then later. Without them the longest stall was a third as long,
and the start takes a sixth less.
Price: cycles that were garbage at that moment are never freed; there are hardly any then.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 1_000  # objects made at once, each of dozens of Python's


def put_off() -> None:
    """No collection from now on: the process starts, and nearly all that it makes then stays."""
    gc.disable()


def resume() -> None:
    """Collect again, but never what is there by now."""
    gc.freeze()
    gc.enable()


@contextmanager
def undisturbed(count: int) -> Iterator[None]:
    """No collection while many objects are made, nor of them later; nothing special for few.

    Args:
        count: how many, such as runs.
    """
    if count < MANY or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        resume()
