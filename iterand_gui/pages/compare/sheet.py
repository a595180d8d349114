"""The table below the plot as data: an entry a row, results, then what differs; CSV and Markdown. No Qt.

Figures are of the finished seeds, as on every page; `so far` marks those of runs that have not finished.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from iterand_engine.machine import texts as shown
from iterand_engine.results.differences import short_names, value_text
from iterand_engine.results.groups import Figure, figure
from iterand_engine.store import Locked, RunState
from iterand_gui.pages.compare.entries import ComparedEntry, Comparison
from iterand_gui.pages.compare.facts import Known

NAME, SEEDS, ACCURACY, DELTA, TEST = "name", "n", "accuracy", "delta", "test"
KEPT, TIME, PROGRAM, HARDWARE = "kept", "time", "program", "hardware"
OPTION = "option "  # begins the key of an option's column
SortValue = tuple[int, float, str]
_ENDED_BADLY = (RunState.DIVERGED, RunState.FAILED, RunState.INTERRUPTED)
_LAST: SortValue = (2, 0.0, "")  # what is not known comes last


@dataclass(frozen=True)
class SheetColumn:
    """One column: its key, title, what it is, and what its parts are called in a CSV file."""

    key: str
    title: str
    help: str
    parts: tuple[str, ...]
    is_number: bool = False


@dataclass(frozen=True)
class SheetCell:
    """One cell: the text, what it sorts by, its parts for a CSV file, and whether it asks for a look."""

    text: str
    sort: SortValue
    parts: tuple[str, ...]
    warns: bool = False


@dataclass(frozen=True)
class ComparisonSheet:
    """Rows by entry key, in the order of the entries."""

    columns: tuple[SheetColumn, ...]
    rows: Mapping[str, tuple[SheetCell, ...]]
    baseline: str | None = None

    def keys(self, column: str | None = None, *, descending: bool = False) -> list[str]:
        """The entries in the order of a column; the baseline is always first, what is not known last."""
        at = next((n for n, one in enumerate(self.columns) if one.key == column), None)
        keys = list(self.rows)
        if at is not None:
            known = [key for key in keys if self.rows[key][at].sort != _LAST]
            known.sort(key=lambda key: self.rows[key][at].sort, reverse=descending)
            keys = known + [key for key in keys if self.rows[key][at].sort == _LAST]
        return sorted(keys, key=lambda key: key != self.baseline)


@dataclass(frozen=True)
class SheetInputs:
    """What a sheet is made of beside the comparison.

    `baseline` is the pinned entry's key; `all_options` adds the options that all have in common.
    """

    known: Known
    baseline: str | None
    all_options: bool


def make_sheet(comparison: Comparison, view: SheetInputs) -> ComparisonSheet:
    base = comparison.get(view.baseline)
    columns = _columns(comparison, view, base)
    base_accuracy = base.accuracy[0] if base is not None else None
    made = {
        entry.key: _Row(comparison, view, entry, base, base_accuracy).cells(columns)
        for entry in comparison.entries
    }
    return ComparisonSheet(columns, made, base.key if base else None)


def as_csv(sheet: ComparisonSheet, keys: Sequence[str]) -> str:
    """A sheet for spreadsheets: numbers in full, accuracies as shares, rows as given."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([part for column in sheet.columns for part in column.parts])
    writer.writerows([part for cell in sheet.rows[key] for part in cell.parts] for key in keys)
    return text.getvalue()


def as_markdown(sheet: ComparisonSheet, keys: Sequence[str]) -> str:
    """A sheet as it is read, as a Markdown table."""
    rule = ["---:" if column.is_number else "---" for column in sheet.columns]
    lines = [[_escaped(column.title) for column in sheet.columns], rule]
    lines += [[_escaped(cell.text) for cell in sheet.rows[key]] for key in keys]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _columns(
    comparison: Comparison, view: SheetInputs, base: ComparedEntry | None
) -> tuple[SheetColumn, ...]:
    """What came out stands beside the names, so that it is seen however many options differ."""
    names = comparison.found.names
    made = [_column(NAME, "Name", "The run, or the newest run of the group")]
    made.append(_column(SEEDS, "n", "Seeds that have finished, and what became of the others"))
    made.append(_spread(ACCURACY, "Validation accuracy", "Mean and deviation over finished seeds"))
    if base is not None:
        said = f"Percentage points above {base.name}"
        made.append(_column(DELTA, "Difference (points)", said, is_number=True))
    made.append(_spread(TEST, "Test accuracy", "Mean and deviation over finished seeds"))
    if view.known.kept:
        made.append(_column(KEPT, "Kept weights", "Convolution and linear weights kept", is_number=True))
    made.append(_column(TIME, "Training time", "Mean over the seeds", is_number=True))
    made += [_column(OPTION + option, name, option) for option, name in names.items()]
    for key, title, text_of in ((PROGRAM, "Program", _programs), (HARDWARE, "Hardware", _hardware)):
        if len({each for entry in comparison.entries for each in text_of(entry, view.known)}) > 1:
            made.append(_column(key, title, "It is not the same in all runs that are compared"))
    if view.all_options:
        shared = short_names([*names, *comparison.shared])
        made += [_column(OPTION + option, shared[option], option) for option in comparison.shared]
    return tuple(made)


def _column(key: str, title: str, help: str, *, is_number: bool = False) -> SheetColumn:
    return SheetColumn(key, title, help, (title,), is_number)


