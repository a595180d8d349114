"""The lines of the run table as a tree: sweeps hold groups, groups of several seeds hold runs. No Qt.

Lines are numbered and keep their numbers; what a change touches is worked out run by run, so that a tick
costs what changed and not what there is. The order of lines is a numpy index array over the shown ones.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iterand_engine.results.filters import Filter
from iterand_engine.results.groups import Group, Groups
from iterand_engine.store import RunRow, RunState, SweepRow
from iterand_engine.store.records import Json
from iterand_gui.live.store_reader import RunsChange
from iterand_gui.look.run_line import LineKind, RunLine, line_of_group, line_of_run, line_of_sweep, place_text
from iterand_gui.pages.runs.lines.columns import COLUMN, COLUMNS
from iterand_gui.pages.runs.lines.filter import FilteredRuns

Numbers = NDArray[np.intp]
Identity = tuple[LineKind, str]
TOP = 0  # stands for the parent of the top lines, as Qt has it; lines count from 1
MADE = -1  # stands for the column by which equal lines are ordered
_DIFFERS = COLUMN["differs"]


@dataclass
class _Node:
    """A line's place. `members` are the numbers of what it holds; of a run none."""

    kind: LineKind
    key: str
    parent: int = TOP
    members: list[int] = field(default_factory=list)
    line: RunLine | None = None


