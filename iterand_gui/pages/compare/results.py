"""Final validation accuracy over width factor or kept weights, as lines through the means of seeds. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from iterand_gui.pages.compare.entries import ComparedEntry, Comparison
from iterand_gui.plots.point_lines import PointLine, RunPoint

WIDTH, SPARSITY, SEED = "model.width_factor", "method.sparsity", "training.seed"
Place = Callable[[ComparedEntry], float | None]


class Mode(StrEnum):
    """What the plot shows."""

    CURVES = "curves"
    WIDTH = "width"
    KEPT = "kept"


def line_name(comparison: Comparison, entry: ComparedEntry, mode: Mode) -> str:
    """The line that an entry stands on: what sets it apart besides its place: method, initialisation."""
    along = {WIDTH, SEED}
    if mode is Mode.KEPT and WIDTH not in comparison.found.names:
        along.add(SPARSITY)  # what else makes the number of kept weights differ
    return comparison.labels.text(entry.key, along) or entry.lead.method


def result_lines(comparison: Comparison, mode: Mode, place: Place) -> list[PointLine]:
    """The lines of a plot, each with its finished runs.

    Args:
        comparison: what is compared.
        mode: width or kept.
        place: where an entry's runs stand on the x axis; None where that is not known.
    """
    points: dict[str, list[RunPoint]] = {}
    for entry in comparison.entries:
        x = place(entry)
        on_line = points.setdefault(line_name(comparison, entry, mode), [])
        if x is not None:
            counted = ((run, run.val_accuracy) for run in entry.group.counted)
            on_line += [RunPoint(f"{run.name}, seed {run.seed}", x, y) for run, y in counted if y is not None]
    return [PointLine(name, name, colour_key(name), tuple(runs)) for name, runs in points.items()]


def colour_key(name: str) -> str:
    """Whose colour a line has: its own, as it is no run and no group."""
    return f"line {name}"