def _spread(key: str, title: str, help: str) -> SheetColumn:
    return SheetColumn(key, title, help, (title, f"{title}, deviation"), is_number=True)


@dataclass(frozen=True)
class _Row:
    """Makes the cells of one entry."""

    comparison: Comparison
    view: SheetInputs
    entry: ComparedEntry
    base: ComparedEntry | None
    base_accuracy: Figure | None

    def cells(self, columns: Sequence[SheetColumn]) -> tuple[SheetCell, ...]:
        return tuple(self._cell(column.key) for column in columns)

    def _cell(self, key: str) -> SheetCell:
        if key.startswith(OPTION):
            return self._option(key.removeprefix(OPTION))
        makers: dict[str, Callable[[], SheetCell]] = {
            NAME: lambda: _text(self.entry.lead.name),
            SEEDS: self._seeds,
            ACCURACY: self._accuracy,
            DELTA: self._delta,
            TEST: self._test,
            KEPT: self._kept,
            TIME: self._time,
            PROGRAM: lambda: _several(_programs(self.entry, self.view.known)),
            HARDWARE: lambda: _several(_hardware(self.entry, self.view.known)),
        }
        return makers[key]()

    def _option(self, option: str) -> SheetCell:
        values = self.comparison.found.values[self.entry.key]
        shared = self.comparison.shared
        if option not in values and option not in shared:
            return SheetCell("", _LAST, ("",))
        value = values[option] if option in values else shared[option]
        text = value_text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return SheetCell(text, (0, float(value), ""), (text,))
        return SheetCell(text, (1, 0.0, text), (text,))

    def _seeds(self) -> SheetCell:
        """What became of the seeds, and whether they compare at all."""
        group, known = self.entry.group, self.view.known
        said = [group.text if self.entry.is_group else _state(self.entry)]
        said += ["mixed programs"] if len(_programs(self.entry, known)) > 1 else []
        said += ["mixed hardware"] if len(_hardware(self.entry, known)) > 1 else []
        warns = len(said) > 1 or any(run.state in _ENDED_BADLY for run in group.seeds)
        text = ", ".join(said)
        return SheetCell(text, (0, float(group.n), ""), (text,), warns)

    def _accuracy(self) -> SheetCell:
        found, so_far = self.entry.accuracy
        return _figure(found, " so far" if so_far else "")

    def _delta(self) -> SheetCell:
        mean = self.entry.accuracy[0].mean
        if self.base is not None and self.entry.key == self.base.key:
            return SheetCell("baseline", (0, 0.0, ""), ("0",))
        if mean is None or self.base_accuracy is None or self.base_accuracy.mean is None:
            return SheetCell(shown.MISSING, _LAST, ("",))
        delta = mean - self.base_accuracy.mean
        return SheetCell(shown.points(delta), (0, delta, ""), (_digits(delta),))

    def _test(self) -> SheetCell:
        test = self.view.known.test
        found = [test[run.id] for run in self.entry.group.counted if run.id in test]
        locked = sum(isinstance(value, Locked) for value in found)
        if not locked:
            return _figure(figure(value for value in found if not isinstance(value, Locked)), "")
        if locked == len(found):
            return SheetCell(str(Locked.LOCKED), _LAST, (str(Locked.LOCKED), ""))
        known = figure(value for value in found if not isinstance(value, Locked))
        return _figure(known, f" (n = {known.n}, {locked} locked)")

    def _kept(self) -> SheetCell:
        kept = self.view.known.kept.get(self.entry.lead.group_key)
        if kept is None:
            return SheetCell(shown.MISSING, _LAST, ("",))
        return SheetCell(shown.count(kept), (0, float(kept), ""), (str(kept),))

    def _time(self) -> SheetCell:
        mean = figure(run.elapsed_s for run in self.entry.curve_runs if run.elapsed_s).mean
        if mean is None:
            return SheetCell(shown.MISSING, _LAST, ("",))
        return SheetCell(shown.duration(mean), (0, mean, ""), (f"{mean:.1f}",))


def _state(entry: ComparedEntry) -> str:
    state = entry.lead.state.value
    return "1" if state == "finished" else f"0 of 1, {state}"


def _figure(found: Figure, more: str) -> SheetCell:
    if found.mean is None or math.isnan(found.mean):
        return SheetCell(shown.MISSING, _LAST, ("", ""))
    deviation = "" if found.deviation is None else _digits(found.deviation)
    text = shown.percent_spread(found.mean, found.deviation) + more
    return SheetCell(text, (0, found.mean, ""), (_digits(found.mean), deviation))


def _digits(value: float) -> str:
    """All digits that say something: sums of shares have noise in the last ones."""
    return f"{value:.10g}"


def _text(text: str) -> SheetCell:
    return SheetCell(text, (0, 0.0, text.casefold()), (text,))


def _several(texts: Sequence[str]) -> SheetCell:
    """What should be one; several say so."""
    listed = ", ".join(texts)
    text = f"mixed: {listed}" if len(texts) > 1 else listed
    return SheetCell(text, (0, 0.0, text), (text,), warns=len(texts) > 1)


def _programs(entry: ComparedEntry, known: Known) -> tuple[str, ...]:
    return entry.group.programs


def _hardware(entry: ComparedEntry, known: Known) -> tuple[str, ...]:
    """The devices of the seeds that began; kinds of device, for all of them, where a name is not known."""
    began = [run for run in entry.group.seeds if run.step]
    names = {known.devices.get(run.id, "") for run in began}
    return tuple(sorted({run.device_kind for run in began} if "" in names else names))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
