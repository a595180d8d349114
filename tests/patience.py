"""How long tests wait for what has to come, and how slow the machine is at the moment.

What has to come is awaited, not counted on after a fixed time: a busy machine may be ten times slower than a
quiet one, and a test that fails there says nothing.
"""

from __future__ import annotations

import time

PATIENCE_S = 120.0
WAIT_MS = 120_000  # the same, for Qt
SHOWN_WITHIN_S = 5.0  # what dies is shown as dead, on a quiet machine
_SAMPLE_S = 0.05


def seconds_here(quiet_s: float) -> float:
    """What some seconds of a quiet machine are on this one now: more, where others want its cores, too.

    Args:
        quiet_s: a bar that holds where a thread that can run does run.
    """
    began_s, cpu_s = time.monotonic(), time.thread_time()
    while time.thread_time() - cpu_s < _SAMPLE_S:
        pass
    return quiet_s * max(1.0, (time.monotonic() - began_s) / _SAMPLE_S)
