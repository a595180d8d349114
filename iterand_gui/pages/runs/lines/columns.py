"""The columns of the run table: what each shows of a line, and what it sorts by; a new one is one entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from iterand_engine.machine import texts as shown
from iterand_gui.look import theme
from iterand_gui.look.run_line import URGENCY, LineKind, RunLine

SortValue = float | str
_UNKNOWN = math.nan  # sorts last in both directions


@dataclass(frozen=True)
class RunColumn:
    """One column.

    `text` gets a line and the time (seconds since 1970), `whole` says all of it where `text` lacks
    room; `sort` gives numbers or texts, never both.
    `is_first` are those that are shown before anybody asks for more; `changes` says that the order may change
    while runs are trained.
    """

    key: str
    title: str
    help: str
    text: Callable[[RunLine, float], str]
    sort: Callable[[RunLine], SortValue]
    is_number: bool = False
    is_first: bool = False
    changes: bool = False
    whole: Callable[[RunLine, float], str] | None = None


def state_text(line: RunLine) -> str:
    """A state as a word; of several the first, and how many stand otherwise: `2 running +1`."""
    if len(line.states) == 1:
        return theme.state_word(line.state)
    count = line.states[line.state]
    return f"{count} {theme.state_word(line.state).lower()} +{sum(line.states.values()) - count}"


def states_text(line: RunLine) -> str:
    """A state as a word; of several how many there are of each."""
    if len(line.states) == 1:
        return theme.state_word(line.state)
    said = sorted(line.states, key=URGENCY.index)
    return ", ".join(f"{line.states[state]} {theme.state_word(state).lower()}" for state in said)


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in few characters: 1-5, 8."""
    parts: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(
        f"{part[0]}-{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _accuracy_text(line: RunLine, now: float) -> str:
    text = shown.percent_spread(line.accuracy.mean, line.accuracy.deviation)
    if line.accuracy.mean is None:
        return text
    if line.kind is LineKind.SWEEP:
        return f"best {text}"
    return f"{text} so far" if line.is_preliminary else text


def _count_text(line: RunLine, now: float) -> str:
    """`2 of 3`: what became of the others says the state."""
    return line.n_text.partition(",")[0].removesuffix(" cells")


def _time_text(line: RunLine, now: float) -> str:
    if line.is_live:
        return shown.time_left(line.left_s) or shown.MISSING
    return shown.duration(line.spent_s) if line.spent_s else ""


def _whole_time_text(line: RunLine, now: float) -> str:
    if line.is_live and line.left_s is None:
        return "The time left is not known yet"
    return _time_text(line, now)


def _time_sort(line: RunLine) -> float:
    if line.is_live:
        return _UNKNOWN if line.left_s is None else line.left_s
    return line.spent_s


def _progress_text(line: RunLine, now: float) -> str:
    lead = line.lead
    return shown.progress(lead.step, lead.total_steps) if lead.step else ""


def _known(value: float | None) -> float:
    return _UNKNOWN if value is None else value


def _of_lead(name: str, *, more: bool = True) -> Callable[[RunLine, float], str]:
    """What the newest run says, for what all runs of a group share; a sweep is about several."""

    def text(line: RunLine, now: float) -> str:
        value = getattr(line.lead, name)
        return "" if value is None or (more and line.kind is LineKind.SWEEP) else str(value)

    return text


def _sort_of_lead(name: str) -> Callable[[RunLine], SortValue]:
    return lambda line: str(getattr(line.lead, name) or "").casefold()


def _moment(name: str) -> tuple[Callable[[RunLine, float], str], Callable[[RunLine], SortValue]]:
    return (
        lambda line, now: shown.moment(getattr(line.lead, name)) if getattr(line.lead, name) else "",
        lambda line: _known(getattr(line.lead, name)),
    )


def _shared(key: str, title: str, help: str, name: str) -> RunColumn:
    return RunColumn(key, title, help, _of_lead(name), _sort_of_lead(name))


COLUMNS: Final[tuple[RunColumn, ...]] = (
    RunColumn(
        "state",
        "State",
        "How the run stands; of several runs what needs a look first",
        lambda line, now: state_text(line),
        lambda line: line.urgency,
        is_first=True,
        changes=True,
        whole=lambda line, now: states_text(line),
    ),
    RunColumn(
        "name",
        "Name",
        "Name of the run, of the group's newest run, or of the sweep",
        lambda line, now: line.name,
        lambda line: line.name.casefold(),
        is_first=True,
    ),
    RunColumn(
        "differs",
        "What differs",
        "The options in which the runs shown here differ",
        lambda line, now: line.differs,
        lambda line: line.differs.casefold(),
        is_first=True,
    ),
    RunColumn(
        "n",
        "n",
        "Seeds that have finished; of a sweep the cells that have one",
        _count_text,
        lambda line: line.n,
        is_number=True,
        is_first=True,
        changes=True,
        whole=lambda line, now: line.n_text,
    ),
    RunColumn(
        "accuracy",
        "Validation accuracy",
        "Mean and deviation over finished seeds; of a sweep its best cell",
        _accuracy_text,
        lambda line: _known(line.accuracy.mean),
        is_number=True,
        is_first=True,
        changes=True,
    ),
    RunColumn(
        "time",
        "Time",
        "Time left of what is being trained, else the time that training took",
        _time_text,
        _time_sort,
        is_number=True,
        is_first=True,
        changes=True,
        whole=_whole_time_text,
    ),
    RunColumn(
        "age",
        "Age",
        "Since the newest run was made",
        lambda line, now: shown.age(line.lead.created_at, now),
        lambda line: -line.lead.created_at,
        is_number=True,
        is_first=True,
    ),
    RunColumn(
        "progress",
        "Steps",
        "Steps done of all, of the newest run",
        _progress_text,
        lambda line: line.lead.step,
        is_number=True,
        changes=True,
    ),
    RunColumn(
        "epoch",
        "Epoch",
        "Epoch of the newest run",
        lambda line, now: str(line.lead.epoch) if line.lead.step else "",
        lambda line: line.lead.epoch,
        is_number=True,
        changes=True,
    ),
    _shared("dataset", "Dataset", "Images that are learned", "dataset"),
    _shared("model", "Network", "Network architecture", "model"),
    _shared("method", "Method", "Training method", "method"),
    RunColumn(
        "width",
        "Width",
        "Width factor",
        lambda line, now: "" if line.kind is LineKind.SWEEP else f"{line.lead.width_factor:g}",
        lambda line: line.lead.width_factor,
        is_number=True,
    ),
    RunColumn(
        "seeds",
        "Seeds",
        "Seeds of the runs",
        lambda line, now: seeds_text(line.seeds),
        lambda line: line.seeds[0],
        is_number=True,
    ),
    _shared("precision", "Precision", "Arithmetic of the run", "precision"),
    _shared("device", "Device", "Kind of device that it asks for", "device_kind"),
    RunColumn("created", "Made", "When the newest run was made", *_moment("created_at"), is_number=True),
    RunColumn(
        "started",
        "Started",
        "When the newest run began",
        *_moment("started_at"),
        is_number=True,
        changes=True,
    ),
    RunColumn(
        "ended", "Ended", "When the newest run ended", *_moment("ended_at"), is_number=True, changes=True
    ),
    RunColumn(
        "reason",
        "How it ended",
        "Why the newest run ended, where its state does not say it",
        _of_lead("reason", more=False),
        _sort_of_lead("reason"),
        changes=True,
    ),
    RunColumn(
        "tags",
        "Tags",
        "What you marked the newest run with",
        lambda line, now: " ".join(line.lead.tags),
        lambda line: " ".join(line.lead.tags).casefold(),
        changes=True,
    ),
    RunColumn(
        "program",
        "Program",
        "Version of the program that made the newest run",
        _of_lead("program_version", more=False),
        _sort_of_lead("program_version"),
    ),
    RunColumn(
        "id",
        "Id",
        "The newest run's id",
        lambda line, now: line.lead.id,
        lambda line: line.lead.id,
    ),
)
COLUMN: Final = {column.key: number for number, column in enumerate(COLUMNS)}
