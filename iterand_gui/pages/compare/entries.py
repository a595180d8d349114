"""What is compared: the chosen runs, those that differ only by the seed folded into one entry. No Qt.

Limits: `MOST` entries; more curves than that nobody can distinguish.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from iterand_engine.config.axes import SEED
from iterand_engine.results.differences import ABSENT, Differences, differences, is_of_experiment, value_of
from iterand_engine.results.groups import Figure, Group, by_experiment, figure, group_of
from iterand_engine.store import RunRow, RunState
from iterand_engine.store.records import Json

MOST = 60
MOST_RUNS = 600
_ENDED_BADLY = (RunState.DIVERGED, RunState.FAILED)


@dataclass(frozen=True)
class ComparedEntry:
    """One run, or the chosen runs of one group.

    `key` names it in plot and table, `name` says what sets it apart, and `colour_key` whose colour it has.
    """

    key: str
    name: str
    colour_key: str
    group: Group
    config: Json

    @property
    def lead(self) -> RunRow:
        """Its newest run, which speaks for what all of them share."""
        return self.group.runs[0]

    @property
    def is_group(self) -> bool:
        """Whether there are several seeds."""
        return len(self.group.seeds) > 1

    @property
    def run_ids(self) -> tuple[str, ...]:
        """All of its runs, the newest first."""
        return tuple(run.id for run in self.group.runs)

    @cached_property
    def curve_runs(self) -> tuple[RunRow, ...]:
        """The run of each seed whose curve counts.

        A run that diverged or failed would bend the mean where it ends, so that it counts only where no other
        does.
        """
        well = tuple(run for run in self.group.seeds if run.state not in _ENDED_BADLY)
        return well or self.group.seeds

    @property
    def title(self) -> str:
        """Its name with the number of seeds that have finished: `iterand (n = 2 of 3)`."""
        return f"{self.name} (n = {self.group.text.partition(',')[0]})" if self.is_group else self.name

    @property
    def accuracy(self) -> tuple[Figure, bool]:
        """Validation accuracy of the finished runs, or else that so far, and whether it is so far."""
        if self.group.n:
            return self.group.accuracy, False
        found = figure(run.accuracy_so_far for run in self.curve_runs)
        return found, found.n > 0


@dataclass(frozen=True)
class Comparison:
    """The entries in the order of what differs, and how many there would be without the limit.

    `found` has the differing options by entry key.
    """

    entries: tuple[ComparedEntry, ...]
    found: Differences
    total: int
    runs_total: int

    def get(self, key: str | None) -> ComparedEntry | None:
        """One entry by its key; None where there is none."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def of_run(self, run_id: str | None) -> ComparedEntry | None:
        """The entry that a run belongs to."""
        return next((entry for entry in self.entries if run_id in entry.run_ids), None)

    @cached_property
    def labels(self) -> Differences:
        """What differs as names have it: what has the most values first, so that a cut name reports it."""
        return self.found.labels()

    @cached_property
    def shared(self) -> dict[str, object]:
        """The options that all have in common, by dotted option; not those that may differ in a group."""
        if not self.entries:
            return {}
        configs = [entry.config for entry in self.entries]
        options = (path for path in _leaves(configs[0]) if ".".join(path) not in self.found.names)
        common = {}
        for path in options:
            value = value_of(configs[0], path)
            if is_of_experiment(path) and all(value_of(config, path) == value for config in configs):
                common[".".join(path)] = value
        return common


NOTHING = Comparison((), Differences({}, {}), 0, 0)


def compare(rows: Sequence[RunRow], configs: Mapping[str, Json], *, fold: bool) -> Comparison:
    """Lay runs side by side.

    Args:
        rows: the chosen runs.
        configs: their configurations by run id.
        fold: whether runs of one group are one entry.
    """
    counted = rows[:MOST_RUNS]
    members = by_experiment(counted) if fold else {row.id: [row] for row in counted}
    groups = {key: group_of(key, of_key) for key, of_key in members.items()}
    leads = {key: configs[group.runs[0].id] for key, group in groups.items()}
    found = differences(leads, (SEED,) if fold else ())
    ordered = sorted(groups, key=lambda key: _order(found, key))
    names = _names(found, {key: groups[key].runs[0] for key in ordered})
    entries = tuple(_entry(key, names[key], groups[key], leads[key]) for key in ordered[:MOST])
    return Comparison(entries, found, len(groups), len(rows))


def line_styles(colour_numbers: Iterable[int], count: int) -> list[int]:
    """A line for each curve, of `count` kinds: the first of a colour has the first, the next the next."""
    used: Counter[int] = Counter()
    lines = []
    for number in colour_numbers:
        lines.append(used[number] % count)
        used[number] += 1
    return lines


def _entry(key: str, name: str, group: Group, config: Json) -> ComparedEntry:
    only = group.runs[0].id if len(group.runs) == 1 else group.runs[0].group_key
    return ComparedEntry(key, name, only, group, config)


def _order(found: Differences, key: str) -> list[tuple[int, float, str]]:
    """Sorts entries by their differing options: those that lack one first, then numbers, then texts."""
    values = found.values[key]
    order: list[tuple[int, float, str]] = []
    for option in found.names:
        value = values.get(option, ABSENT)
        if value is ABSENT or value is None:
            order.append((0, 0.0, ""))
        elif isinstance(value, int | float):
            order.append((1, float(value), ""))
        else:
            order.append((2, 0.0, str(value)))
    return order


def _names(found: Differences, leads: Mapping[str, RunRow]) -> dict[str, str]:
    """What sets each entry apart, as a name that no other has."""
    labels = found.labels()
    names = {key: labels.text(key) or row.name for key, row in leads.items()}
    more: tuple[Callable[[RunRow], str], ...] = (
        lambda row: row.name,
        lambda row: row.device_kind,
        lambda row: f"seed {row.seed}",
        lambda row: row.id[:8],
    )
    for addition in more:
        taken = Counter(names.values())
        twice = [key for key, name in names.items() if taken[name] > 1]
        if len({addition(leads[key]) for key in twice}) > 1:
            names |= {key: f"{names[key]}, {addition(leads[key])}" for key in twice}
    return names


def _leaves(config: Json, above: tuple[str, ...] = ()) -> Iterable[tuple[str, ...]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and not above:
            yield from _leaves(value, (key,))
        else:
            yield (*above, key)
