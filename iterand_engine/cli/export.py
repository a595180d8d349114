"""`iterand export` and `iterand reproduce`: write a run's results, and repeat a run to compare it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iterand_engine.cli.common import RunArgument, WorkspaceOption, opened, result, results_alone, say, size
from iterand_engine.cli.progress import progress_display
from iterand_engine.errors import ExitCode
from iterand_engine.machine.signals import StopSignals
from iterand_engine.machine.user_path import user_path
from iterand_engine.results.mask_export import ExportFormat, export_masks, known_format
from iterand_engine.runs.report import Watched

if TYPE_CHECKING:
    from iterand_engine.runs.reproduce import Reproduction


def export(
    run: RunArgument,
    format: Annotated[str, typer.Option(metavar="masks|safetensors", help="What to write.")],
    out: Annotated[Path, typer.Option(metavar="PATH", help="The file to write.")],
    epoch: Annotated[
        str, typer.Option(metavar="N|best|last", help="Epochs trained, best validation accuracy, or last.")
    ] = "last",
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a run's masks (numpy), or its pruned network (safetensors)."""
    with opened(workspace) as at:
        run_id = at.store.reader.resolve(run)
        out = user_path(out, "--out")
        write = _writer(known_format(format))
        number = write(at.workspace, at.store, run_id, out, epoch=epoch, replace=force)
    result(f"{format} of run {run_id}, epoch {number}: {out} ({size(out.stat().st_size)})")


def _writer(form: ExportFormat) -> Callable[..., int]:
    if form is ExportFormat.MASKS:
        return export_masks
    from iterand_engine.training.network_export import export_network  # imports torch

    return export_network


def reproduce(
    run: RunArgument,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Compare so many steps only.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Train a run again, in a temporary workspace, and say whether it comes out bit for bit the same."""
    with opened(workspace) as at, StopSignals() as signals:
        run_id = at.store.reader.resolve(run)
        from iterand_engine.runs.reproduce import reproduce_run

        with progress_display() as display, results_alone():
            around = Watched(display, signals)
            comparison = reproduce_run(at.workspace, at.store, run_id, steps=steps, around=around)
    raise typer.Exit(_report(comparison))


def _report(comparison: Reproduction) -> ExitCode:
    if comparison.is_identical:
        result(f"bit-identical up to step {comparison.steps}")
    elif comparison.difference is not None:
        result(f"first difference at {comparison.difference}")
    else:
        result(f"equal series up to step {comparison.steps}, but the final networks differ")
    for note in comparison.notes:
        say(note)
    for point in comparison.environments:
        say(f"environments differ: {point}")
    if not comparison.is_identical and not comparison.environments:
        say("the environments do not differ")
    if comparison.was_stopped:
        say("stopped before the end")
        return ExitCode.STOPPED
    return ExitCode.OK if comparison.is_identical else ExitCode.FAILED
