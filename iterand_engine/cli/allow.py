"""`iterand allow`: what came with a workspace and counts only once its user looked at it and said so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from iterand_engine.cli.common import WorkspaceOption, add_row, make_table, result, show_table
from iterand_engine.errors import UserError, suggestion
from iterand_engine.machine.allowed import Allowed, visible_command
from iterand_engine.machine.settings import Settings
from iterand_engine.machine.workspace import TOP_FOLDERS, Workspace, link_target, named_workspace


@dataclass(frozen=True)
class Allowable:
    """Something that counts in a workspace only if its user allowed it, just as it is now.

    Attributes:
        name: as typed.
        noun: the words before what it is now, e.g. `a link to `.
        now: as it is in a workspace, or None where it is not there. Shown with all of it visible.
        is_allowed: whether that is allowed.
        allow: gives a record that allows it.
    """

    name: str
    noun: str
    now: Callable[[Workspace], str | None]
    is_allowed: Callable[[Allowed, str], bool]
    allow: Callable[[Allowed, str], Allowed]


def _link(name: str) -> Allowable:
    def now(workspace: Workspace) -> str | None:
        target = link_target(workspace, name)
        return None if target is None else str(target)

    return Allowable(
        name,
        "a link to ",
        now,
        lambda allowed, target: allowed.links.get(name) == target,
        lambda allowed, target: allowed.with_link(name, Path(target)),
    )


def _on_end() -> Allowable:
    return Allowable(
        "on_end",
        "",
        lambda workspace: Settings.load(workspace).on_end or None,
        Allowed.allows_command,
        Allowed.with_command,
    )


ALLOWABLE = (_on_end(), *(_link(name) for name in TOP_FOLDERS))


def allow(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WHAT...]",
            help=f"{' | '.join(one.name for one in ALLOWABLE)}; none: list what there is to allow.",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Trust a command or links of this workspace, on this machine, as they are now; alone: list them."""
    place = named_workspace(workspace)
    allowed = Allowed.load(place)
    if not what:
        _show(place, allowed)
        return
    for word in dict.fromkeys(what):
        one, now = _meant(place, word)
        allowed = one.allow(allowed, now)
        # As it is: `result` adds the workspace to commands in backticks.
        print(f"{one.name}: {one.noun}{visible_command(now)}", flush=True)
        result("Allowed on this machine, as long as it stays so.")
    allowed.save(place)


def _meant(place: Workspace, word: str) -> tuple[Allowable, str]:
    names = [one.name for one in ALLOWABLE]
    one = next((one for one in ALLOWABLE if one.name == word), None)
    if one is None:
        raise UserError(
            f"Cannot allow {word!r}{suggestion(word, names)} (what can be allowed: {', '.join(names)})."
        )
    now = one.now(place)
    if now is None:
        raise UserError(
            f"There is nothing to allow as {word!r} in the workspace {place.root}; `iterand allow` lists what"
            " there is."
        )
    return one, now


def _show(place: Workspace, allowed: Allowed) -> None:
    found = [(one, now) for one in ALLOWABLE if (now := one.now(place)) is not None]
    if not found:
        result(f"There is nothing to allow in the workspace {place.root}.")
        return
    table = make_table("what", "is now", "allowed")
    for one, now in found:
        add_row(
            table,
            one.name,
            f"{one.noun}{visible_command(now)}",
            "yes" if one.is_allowed(allowed, now) else "no",
        )
    show_table(table)
