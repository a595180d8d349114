"""The errors a user can cause, and the exit codes with which commands end.

A known error is raised as `UserError` with one sentence: what is wrong, which value, what is allowed and
what to do. Everything else is a defect of the program and is left to raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from enum import Enum, IntEnum, auto
from typing import Literal

Concern = Literal["extension", "data", "device", "disk"]


class Advice(Enum):
    """What helps against an error. Each door words it in its own terms: flags, buttons, arguments."""

    OTHER_WORKSPACE = auto()
    OTHER_FILE = auto()
    REPLACE_FILE = auto()
    LAST_EPOCH = auto()
    EXPORT_MASKS = auto()
    EXPORT_NETWORK = auto()
    START_SLOTS = auto()
    REOPEN_SLOT = auto()


class UserError(Exception):
    """A mistake or a condition that the user can correct; its text is the one sentence shown to them.

    `advice` is what helps, where each door says in its own words how that is done. `concern` says what the
    error is about, where `concerning` noted it: a run that it ends stores that.
    """

    concern: Concern | None = None

    def __init__(self, sentence: str, advice: Advice | None = None) -> None:
        super().__init__(sentence)
        self.advice = advice


@contextmanager
def concerning(concern: Concern) -> Iterator[None]:
    """Note on every UserError from within what it is about; what was noted further within stays."""
    try:
        yield
    except UserError as error:
        error.concern = error.concern or concern
        raise


Wrong = Literal["value", "truth value", "unknown", "missing", "together"]


class OptionError(UserError, ValueError):
    """An option that is wrong. A ValueError as well, so that pydantic collects those of several options.

    `option` is its dotted path, e.g. `method.sparsity` or `method.layers[0].match`; `value` what was given;
    `allowed` says in words what may be; `wrong` is the kind of mistake (`together`: a value that does not go
    with those of the options `beside`); `others` are the mistakes that were found with it.
    """

    def __init__(
        self,
        sentence: str,
        *,
        option: str,
        value: object = None,
        allowed: str = "",
        wrong: Wrong = "value",
        beside: tuple[str, ...] = (),
        others: tuple[OptionError, ...] = (),
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.option = option
        self.value = value
        self.allowed = allowed
        self.wrong = wrong
        self.beside = beside
        self.others = others

    def __str__(self) -> str:
        more = len({other.option for other in self.others} - {self.option})
        return f"{self.sentence} ({more} more to correct.)" if more else self.sentence

    @property
    def every(self) -> tuple[OptionError, ...]:
        """This mistake and those that were found with it, each without others."""
        return (self.alone(), *self.others)

    def alone(self) -> OptionError:
        """A copy of this mistake with empty `others`, so that a list of mistakes nests none in another."""
        return OptionError(
            self.sentence,
            option=self.option,
            value=self.value,
            allowed=self.allowed,
            wrong=self.wrong,
            beside=self.beside,
        )

    def called(self, name: str) -> str:
        """Its own sentence with another name for the option, where it begins with the option.

        Args:
            name: e.g. `--seeds`, or `It` beside a field.
        """
        start = f"{self.option} is "
        if not self.sentence.startswith(start):
            return self.sentence
        return f"{name} is {self.sentence.removeprefix(start)}"


def upwards(option: str) -> Iterator[str]:
    """A dotted option, then those that hold it: `method.layers[0].match`, `method.layers[0]`, ..."""
    while option:
        yield option
        option = option[: max(option.rfind("."), option.rfind("["), 0)]


def first_of(errors: Iterable[OptionError]) -> OptionError:
    """The first of some mistakes, at least one, which holds the others."""
    every = {(one.option, one.sentence): one for error in errors for one in error.every}
    first, *others = every.values()  # a union of types gives one error for each of them
    first.others = tuple(others)
    return first


class OwnershipLost(Exception):  # noqa: N818 - a fact about the run, not a fault of this process
    """Another process owns the run now: stop at once and write nothing more."""


class ExitCode(IntEnum):
    """Exit codes of every `iterand` command, and of worker processes."""

    OK = 0
    FAILED = 1
    USER = 2
    DEVICE = 3  # of a worker process alone: its device failed, not its run
    STOPPED = 130


def suggestion(word: str, known: Iterable[str]) -> str:
    """Name the nearest known word, as `; did you mean 'x'?`, or nothing where none is near.

    Args:
        word: what the user wrote.
        known: the words that are allowed.
    Returns:
        A clause to append to an error sentence, or an empty string.
    """
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
