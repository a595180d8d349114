"""The facts that the side panel reports of runs, as names and values. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iterand_engine.machine import texts as shown
from iterand_engine.results.groups import Group, by_experiment, figure
from iterand_engine.store import RunRow, SweepRow
from iterand_engine.store.records import Locked
from iterand_gui.look.run_line import RunLine, line_of_group, line_of_sweep
from iterand_gui.pages.runs.lines.columns import seeds_text

Fact = tuple[str, str]


def about(row: RunRow) -> str:
    """What a run is, in one line."""
    what = f"{row.model} x{row.width_factor:g} · {row.method} · {row.dataset}"
    return f"{what} · {row.precision} on {row.device_kind}"


def group_facts(group: Group, tests: Mapping[str, float | Locked | None]) -> list[Fact]:
    """What is known of a group, or of a single run as a group of its own.

    Args:
        group: the runs.
        tests: test accuracies by run id, as the lock lets them out.
    """
    line, newest = line_of_group(group), group.runs[0]
    accuracy = shown.percent_spread(line.accuracy.mean, line.accuracy.deviation)
    so_far = line.is_preliminary and line.accuracy.mean is not None
    facts = [("Validation accuracy", f"{accuracy} so far" if so_far else accuracy)]
    test = test_text(group.counted, tests)
    if test:
        facts.append(("Test accuracy", test))
    if len(group.seeds) > 1:
        facts.append(("Seeds", f"{seeds_text(line.seeds)} ({group.text})"))
    else:
        facts.append(("Seed", str(newest.seed)))
    if line.is_live:
        facts.append(("Steps", shown.progress(newest.step, newest.total_steps)))
        facts.append(("Time left", shown.time_left(line.left_s) or shown.MISSING))
    if line.spent_s:
        facts.append(_spent(line))
    if newest.ended_at and not line.is_live:
        facts.append(("Ended", shown.moment(newest.ended_at)))
    if len(group.programs) > 1:
        facts.append(("Programs differ", ", ".join(group.programs)))
    if len(group.hardware()) > 1:
        facts.append(("Devices differ", ", ".join(group.hardware())))
    return facts


def sweep_facts(sweep: SweepRow, groups: Sequence[Group]) -> list[Fact]:
    """What is known of a sweep beside its grid."""
    if not groups:
        return []
    line = line_of_sweep(sweep, groups)
    facts = [("Cells finished", line.n_text.removesuffix(" cells")), ("Seeds", seeds_text(line.seeds))]
    if line.is_live:
        facts.append(("Time left", shown.time_left(line.left_s) or shown.MISSING))
    if line.spent_s:
        facts.append(_spent(line))
    return facts


def several_facts(rows: Sequence[RunRow]) -> list[Fact]:
    """What is known of runs of several lines; a mean only where they are of one group."""
    known = figure(row.accuracy_so_far for row in rows)
    measured = [row for row in rows if row.accuracy_so_far is not None]
    best = max(measured, key=lambda row: row.accuracy_so_far or 0.0, default=None)
    facts: list[Fact] = []
    if best is not None:
        facts.append(
            ("Best accuracy", f"{shown.percent(best.accuracy_so_far)}, {best.name}, seed {best.seed}")
        )
    if len(by_experiment(rows)) > 1:
        facts.append(("Measured", f"{known.n} of {shown.counted(len(rows), 'run')}"))
    elif known.n > 1:
        facts.append(("Mean", shown.percent_spread(known.mean, known.deviation)))
    spent_s = sum(row.elapsed_s for row in rows)
    return [*facts, ("Training took", shown.duration(spent_s))] if spent_s else facts


def test_text(rows: Sequence[RunRow], tests: Mapping[str, float | Locked | None]) -> str:
    """Test accuracy of the finished runs of a group; empty where none is known (yet)."""
    found = [tests[row.id] for row in rows if row.id in tests]
    if any(isinstance(value, Locked) for value in found):
        return str(Locked.LOCKED)
    known = figure(value for value in found if isinstance(value, float))
    return shown.percent_spread(known.mean, known.deviation) if known.n else ""


def _spent(line: RunLine) -> Fact:
    return "Trained so far" if line.is_live else "Training took", shown.duration(line.spent_s)
