"""The first listing of many runs, which a thread does beside the GUI thread. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

from iterand_engine.store import SweepRow
from iterand_gui.live.collector import undisturbed
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.pages.runs.lines.tree import TOP, RunTree


def list_runs(changes: Sequence[RunsChange], sweeps: Sequence[SweepRow], column: int) -> RunTree:
    """All lines after many changes, sorted once by a column; for a thread, as nobody else has them yet."""
    tree = RunTree()
    with undisturbed(sum(len(change.rows) for change in changes)):
        tree.set_sweeps(sweeps)
        for change in changes:
            tree.take(change)
        tree.in_order(tree.members(TOP), column, descending=False)
    return tree