class RunTree:
    """All runs as lines, and which of them a filter shows."""

    def __init__(self) -> None:
        self.rows: dict[str, RunRow] = {}
        self.configs: dict[str, Json] = {}
        self.filter = Filter()
        self._groups = Groups()
        self._sweeps: dict[str, SweepRow] = {}
        self._sweep_of_run: dict[str, str] = {}
        self._nodes: dict[int, _Node] = {}
        self._numbers: dict[Identity, int] = {}
        self._next = TOP + 1
        self._top: tuple[dict[str, int], list[int]] | None = (
            None  # groups by key, sweeps; made when asked for
        )
        self.unfolding = {TOP}  # the lines that hold others
        self._filtered = FilteredRuns(self.rows, self.configs)
        self._shown: set[str] | None = None  # ids of runs that meet the filter; None: all do
        self._shown_groups: Counter[str] = Counter()  # how many of them each group has, where it has any
        self._sort_values: dict[int, NDArray[np.float64]] = {}  # by column, of all lines by their numbers
        self._differs: Mapping[str, str] = {}

    def restructures(self, change: RunsChange) -> bool:
        """Whether a change means that other lines are shown; else only what they say is new."""
        if any(row.id not in self.rows for row in change.rows) or not self.rows.keys().isdisjoint(
            change.removed
        ):
            return True
        now = time.time()
        return self._shown is not None and any(
            self.filter.matches(row, self.configs[row.id], now) != (row.id in self._shown)
            for row in change.rows
        )

    def take(self, change: RunsChange) -> set[int]:
        """Take in runs that are new or have changed, and let go of others.

        Returns:
            The lines that read anew.
        """
        rows = change.rows
        new = [row.id for row in rows if row.id not in self.rows]
        gone = [run_id for run_id in change.removed if run_id in self.rows]
        self.configs.update({run_id: change.configs[run_id] for run_id in new})
        self.rows.update({row.id: row for row in rows})
        self._filter_again(rows, gone)
        for run_id in gone:
            del self.rows[run_id], self.configs[run_id]
        self._filtered.rows_changed(others=bool(new or gone))
        if new or gone:
            self._top = None
        for column in list(self._sort_values):
            if new or gone or (column != MADE and COLUMNS[column].changes):
                del self._sort_values[column]
        numbers: set[int] = set()
        for key in self._groups.update(rows, gone):
            numbers |= self._renew_group(key)
        for row in rows:
            numbers |= self._stale(self._numbers.get((LineKind.RUN, row.id)))
        return numbers

    def set_sweeps(self, sweeps: Sequence[SweepRow]) -> None:
        """Know which runs were made together; a group stands in the newest sweep that has one of its runs."""
        known = {sweep.id: sweep for sweep in sweeps}
        if known == self._sweeps:
            return
        self._sweeps, self._top = known, None
        self._sort_values.clear()
        oldest_first = sorted(sweeps, key=lambda sweep: sweep.created_at)
        self._sweep_of_run = {run_id: sweep.id for sweep in oldest_first for run_id in sweep.run_ids}
        for group in self._groups.newest_first():
            self._place(self._numbers[LineKind.GROUP, group.key], group)
        for node in self._nodes.values():
            if node.kind is LineKind.SWEEP:
                node.line = None

    def set_filter(self, wanted: Filter, now: float) -> None:
        """Show the runs that meet a filter only; `now` in seconds since 1970."""
        self.filter = wanted
        everything = not wanted.words and not wanted.conditions
        self._shown = None if everything else self._filtered.matching(wanted, now)
        self._shown_groups = Counter(self.rows[run_id].group_key for run_id in self._shown or ())

    def set_differs(self, texts: Mapping[str, str]) -> None:
        """What sets each group apart, by its key."""
        self._differs = texts
        self._sort_values.pop(_DIFFERS, None)

    @property
    def shown_count(self) -> int:
        """Runs that meet the filter."""
        return len(self.rows) if self._shown is None else len(self._shown)

    def shown_configs(self) -> dict[str, Json]:
        """The configuration of one run of each group that is shown, by the group's key."""
        return {
            node.key: self.configs[self.line(number).lead.id]
            for number, node in self._nodes.items()
            if node.kind is LineKind.GROUP and self._is_shown(number)
        }

    def members(self, number: int) -> Numbers:
        """The lines that are shown in another, or at the top, in no order; empty for a run."""
        if number == TOP:
            return np.array(self._top_lines(), np.intp)
        inside = self._nodes[number].members if self.unfolds(number) else []
        return np.array([each for each in inside if self._is_shown(each)], np.intp)

    def _top_lines(self) -> list[int]:
        if self._top is None:
            top = [(each, node) for each, node in self._nodes.items() if node.parent == TOP]
            groups = {node.key: each for each, node in top if node.kind is LineKind.GROUP}
            self._top = groups, [each for each, node in top if node.kind is LineKind.SWEEP]
        groups, sweeps = self._top
        if self._shown is None:
            return [*groups.values(), *sweeps]
        found = [groups[key] for key in self._shown_groups if key in groups]
        return found + [each for each in sweeps if self._is_shown(each)]

    def identity(self, number: int) -> Identity:
        """Names a line in every tree that has it."""
        node = self._nodes[number]
        return node.kind, node.key

    def find(self, identity: Identity) -> int | None:
        """The number of a line here; None where it is not there (any more)."""
        return self._numbers.get(identity)

    def everything(self) -> RunsChange:
        """All runs as one change, from which another tree can be made."""
        newest_first = sorted(self.rows.values(), key=lambda row: row.created_at, reverse=True)
        return RunsChange(tuple(newest_first), dict(self.configs), frozenset(), is_all=True)

    def unfolds(self, number: int) -> bool:
        """Whether a line holds others; a group of one run is that run."""
        return number in self.unfolding

    def parent(self, number: int) -> int:
        """The line that holds another, or TOP."""
        return self._nodes[number].parent

    def kind(self, number: int) -> LineKind:
        """What a line stands for; a group of one run is a run."""
        return self.line(number).kind

    def key(self, number: int) -> str:
        """The id of the run or sweep, or the key of the group."""
        node = self._nodes[number]
        return self.line(number).lead.id if self.kind(number) is LineKind.RUN else node.key

    def sweep(self, number: int) -> SweepRow | None:
        """The sweep that a line stands for."""
        node = self._nodes[number]
        return self._sweeps[node.key] if node.kind is LineKind.SWEEP else None

    def group(self, number: int) -> Group | None:
        """The group that a line stands for, also where it has one run only."""
        node = self._nodes[number]
        return self._groups.get(node.key) if node.kind is LineKind.GROUP else None

    def cell_states(self, number: int) -> tuple[RunState, ...]:
        """How the groups of a sweep's line stand, in the order in which they were made."""
        lines = [self.line(each) for each in self._nodes[number].members]
        return tuple(line.state for line in sorted(lines, key=lambda line: line.lead.created_at))

    def number_of_run(self, run_id: str) -> int | None:
        """The line of a run: its own, or that of its group where it is the only one."""
        number = self._numbers.get((LineKind.RUN, run_id))
        if number is None:
            return None
        parent = self._nodes[number].parent
        return number if self.unfolds(parent) else parent

    def run_ids(self, number: int) -> list[str]:
        """The shown runs that a line stands for, the newest first in each group, as are the groups."""
        node = self._nodes[number]
        if node.kind is LineKind.RUN:
            return [node.key] if self._meets(node.key) else []
        members = node.members
        if node.kind is LineKind.SWEEP:
            members = sorted(members, key=lambda each: -self.line(each).lead.created_at)
        return [run_id for each in members for run_id in self.run_ids(each)]

    def line(self, number: int) -> RunLine:
        node = self._nodes[number]
        if node.line is None:
            node.line = self._make_line(node)
        return node.line

    def differs(self, number: int) -> str:
        """What sets a line apart; of a sweep's cell its place in the sweep."""
        node = self._nodes[number]
        above = self._nodes.get(node.parent)
        if node.kind is LineKind.GROUP and above is not None:
            return place_text(self._sweeps[above.key], self.configs[self.line(number).lead.id])
        return self.line(number).differs or self._differs.get(node.key, "")

    def text(self, number: int, column: int, now: float) -> str:
        """What stands in a column; `now` in seconds since 1970."""
        return self.differs(number) if column == _DIFFERS else COLUMNS[column].text(self.line(number), now)

    def in_order(self, numbers: Numbers, column: int, *, descending: bool) -> Numbers:
        """Sort lines by a column; equal ones the newest first, unknown values last either way."""
        if len(numbers) and self._nodes[int(numbers[0])].kind is LineKind.RUN:  # few, and seldom looked at
            listed = numbers.tolist()
            values, made = self._sorted_by(listed, column), self._sorted_by(listed, MADE)
        else:
            values, made = self._values(column)[numbers], self._values(MADE)[numbers]
        return numbers[np.lexsort((made, -values if descending else values))]

    def _values(self, column: int) -> NDArray[np.float64]:
        """What each line but those of runs within groups is sorted by, at its number."""
        found = self._sort_values.get(column)
        if found is None:
            found = self._sort_values[column] = np.zeros(self._next)
            numbers = [number for number, node in self._nodes.items() if node.kind is not LineKind.RUN]
            found[numbers] = self._sorted_by(numbers, column)
        return found

    def _sorted_by(self, numbers: Sequence[int], column: int) -> NDArray[np.float64]:
        """What lines are sorted by, as numbers: of texts their rank among all of them."""
        values = self._listed_by(numbers, column)
        if values and isinstance(values[0], str):
            ranks = {text: rank for rank, text in enumerate(sorted(set(values)))}
            values = [ranks[value] for value in values]
        return np.array(values, np.float64)

    def _listed_by(self, numbers: Sequence[int], column: int) -> list[Any]:
        # Of thousands of lines at a time: hence without a function for one.
        if column == _DIFFERS:
            return [self.differs(number).casefold() for number in numbers]
        lines = map(self.line, numbers)
        if column == MADE:
            return [-line.lead.created_at for line in lines]
        return list(map(COLUMNS[column].sort, lines))

    def _make_line(self, node: _Node) -> RunLine:
        if node.kind is LineKind.RUN:
            return line_of_run(self.rows[node.key], in_group=True)
        if node.kind is LineKind.GROUP:
            group = self._groups.get(node.key)
            assert group is not None  # its line would be gone
            return line_of_group(group)
        groups = (self._groups.get(self._nodes[each].key) for each in node.members)
        return line_of_sweep(self._sweeps[node.key], [group for group in groups if group is not None])

    def _renew_group(self, key: str) -> set[int]:
        """Bring a group's lines up to date; returns those that read anew."""
        group = self._groups.get(key)
        number = self._number(LineKind.GROUP, key)
        node = self._nodes[number]
        kept = {} if group is None else {self._number(LineKind.RUN, row.id): None for row in group.runs}
        for each in node.members:
            if each not in kept:
                self._remove(each)
        node.members = list(kept)
        (self.unfolding.add if len(kept) > 1 else self.unfolding.discard)(number)
        for each in kept:
            self._nodes[each].parent = number
        touched = self._stale(number)
        if group is None:
            self._leave(number)
            self._remove(number)
            return touched - {number}
        self._place(number, group)
        return touched | self._stale(node.parent)

    def _place(self, number: int, group: Group) -> None:
        """Put a group's line into its sweep, or to the top."""
        of_run = self._sweep_of_run
        sweeps = [of_run[row.id] for row in group.runs if row.id in of_run] if of_run else []
        newest = max(sweeps, key=lambda each: self._sweeps[each].created_at, default=None)
        parent = TOP if newest is None else self._number(LineKind.SWEEP, newest)
        node = self._nodes[number]
        if node.parent != parent:
            self._leave(number)
            node.parent = parent
            if parent != TOP:
                self._nodes[parent].members.append(number)
                self._nodes[parent].line = None

    def _leave(self, number: int) -> None:
        """Take a group's line out of its sweep, which goes with the last one."""
        parent = self._nodes[number].parent
        if parent == TOP:
            return
        sweep = self._nodes[parent]
        sweep.members.remove(number)
        sweep.line = None
        if not sweep.members:
            self._remove(parent)

    def _number(self, kind: LineKind, key: str) -> int:
        number = self._numbers.get((kind, key))
        if number is None:
            number = self._numbers[kind, key] = self._next
            self._nodes[number] = _Node(kind, key)
            if kind is LineKind.SWEEP:
                self.unfolding.add(number)
            self._next += 1
        return number

    def _remove(self, number: int) -> None:
        node = self._nodes.pop(number)
        del self._numbers[node.kind, node.key]
        self.unfolding.discard(number)

    def _stale(self, number: int | None) -> set[int]:
        """Let a line and those that hold it be made anew."""
        touched: set[int] = set()
        while number is not None and number in self._nodes:
            self._nodes[number].line = None
            touched.add(number)
            number = self._nodes[number].parent
        return touched

    def _filter_again(self, changed: Sequence[RunRow], gone: Sequence[str]) -> None:
        """Ask the filter about runs that changed."""
        if self._shown is None:
            return
        now = time.time()
        fits = {row.id: self.filter.matches(row, self.configs[row.id], now) for row in changed}
        for run_id, is_shown in (fits | dict.fromkeys(gone, False)).items():
            if is_shown != (run_id in self._shown):
                (self._shown.add if is_shown else self._shown.discard)(run_id)
                key = self.rows[run_id].group_key
                self._shown_groups[key] += 1 if is_shown else -1
                if not self._shown_groups[key]:
                    del self._shown_groups[key]

    def _meets(self, run_id: str) -> bool:
        return self._shown is None or run_id in self._shown

    def _is_shown(self, number: int) -> bool:
        if self._shown is None:
            return True
        node = self._nodes[number]
        if node.kind is LineKind.SWEEP:
            return any(map(self._is_shown, node.members))
        return node.key in self._shown if node.kind is LineKind.RUN else node.key in self._shown_groups
